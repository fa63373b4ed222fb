"""Which days are worked, and when a term of working days ends. Monday to Friday, without public holidays, with days worked instead.

A list of holidays ends: governments decide on them year by year. Beyond its end every Monday to Friday counts as worked.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

_SATURDAY = 5


@dataclass(frozen=True, slots=True)
class WorkingDays:
    """`off`: public holidays; `worked`: Saturdays and Sundays that are worked instead; `known_until`: the last day for which both
    are known, None without a list."""

    off: frozenset[date] = frozenset()
    worked: frozenset[date] = frozenset()
    known_until: date | None = None

    def is_worked(self, day: date) -> bool:
        return day in self.worked or (day.weekday() < _SATURDAY and day not in self.off)

    def after(self, start: datetime, days: int) -> datetime:
        """The end of a term of so many working days, at the time of day of `start` and by the days of its time zone. The day of
        `start` itself is not counted (Civil Code 91/2015/QH13, article 147)."""
        end = start
        while days:
            end += timedelta(days=1)
            days -= self.is_worked(end.date())
        return end

    def add(self, start: datetime, span: timedelta) -> datetime:
        """When so much time has passed on worked days, of which each has its 24 hours in the zone of `start`. For clocks that stop
        and go on; nothing or less is added as it is."""
        if span <= timedelta():
            return start + span
        end = start
        while True:
            midnight = datetime.combine(end.date() + timedelta(days=1), time(), end.tzinfo)
            if self.is_worked(end.date()):
                if span <= midnight - end:
                    return end + span
                span -= midnight - end
            end = midnight

    def between(self, start: datetime, end: datetime) -> timedelta:
        """How much time passes on worked days: what `add` adds. An end before the start is as far as the clock says."""
        if end <= start:
            return end - start
        passed, begin = timedelta(), start
        while begin < end:
            midnight = datetime.combine(begin.date() + timedelta(days=1), time(), begin.tzinfo)
            if self.is_worked(begin.date()):
                passed += min(midnight, end) - begin
            begin = midnight
        return passed
