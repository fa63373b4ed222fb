from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from gateway.monitoring.health import Problem
from gateway.monitoring.promises import PromiseReading, promises

GOOD: dict[str, Any] = {"cases": {}, "forks": 0, "misdated": 0, "trouble": {}, "overdue": 0, "folder": "var/promises"}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, []),
        ({"cases": {"VN/GOV/G01": 2, "VN/GOV/G15": 1}}, ["promises.broken.VN/GOV/G01", "promises.broken.VN/GOV/G15"]),
        ({"forks": 1}, ["promises.fork"]),
        ({"misdated": 2}, ["promises.time"]),
        ({"trouble": {"log/2026": "two-histories"}}, ["promises.fork"]),
        ({"trouble": {"log/2026": "unreachable"}}, ["promises.log.log/2026"]),
        ({"trouble": {"log/2026": "unverified"}, "overdue": 3}, ["promises.log.log/2026", "promises.overdue"]),
        ({"trouble": {"log/2026": "unknown"}}, ["promises.log.log/2026"]),
    ],
)
def test_what_is_said(change: dict[str, Any], expected: list[str]) -> None:
    found: list[Problem] = list(promises(PromiseReading(**{**GOOD, **change}, max_delay=timedelta(hours=24))))
    assert [p.key for p in found] == expected
    assert all(p.what and p.vi and p.what != p.vi for p in found)
    assert {p.severity for p in found if not p.key.startswith("promises.log.")} <= {"fail"}
    assert {p.severity for p in found if p.key.startswith("promises.log.")} <= {"warn"}
