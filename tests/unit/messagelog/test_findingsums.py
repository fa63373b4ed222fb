"""Findings become sums of their month: whole months only, every report as before, and nothing counted twice."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import asyncpg
import pytest

from gateway.app import evidence
from gateway.core.content.statistics import FindingSum
from gateway.messagelog.findings import month_of, sums
from gateway.messagelog.findingsums import FindingRetention, SummedMonth
from gateway.settings.evidence import EvidenceSettings
from gateway.storage.database import Database

_INSERT = "INSERT INTO content_finding VALUES ($1, $2, 'c', 's', $3, 'block', $4, $5, $6)"
_OCTOBER_ENDS = datetime(2026, 10, 31, 17, tzinfo=UTC)  # midnight in Vietnam
_KEEP = timedelta(days=30)
_ROWS = [
    (datetime(2026, 9, 12, tzinfo=UTC), "document", "unsigned", "99901", True),
    (datetime(2026, 10, 2, tzinfo=UTC), "document", "good", "99901", False),
    (datetime(2026, 10, 2, 1, tzinfo=UTC), "document", "unsigned", "99902", True),
    (_OCTOBER_ENDS - timedelta(seconds=1), "document", "unsigned", "99902", False),
    (_OCTOBER_ENDS - timedelta(seconds=1), "return", "empty", "", True),
    (_OCTOBER_ENDS, "document", "good", "99903", False),
]
_OCTOBER = [
    FindingSum("c", "s", "99901", "good", 1, 0),
    FindingSum("c", "s", "99902", "unsigned", 2, 1),
]


@pytest.fixture
async def filled(database: Database) -> Database:
    for number, row in enumerate(_ROWS):
        await database.pool.execute(_INSERT, number, *row)
    return database


def retention(database: Database, now: datetime) -> FindingRetention:
    return FindingRetention(database, lambda: now, _KEEP)


async def _october(database: Database) -> Sequence[FindingSum]:
    return await sums(database.pool, "document", date(2026, 10, 9))


async def _left(database: Database) -> int:
    found: int = await database.pool.fetchval("SELECT count(*) FROM content_finding")
    return found


async def test_a_month_goes_as_a_whole_when_it_is_over_long_enough(filled: Database) -> None:
    before = await _october(filled)
    assert before == _OCTOBER
    early = retention(filled, _OCTOBER_ENDS + _KEEP - timedelta(seconds=1))
    assert await early.once() == [SummedMonth(date(2026, 9, 1), 1, 1)]
    assert await _left(filled) == 5, "October is not over for thirty days yet"
    late = retention(filled, _OCTOBER_ENDS + _KEEP)
    assert await late.preview() == [SummedMonth(date(2026, 10, 1), 4, 3)]
    assert await _left(filled) == 5, "a preview changes nothing"
    assert await late.once() == [SummedMonth(date(2026, 10, 1), 4, 3)]
    assert await _left(filled) == 1
    assert await late.once() == []
    assert await _october(filled) == before
    assert await sums(filled.pool, "return", date(2026, 10, 1)) == [FindingSum("c", "s", "", "empty", 1, 1)]
    assert await sums(filled.pool, "document", date(2026, 11, 1)) == [FindingSum("c", "s", "99903", "good", 1, 0)]


async def test_what_comes_late_is_added(filled: Database) -> None:
    """A server whose clock was behind; another one that had not written yet."""
    late = retention(filled, _OCTOBER_ENDS + _KEEP)
    await late.once()
    await filled.pool.execute(_INSERT, 100, *_ROWS[2])
    together = [_OCTOBER[0], FindingSum("c", "s", "99902", "unsigned", 3, 2)]
    assert await _october(filled) == together
    await late.once()
    assert await _october(filled) == together


async def test_a_round_that_fails_takes_nothing_away(filled: Database) -> None:
    async with filled.owner() as owner:
        await owner.execute("ALTER TABLE content_finding_sum ADD CHECK (subject <> '99902')")
    with pytest.raises(asyncpg.CheckViolationError):
        await retention(filled, _OCTOBER_ENDS + _KEEP).once()
    assert await _left(filled) == 5
    assert await _october(filled) == _OCTOBER


async def test_the_role_that_serves_cannot_do_it(filled: Database) -> None:
    for statement in ("DELETE FROM content_finding", "DELETE FROM content_finding_sum"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await filled.pool.execute(statement)


def test_months_begin_at_midnight_in_vietnam() -> None:
    since, until = month_of(date(2026, 12, 31))
    assert since == datetime(2026, 11, 30, 17, tzinfo=UTC)
    assert until == datetime(2026, 12, 31, 17, tzinfo=UTC)


async def test_the_command_says_first_and_does_then(
    filled: Database, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def opened(*_: object, **__: object) -> Database:
        return filled

    class Settings:
        evidence = EvidenceSettings()

    monkeypatch.setattr(evidence, "open_database", opened)
    monkeypatch.setattr(evidence, "settings_of", lambda configs, server: Settings)
    monkeypatch.setattr(evidence, "database_source", lambda settings: None)
    monkeypatch.setattr(evidence, "clock", lambda: _OCTOBER_ENDS + Settings.evidence.findings.keep)
    monkeypatch.setattr(filled, "close", opened)
    assert await evidence.sum_up_findings(Path(), "s", preview=True) == 0
    assert await _left(filled) == 6
    assert await evidence.sum_up_findings(Path(), "s", preview=False) == 0
    assert await evidence.sum_up_findings(Path(), "s", preview=True) == 0
    assert capsys.readouterr().out.splitlines() == [
        "2026-09: 1 finding(s) would become 1 sum(s)",
        "2026-10: 4 finding(s) would become 3 sum(s)",
        "2026-09: 1 finding(s) became 1 sum(s)",
        "2026-10: 4 finding(s) became 3 sum(s)",
        "no month is old enough (evidence.findings.keep)",
    ]
