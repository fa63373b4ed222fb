"""The outbox: what waits is submitted in order and once noted never again; the log away; the policy at its limit."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest

from gateway.core.errors import EvidenceUnavailable
from gateway.exchange.states import DispatchableRequest, RecordedAnswer
from gateway.messagelog.writer import MessageLogWriter
from gateway.storage.database import Database
from gateway.transparency.outbox import (
    _BUSY,
    _BUSY_GATHER_SECONDS,
    _GATHER_SECONDS,
    AtLimit,
    BacklogPolicy,
    Identity,
    NoPublicLog,
    Outbox,
)
from gateway.transparency.waiting import MOST_LEAVES, WaitingLeaf
from tests.support.log_states import (
    NOW,
    SERVER,
    access_entries,
    answered_request,
    authorized_request,
    refused_request,
)

AN = "999300000017"


@dataclass
class PublicLog:
    """A log that can be away, lose its answers, and take its time to include."""

    taken: dict[int, WaitingLeaf] = field(default_factory=dict)
    batches: list[list[int]] = field(default_factory=list)
    away: bool = False
    answers_lost: int = 0
    included_after: int = 0

    async def __call__(self, leaves: Sequence[WaitingLeaf]) -> bool:
        if self.away:
            raise EvidenceUnavailable("the public log does not answer")
        self.batches.append([leaf.number for leaf in leaves])
        for leaf in leaves:
            assert self.taken.setdefault(leaf.number, leaf) == leaf
        if self.answers_lost:
            self.answers_lost -= 1
            raise EvidenceUnavailable("the public log does not answer")
        self.included_after -= 1
        return self.included_after < 0


@dataclass
class Clock:
    now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now


@asynccontextmanager
async def writing(database: Database) -> AsyncIterator[MessageLogWriter]:
    writer = MessageLogWriter(database.pool, lambda: NOW, SERVER)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(writer.run())
        yield writer
        await writer.drain()


async def outbox_of(
    database: Database, log: PublicLog, clock: Clock | None = None, policy: BacklogPolicy | None = None
) -> Outbox:
    identity = Identity("tlog.vn.example/access", 7)
    outbox = Outbox(database.pool, str(SERVER), clock or Clock(), identity, log, policy or BacklogPolicy())
    await outbox.start()
    return outbox


async def some_records(writer: MessageLogWriter, count: int) -> None:
    entries = (access_entries(f"9993{n:08}") for n in range(count))
    await asyncio.gather(*(writer.append_refused(refused_request(entries=e)) for e in entries))


async def test_what_waits_is_submitted_in_order(database: Database) -> None:
    log = PublicLog()
    async with writing(database) as writer:
        outbox = await outbox_of(database, log)
        await some_records(writer, 5)
        await outbox.submit_once()
        await some_records(writer, 2)
        await outbox.submit_once()
        await outbox.submit_once()
    assert log.batches == [[1, 2, 3, 4, 5], [6, 7]]
    assert (outbox.submitted, outbox.waiting, outbox.age) == (7, 0, timedelta(0))
    leaves = {row["number"]: row["leaf"] for row in await database.pool.fetch("SELECT number, leaf FROM access_record")}
    assert {n: leaf.leaf for n, leaf in log.taken.items()} == leaves


async def test_what_another_server_of_the_same_id_submitted_does_not_wait(database: Database) -> None:
    """Both took the first three; the other went on: whoever is slower does not count its records as waiting."""
    log = PublicLog()
    async with writing(database) as writer:
        slow, fast = await outbox_of(database, log), await outbox_of(database, log)
        await some_records(writer, 3)
        leaves = await slow._waitlist.next()
        await some_records(writer, 2)
        await fast.submit_once()
        assert await slow._waitlist.note(leaves[-1].number) == (0, None)
        await some_records(writer, 1)
        assert await slow._waitlist.note(leaves[-1].number) == (1, NOW)


@pytest.mark.parametrize(("records", "gather"), [(_BUSY - 1, _GATHER_SECONDS), (_BUSY, _BUSY_GATHER_SECONDS)])
async def test_a_busy_server_gathers_longer(database: Database, records: int, gather: float) -> None:
    outbox = await outbox_of(database, PublicLog())
    async with writing(database) as writer:
        await some_records(writer, records)
        await outbox.submit_once()
    assert outbox._gather == gather
    async with writing(database) as writer:
        await some_records(writer, 1)
        await outbox.submit_once()
    assert outbox._gather == _GATHER_SECONDS


async def test_a_long_queue_goes_in_pieces(database: Database) -> None:
    log = PublicLog()
    entries = access_entries(*(f"9993{n:08}" for n in range(MOST_LEAVES + 3)))
    async with writing(database) as writer:
        await writer.append_refused(refused_request(entries=entries))
    await (await outbox_of(database, log)).submit_once()
    assert [len(batch) for batch in log.batches] == [MOST_LEAVES, 3]


async def test_an_answer_that_was_lost(database: Database) -> None:
    """The log has them, nobody knows: submitted again, the same."""
    log = PublicLog(answers_lost=1)
    async with writing(database) as writer:
        await some_records(writer, 3)
    outbox = await outbox_of(database, log)
    with pytest.raises(EvidenceUnavailable):
        await outbox.submit_once()
    assert outbox.waiting == 3
    again = await outbox_of(database, log)  # a crash in between makes no difference
    await again.submit_once()
    assert log.batches == [[1, 2, 3], [1, 2, 3]]
    assert sorted(log.taken) == [1, 2, 3]


async def test_the_log_away_for_five_minutes(database: Database) -> None:
    """Exchanges go on, the queue grows, and drains without a gap."""
    log, clock = PublicLog(away=True), Clock()
    async with writing(database) as writer:
        outbox = await outbox_of(database, log, clock)
        for minute in range(5):
            outbox.ensure_room("sensitive")
            await some_records(writer, 4)
            with pytest.raises(EvidenceUnavailable):
                await outbox.submit_once()
            clock.now += timedelta(minutes=1)
            assert (outbox.waiting, outbox.age) == (4 * (minute + 1), timedelta(minutes=minute + 1))
        log.away = False
        await outbox.submit_once()
    assert sorted(log.taken) == list(range(1, 21))
    assert outbox.waiting == 0


@pytest.mark.parametrize(
    ("at_limit", "goes_on"), [("stop", set()), ("degrade", {"ordinary"}), ("alert", {"ordinary", "sensitive"})]
)
@pytest.mark.parametrize("limit", ["age", "size"])
async def test_the_policy_at_its_limit(database: Database, limit: str, at_limit: AtLimit, goes_on: set[str]) -> None:
    clock = Clock()
    policy = BacklogPolicy(stop_size=3 if limit == "size" else 100, at_limit=at_limit)
    async with writing(database) as writer:
        await some_records(writer, 3)
    outbox = await outbox_of(database, PublicLog(), clock, policy)
    clock.now += timedelta(minutes=1) if limit == "size" else policy.stop_after + timedelta(seconds=1)
    assert outbox.at_limit
    served: set[str] = set()
    for sensitivity in ("ordinary", "sensitive"):
        try:
            outbox.ensure_room(sensitivity)
        except EvidenceUnavailable:
            continue
        served.add(sensitivity)
    assert served == goes_on
    await outbox.submit_once()
    outbox.ensure_room("sensitive")  # the log is back: nothing to configure, nothing to restart


async def test_the_limit_is_known_before_the_first_exchange_after_a_restart(database: Database) -> None:
    clock = Clock(NOW + timedelta(hours=7))
    async with writing(database) as writer:
        await some_records(writer, 1)
    with pytest.raises(EvidenceUnavailable):
        (await outbox_of(database, PublicLog(), clock)).ensure_room("ordinary")


async def dispatched(writer: MessageLogWriter, *persons: str) -> DispatchableRequest:
    return await writer.append_authorized(authorized_request(entries=access_entries(*persons)))


async def test_the_promise_names_the_log_of_the_year(database: Database) -> None:
    async with writing(database) as writer:
        outbox = await outbox_of(database, PublicLog())
        request = await dispatched(writer, AN)
        answer = answered_request(request, found=access_entries("999204000058"))
        reply = await outbox.release(await writer.append_found(answer))
        empty = await outbox.release(await writer.append_found(answered_request(await dispatched(writer))))
    assert reply.promise is not None
    assert reply.promise.origin == "tlog.vn.example/access/2026"
    assert reply.promise.leaves == tuple(e.leaf_hash for e in (*request.disclosed.entries, *answer.found))
    assert empty.promise is None


@pytest.mark.parametrize(("included_after", "released"), [(0, True), (2, True), (1000, False)])
async def test_waiting_for_inclusion(database: Database, included_after: int, released: bool) -> None:
    log = PublicLog(included_after=included_after)
    async with writing(database) as writer:
        outbox = await outbox_of(database, log, policy=BacklogPolicy(inclusion=timedelta(seconds=1)))
        request = await dispatched(writer, AN)
        waiting = outbox._included(request.disclosed.entries)
        if released:
            await waiting
        else:
            with pytest.raises(EvidenceUnavailable):
                await waiting
    assert set(log.taken) == {1}


async def test_the_key_of_pseudonyms_stays(database: Database) -> None:
    first, second = await outbox_of(database, PublicLog()), await outbox_of(database, PublicLog())
    assert first.official_key == second.official_key
    assert len(first.official_key) == 32
    assert first.provider == 7


async def test_it_runs_by_itself_and_outlives_a_log_that_is_away(database: Database) -> None:
    log = PublicLog(away=True)
    async with writing(database) as writer, asyncio.TaskGroup() as tasks:
        outbox = await outbox_of(database, log)
        running = tasks.create_task(outbox.run())
        await some_records(writer, 2)
        outbox.ensure_room("ordinary")
        await until(lambda: outbox.last_error is not None)
        assert outbox.last_error == "the public log does not answer"
        log.away = False
        await until(lambda: outbox.last_error is None)
        assert (outbox.waiting, outbox.submitted) == (0, 2)
        running.cancel()
    assert sorted(log.taken) == [1, 2]


async def until(condition: object) -> None:
    async with asyncio.timeout(20):
        while not condition():  # type: ignore[operator]
            await asyncio.sleep(0.01)


async def test_a_server_without_a_log_keeps_nothing_and_refuses_persons() -> None:
    off = NoPublicLog()
    with pytest.raises(EvidenceUnavailable):
        off.ensure_room("ordinary")
    request = DispatchableRequest(authorized_request(), 1)
    assert (await off.release(RecordedAnswer(answered_request(request)))).promise is None
    with pytest.raises(EvidenceUnavailable):
        await off.release(RecordedAnswer(answered_request(request, found=access_entries(AN))))
