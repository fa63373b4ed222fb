"""Terms of working days: weekends, holidays, Saturdays that are worked; and what holds for any list."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.workingdays import WorkingDays

LOCAL = timezone(timedelta(hours=7))
VIETNAM = WorkingDays(
    off=frozenset(date(2026, 2, day) for day in range(16, 21))
    | {date(2026, 8, 31), date(2026, 9, 1), date(2026, 9, 2)},
    worked=frozenset({date(2026, 8, 22)}),
    known_until=date(2026, 12, 31),
)


@pytest.mark.parametrize(
    ("start", "days", "end"),
    [
        ("2026-02-13", 1, "2026-02-23"),  # lunar new year
        ("2026-02-18", 1, "2026-02-23"),  # filed on a holiday
        ("2026-08-21", 1, "2026-08-22"),  # a Saturday that is worked
        ("2026-08-28", 2, "2026-09-04"),
        ("2027-02-05", 1, "2027-02-08"),  # beyond the list
    ],
)
def test_the_end_of_a_term(start: str, days: int, end: str) -> None:
    began = datetime.fromisoformat(f"{start}T16:30").replace(tzinfo=LOCAL)
    assert VIETNAM.after(began, days).isoformat() == f"{end}T16:30:00+07:00"


def test_a_clock_of_worked_time_stops_and_goes_on() -> None:
    friday = datetime(2026, 2, 13, 15, tzinfo=LOCAL)
    assert VIETNAM.add(friday, timedelta(hours=9)).isoformat() == "2026-02-14T00:00:00+07:00"
    assert VIETNAM.add(friday, timedelta(hours=10)).isoformat() == "2026-02-23T01:00:00+07:00"
    assert VIETNAM.between(friday, friday + timedelta(days=9)) == timedelta(hours=9)
    assert VIETNAM.add(friday, -timedelta(days=1)) == friday - timedelta(days=1)


DAYS = st.dates(date(2026, 1, 1), date(2026, 3, 31))


@settings(max_examples=60)
@given(st.frozensets(DAYS), st.frozensets(DAYS), DAYS, st.integers(0, 15))
def test_as_many_worked_days_as_the_term_says(
    off: frozenset[date], worked: frozenset[date], start: date, days: int
) -> None:
    calendar = WorkingDays(off, worked - off)
    began = datetime(start.year, start.month, start.day, 9, tzinfo=LOCAL)
    ended = calendar.after(began, days)
    passed = [began.date() + timedelta(days=n + 1) for n in range((ended - began).days)]
    assert sum(calendar.is_worked(day) for day in passed) == days
    assert not passed or calendar.is_worked(passed[-1])


@settings(max_examples=60)
@given(
    st.frozensets(DAYS),
    st.datetimes(datetime(2026, 1, 1), datetime(2026, 3, 1)),
    st.timedeltas(timedelta(), timedelta(days=20)),
)
def test_what_is_added_is_what_is_between(off: frozenset[date], start: datetime, span: timedelta) -> None:
    calendar, began = WorkingDays(off), start.replace(tzinfo=LOCAL)
    assert calendar.between(began, calendar.add(began, span)) == span
