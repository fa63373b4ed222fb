"""Which days are worked, and when a term of working days ends. Monday to Friday, without public holidays, with days worked instead.

A list of holidays ends: governments decide on them year by year. Beyond its end every Monday to Friday counts as worked.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

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
