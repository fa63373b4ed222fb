"""The list of public holidays: the one that is delivered, and what no list may say."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest

from gateway.core.errors import SettingsError
from gateway.settings.holidays import load_holidays, working_days

_DELIVERED = Path(__file__).resolve().parents[3] / "config/codes/holidays.yaml"
_LINE = "  - {{first: {}, last: {}, vi: x, en: x}}\n"


def test_the_delivered_list_has_the_days_off_that_the_law_gives() -> None:
    """Eleven a year, and whatever falls on a weekend is made up for."""
    found = working_days(load_holidays(_DELIVERED))
    for year in (2026, 2027):
        days = [date(year, 1, 1) + timedelta(days=n) for n in range(365)]
        off = sum(day.weekday() < 5 and not found.is_worked(day) for day in days)
        swapped = sum(day.weekday() > 4 and found.is_worked(day) for day in days)
        assert off - swapped == 11, year


@pytest.mark.parametrize(
    ("lines", "worked", "place"),
    [
        (_LINE.format("2026-09-02", "2026-09-01"), "[]", "holidays[0].last"),
        (_LINE.format("2026-09-02", "2026-09-30"), "[]", "holidays[0].last"),
        (_LINE.format("2026-12-31", "2027-01-01"), "[]", "holidays[0].first"),
        (
            _LINE.format("2026-09-01", "2026-09-02") + _LINE.format("2026-09-02", "2026-09-02"),
            "[]",
            "holidays[1].first",
        ),
        (_LINE.format("2026-09-01", "2026-09-02"), "[2026-09-03]", "worked[0]"),
        (_LINE.format("2026-09-01", "2026-09-02"), "[2027-01-02]", "worked[0]"),
        (_LINE.format("2026-09-01", "2026-09-02"), "[2026-09-05, 2026-09-05]", "worked[1]"),
        (_LINE.format("2026-09-05", "2026-09-05"), "[2026-09-05]", "worked[0]"),
        (_LINE.format("2026-02-30", "2026-02-30"), "[]", "holidays[0].first"),
    ],
)
def test_a_list_that_contradicts_itself_is_refused(tmp_path: Path, lines: str, worked: str, place: str) -> None:
    file = tmp_path / "holidays.yaml"
    head = "source: {vi: [x], en: [x]}\nknown_until: 2026-12-31\nholidays:\n"
    file.write_text(f"{head}{lines}worked: {worked}\n", "utf-8")
    with pytest.raises(SettingsError) as raised:
        load_holidays(file)
    assert any(place in problem for problem in raised.value.problems), raised.value.problems
