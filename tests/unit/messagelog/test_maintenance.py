"""Only what is no evidence is ever removed."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from gateway.core.errors import ReplayedRequest, TrustOutdated
from gateway.messagelog.bodies import store_body
from gateway.messagelog.maintenance import LogMaintenance, Swept
from gateway.messagelog.writer import MessageLogWriter
from gateway.storage.database import Database
from tests.support.log_states import NOW, SERVER, PatternBody, authorized_request, signed_request


async def _append(database: Database, *requests: object) -> None:
    writer = MessageLogWriter(database.pool, lambda: NOW, SERVER)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(writer.run())
        for request in requests:
            await writer._append(request)  # type: ignore[arg-type]
        await writer.drain()


async def _age(database: Database, by: str) -> None:
    async with database.owner() as owner:
        await owner.execute(f"UPDATE body_chunk SET written = written - interval '{by}'")  # noqa: S608


async def test_partitions_at_start_and_later(database: Database) -> None:
    now = NOW
    maintenance = LogMaintenance(database, lambda: now)
    assert await maintenance.once() == Swept(partitions=4, claims=0, pieces=0, submissions=0)
    assert await maintenance.once() == Swept(partitions=0, claims=0, pieces=0, submissions=0)
    now += timedelta(days=2)
    assert await maintenance.once() == Swept(partitions=2, claims=0, pieces=0, submissions=0)
    await _append(database, signed_request(now=now))
    async with database.owner() as owner:
        assert await owner.fetchval("SELECT count(*) FROM ONLY message_record_default") == 0


async def test_months(database: Database) -> None:
    assert (await LogMaintenance(database, lambda: NOW, period="month").once()).partitions == 2


async def test_pieces_without_a_record_go_after_a_day(database: Database) -> None:
    body = PatternBody(3 << 20)
    await _append(database, signed_request(body=body))
    await store_body(database.pool, body, inline_below=0, patience=5)  # ... and here we crashed
    maintenance = LogMaintenance(database, lambda: NOW)
    assert (await maintenance.once()).pieces == 0  # its record may still be on its way
    await _age(database, "25 hours")
    assert (await maintenance.once()).pieces == 3
    assert await database.pool.fetchval("SELECT count(*) FROM body_chunk") == 3  # the recorded one


async def test_claims_go_when_a_replay_would_fall_anyway(database: Database) -> None:
    now = NOW
    maintenance = LogMaintenance(database, lambda: now, keep_claims=timedelta(hours=2))
    await _append(database, authorized_request("a"))
    now += timedelta(hours=2)
    assert (await maintenance.once()).claims == 0
    with pytest.raises(ExceptionGroup) as caught:
        await _append(database, authorized_request("a"))
    assert caught.group_contains(ReplayedRequest)
    now += timedelta(seconds=1)
    assert (await maintenance.once()).claims == 1


async def test_claims_stay_while_the_instance_believes_answers(database: Database) -> None:
    """An instance may believe OCSP answers for longer than claims are kept by default, and nobody knows before there is one."""
    now = NOW
    fresh_for: timedelta | None = timedelta(days=30)

    def known() -> timedelta:
        if fresh_for is None:
            raise TrustOutdated("There is no global configuration yet")
        return fresh_for

    maintenance = LogMaintenance(database, lambda: now, fresh_for=known)
    await _append(database, authorized_request("a"))
    now += timedelta(days=37)
    assert (await maintenance.once()).claims == 0
    now, fresh_for = now + timedelta(seconds=1), None
    assert (await maintenance.once()).claims == 0
    fresh_for = timedelta(days=30)
    assert (await maintenance.once()).claims == 1


async def test_rounds_go_on_after_a_failed_one(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    maintenance = LogMaintenance(database, lambda: NOW, every=timedelta(0))
    rounds = asyncio.Event()
    failures = [OSError("away"), OSError("still away")]

    async def once() -> Swept:
        if failures:
            raise failures.pop()
        rounds.set()
        return Swept(0, 0, 0, 0)

    monkeypatch.setattr(maintenance, "once", once)
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(maintenance.run())
        await rounds.wait()
        task.cancel()
