"""What is said of the list of public holidays, and when."""

from __future__ import annotations

from datetime import date

import pytest

from gateway.monitoring.inquiries import holidays

TODAY = date(2027, 11, 2)


@pytest.mark.parametrize(
    ("known_until", "told"),
    [
        (None, ["There is no list"]),
        (date(2027, 12, 31), ["ends on 2027-12-31"]),
        (date(2027, 10, 1), ["ends on 2027-10-01"]),
        (date(2028, 1, 1), []),
    ],
)
def test_the_end_of_the_list_is_told_sixty_days_before(known_until: date | None, told: list[str]) -> None:
    problems = list(holidays(known_until, TODAY))
    assert [(p.severity, words in p.what) for p, words in zip(problems, told, strict=True)] == [("warn", True)] * len(
        told
    )
    assert all("ngày nghỉ lễ, tết" in p.vi for p in problems)
