"""Group commit: few commits, bounded waiting, innocent records are never lost to a bad one."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from gateway.core.disclosure.entries import Entries
from gateway.core.disclosure.leaf import AccessEntry
from gateway.core.errors import EvidenceUnavailable, ReplayedRequest
from gateway.core.messagelog.record import MessageRecord
from gateway.messagelog.access import ToAttach
from gateway.messagelog.groupcommit import GroupCommit, LogLimits
from gateway.messagelog.records import facts_of, record_of
from gateway.storage.database import Database
from tests.support.log_states import (
    CONF,
    NOW,
    SERVER,
    access_entries,
    authorized_request,
    configuration,
    signed_request,
)


@asynccontextmanager
async def running(database: Database, limits: LogLimits) -> AsyncIterator[GroupCommit]:
    log = GroupCommit(database.pool, lambda: NOW, str(SERVER), limits)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(log.run())
        yield log
        await log.drain()


def record(message_id: str = "message") -> MessageRecord:
    return record_of(facts_of(signed_request(message_id=message_id)), uuid4(), None)


def claiming(request_id: str) -> MessageRecord:
    return record_of(facts_of(authorized_request(request_id)), uuid4(), None)


async def _later(log: GroupCommit) -> int:
    await asyncio.sleep(0.01)
    return await log.append(record(), CONF)


async def _count(database: Database, table: str = "message_record") -> int:
    return int(await database.pool.fetchval(f"SELECT count(*) FROM {table}"))  # noqa: S608


async def test_concurrent_records_share_commits(database: Database) -> None:
    async with running(database, LogLimits()) as log:
        numbers = await asyncio.gather(*(log.append(record(), CONF) for _ in range(1000)))
        stats = log.stats()
    assert len(set(numbers)) == 1000 == await _count(database)
    assert (stats.records, stats.waiting, stats.lag) == (1000, 0, 0.0)
    assert stats.commits == 4  # 1000 records, at most 256 a commit
    assert (stats.largest_batch, stats.last_commit) == (256, NOW)


async def test_only_the_batch_after_a_large_one_gathers(database: Database) -> None:
    async with running(database, LogLimits(gather=0.5)) as log:
        await asyncio.gather(*(log.append(record(), CONF) for _ in range(4)))
        await asyncio.gather(log.append(record(), CONF), _later(log))
        assert (log.stats().commits, log.stats().records) == (2, 6)


async def test_a_lone_record_never_waits(database: Database) -> None:
    async with running(database, LogLimits(gather=3600)) as log:
        for _ in range(3):
            await log.append(record(), CONF)
        assert log.stats().commits == 3


async def test_numbers_follow_the_order_of_asking(database: Database) -> None:
    async with running(database, LogLimits()) as log:
        numbers = await asyncio.gather(*(log.append(record(), CONF) for _ in range(50)))
    assert numbers == sorted(numbers)


@pytest.mark.parametrize(
    ("limits", "commits"),
    [(LogLimits(batch_records=10), 3), (LogLimits(batch_bytes=1), 30)],
    ids=["records", "bytes"],
)
async def test_batches_are_bounded(database: Database, limits: LogLimits, commits: int) -> None:
    async with running(database, limits) as log:
        await asyncio.gather(*(log.append(record(), CONF) for _ in range(30)))
        assert log.stats().commits == commits


async def test_copies_in_one_batch(database: Database) -> None:
    async with running(database, LogLimits()) as log:
        waiting = [log.append(claiming(id), CONF) for id in ("a", "b", "a", "c", "a")]
        outcomes = await asyncio.gather(*waiting, return_exceptions=True)
        assert log.stats().replays == 2
    assert [isinstance(o, ReplayedRequest) for o in outcomes] == [False, False, True, False, True]
    assert await _count(database) == 3


async def test_a_configuration_is_kept_once(database: Database) -> None:
    async with running(database, LogLimits()) as log:
        for conf in (CONF, CONF, configuration("f2"), CONF):
            await log.append(replace(record(), conf_fingerprint=conf.fingerprint), conf)
    async with running(database, LogLimits()) as restarted:
        await restarted.append(record(), CONF)
    rows = await database.pool.fetch("SELECT fingerprint, names, contents FROM globalconf_snapshot ORDER BY 1")
    assert [row["fingerprint"] for row in rows] == ["f1", "f2"]
    assert dict(zip(rows[0]["names"], rows[0]["contents"], strict=True)) == CONF.files


BAD: dict[str, dict[str, Any]] = {
    "check violation": {"side": "neither"},
    "not null violation": {"client": None},
    "index row too large": {"message_id": random.Random(1).randbytes(6000).hex()},
    "not to be encoded": {"request_number": 2**70},
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
async def test_a_record_the_database_refuses_takes_nobody_along(database: Database, bad: dict[str, Any]) -> None:
    async with running(database, LogLimits()) as log:
        waiting = [log.append(r, CONF) for r in (record(), replace(record(), **bad), record())]
        outcomes = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(o) for o in outcomes] == [int, EvidenceUnavailable, int]
    assert await _count(database) == 2


async def test_entries_that_cannot_be_made_fail_their_exchange_alone(database: Database) -> None:
    """And nothing of it is written: neither its record without them nor its claim."""

    def make() -> tuple[AccessEntry, ...]:
        raise ValueError("not to be made")

    bad = claiming("bad")
    good, other = claiming("good"), claiming("other")
    async with running(database, LogLimits()) as log:
        outcomes = await asyncio.gather(
            log.append(good, CONF, ToAttach(good.uid, None, access_entries(*[f"9993{n:08}" for n in range(70)]), None)),
            log.append(bad, CONF, ToAttach(bad.uid, None, Entries(1, make), None)),
            log.append(other, CONF, ToAttach(other.uid, None, access_entries("999300000017"), None)),
            return_exceptions=True,
        )
        assert log.stats().commits == 1
    assert [type(o) for o in outcomes] == [int, ValueError, int]
    written = await database.pool.fetch("SELECT message_number, count(*) AS n FROM access_record GROUP BY 1 ORDER BY 1")
    assert [tuple(row) for row in written] == [(outcomes[0], 70), (outcomes[2], 1)]
    assert (await _count(database), await _count(database, "replay_claim")) == (2, 2)


async def test_too_much_waiting_is_refused_at_once(database: Database) -> None:
    for limits in (LogLimits(queue_records=2, patience=0.05), LogLimits(queue_bytes=1, patience=0.05)):
        log = GroupCommit(database.pool, lambda: NOW, str(SERVER), limits)  # nobody runs it: the database is stuck
        outcomes = await asyncio.gather(*(log.append(record(), CONF) for _ in range(3)), return_exceptions=True)
        assert [type(o) for o in outcomes] == [EvidenceUnavailable] * 3
        assert "too far behind" in str(outcomes[2])


async def test_patience_is_bounded_and_who_gave_up_leaves_no_record(database: Database) -> None:
    log = GroupCommit(database.pool, lambda: NOW, str(SERVER), LogLimits(patience=0.02))
    with pytest.raises(EvidenceUnavailable, match="does not answer") as caught:
        await log.append(claiming("a"), CONF)
    assert caught.value.code == "logging_failed"
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(log.run())
        await log.drain()
    assert await _count(database) == 0
    assert await _count(database, "replay_claim") == 0


async def test_lag_is_that_of_the_oldest(database: Database) -> None:
    log = GroupCommit(database.pool, lambda: NOW, str(SERVER), LogLimits())
    async with asyncio.TaskGroup() as tasks:
        first = tasks.create_task(log.append(record(), CONF))
        await asyncio.sleep(0.01)
        stats = log.stats()
        assert stats.waiting == 1
        assert stats.lag >= 0.01
        first.cancel()


async def test_drain_writes_what_waits_and_refuses_the_rest(database: Database) -> None:
    log = GroupCommit(database.pool, lambda: NOW, str(SERVER), LogLimits())
    async with asyncio.TaskGroup() as tasks:
        waiting = [tasks.create_task(log.append(record(), CONF)) for _ in range(5)]
        await asyncio.sleep(0)
        tasks.create_task(log.run())
        await log.drain()
        with pytest.raises(EvidenceUnavailable, match="shut down"):
            await log.append(record(), CONF)
    assert [task.done() and task.exception() for task in waiting] == [None] * 5
    assert await _count(database) == 5


async def test_cancelled_run_tells_who_waits(database: Database) -> None:
    log = GroupCommit(database.pool, lambda: NOW, str(SERVER), LogLimits())
    async with database.owner() as owner, owner.transaction():
        await owner.execute("LOCK TABLE message_record_default IN ACCESS EXCLUSIVE MODE")
        async with asyncio.TaskGroup() as tasks:
            writer = tasks.create_task(log.run())
            waiting = [tasks.create_task(_refusal(log)) for _ in range(2)]
            while log.stats().waiting < 2:
                await asyncio.sleep(0.001)
            await asyncio.sleep(0.02)
            writer.cancel()
        assert [task.result() for task in waiting] == ["logging_failed"] * 2


async def _refusal(log: GroupCommit) -> str:
    with pytest.raises(EvidenceUnavailable) as caught:
        await log.append(record(), CONF)
    return caught.value.code


@pytest.mark.parametrize("error", [asyncpg.SerializationError, asyncpg.DeadlockDetectedError])
async def test_conflicts_are_tried_again(
    database: Database, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    failures = [error("x"), error("x")]
    real = GroupCommit._write

    async def write(self: GroupCommit, batch: object, again: bool) -> object:
        if failures:
            raise failures.pop()
        return await real(self, batch, again)  # type: ignore[arg-type]

    monkeypatch.setattr(GroupCommit, "_write", write)
    async with running(database, LogLimits()) as log:
        assert await log.append(record(), CONF) > 0
        assert (log.stats().reconnects, log.stats().commits) == (0, 1)


async def test_a_full_disk_is_said_at_once(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    async def write(*_: object) -> object:
        raise asyncpg.DiskFullError("with content of a message in its text")

    real = GroupCommit._write
    async with running(database, LogLimits()) as log:
        monkeypatch.setattr(GroupCommit, "_write", write)
        with pytest.raises(EvidenceUnavailable, match="cannot be written") as caught:
            await log.append(record(), CONF)
        assert log.stats().refusal == "DiskFullError"
        monkeypatch.setattr(GroupCommit, "_write", real)
        await log.append(record(), CONF)
        assert log.stats().refusal is None
    assert "content" not in str(caught.value)


async def test_a_database_that_went_away_while_nothing_was_written(database: Database) -> None:
    """A restart between two exchanges: the pool has our connection back by the time we want it."""
    async with running(database, LogLimits()) as log:
        await log.append(record(), CONF)
        async with database.owner() as owner:
            await owner.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        async with asyncio.timeout(10):
            while database.pool.get_size() > database.pool.get_idle_size():
                await asyncio.sleep(0.01)
        await log.append(record(), CONF)
    assert await _count(database) == 2
