"""Public holidays, which no term of working days counts: `config/codes/holidays.yaml`."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated

from pydantic import Field

from gateway.core.workingdays import WorkingDays
from gateway.settings.codes import Bilingual, Words
from gateway.settings.common import Day, Strict
from gateway.settings.loader import Finding, load

_LONGEST = 15  # days of one holiday: more is a slip of the pen
_SATURDAY = 5
_DAY = timedelta(days=1)


class HolidaySettings(Bilingual):
    first: Day
    last: Day | None = None

    def days(self) -> tuple[date, ...]:
        """Empty when it ends before it begins."""
        last = self.first if self.last is None else self.last
        return tuple(self.first + n * _DAY for n in range((last - self.first).days + 1))


class SourceSettings(Strict):
    vi: Annotated[tuple[Words, ...], Field(min_length=1)]
    en: Annotated[tuple[Words, ...], Field(min_length=1)]


class HolidaysSettings(Strict):
    source: SourceSettings
    known_until: Day
    holidays: Annotated[tuple[HolidaySettings, ...], Field(min_length=1)]
    worked: tuple[Day, ...] = ()


def holidays_findings(settings: HolidaysSettings) -> Iterator[Finding]:
    seen: set[date] = set()
    for i, holiday in enumerate(settings.holidays):
        days = holiday.days()
        if not 0 < len(days) <= _LONGEST:
            yield Finding(("holidays", i, "last"), f"is not the same day as 'first' or up to {_LONGEST - 1} days later")
        elif days[-1] > settings.known_until:
            yield Finding(("holidays", i, "first"), "is after 'known_until'")
        elif seen & set(days):
            yield Finding(("holidays", i, "first"), "is among the days of another holiday")
        seen |= set(days[:_LONGEST])
    for i, day in enumerate(settings.worked):
        if day.weekday() < _SATURDAY or day in seen or day > settings.known_until or day in settings.worked[:i]:
            what = "is no Saturday or Sunday, a holiday, after 'known_until', or there twice"
            yield Finding(("worked", i), what)


def load_holidays(path: Path) -> HolidaysSettings:
    """SettingsError holds every problem."""
    return load(path, HolidaysSettings, holidays_findings)


def working_days(settings: HolidaysSettings) -> WorkingDays:
    """What core counts by."""
    off = frozenset(day for holiday in settings.holidays for day in holiday.days())
    return WorkingDays(off, frozenset(settings.worked), settings.known_until)
