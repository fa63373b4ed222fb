"""Sender, road and receiver over real databases, with a clock that the test moves."""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from adapters.sdk.delivery import post
from adapters.sdk.delivery.judging import Answer, Delivered, Failed
from adapters.sdk.delivery.outbox import Claim
from tests.support.delivery import Clock, Receiver, RoadUnderTest, Sender, message

DENIED = Answer(500, b"", error="server.serverproxy.access_denied")
DOWN = Answer(500, b"", error="server.clientproxy.network_error")


async def test_a_message_is_there_with_its_effect_or_not_at_all(
    sender_pool: Any, receiver: Receiver, clock: Clock
) -> None:
    sender = Sender(sender_pool, clock, RoadUnderTest(receiver))
    async with sender_pool.acquire() as connection:
        undone = connection.transaction()
        await undone.start()
        await post(connection, message(1), clock())
        await undone.rollback()
        with pytest.raises(RuntimeError, match="transaction"):
            await post(connection, message(1), clock())
    assert await sender.worker.step() == 0
    await sender.post(message(2))
    await sender.post(message(2))
    assert await sender.worker.step() == 1
    assert await receiver.effects() == [("999-KS-2026-000001", 2)]


@pytest.mark.parametrize("fault", ["lost", "answer lost", "twice", DOWN, Answer(503, b"")], ids=str)
async def test_whatever_happens_once_it_arrives_once(
    sender_pool: Any, receiver: Receiver, clock: Clock, fault: Any
) -> None:
    road = RoadUnderTest(receiver, [fault])
    sender = Sender(sender_pool, clock, road)
    await sender.post(message(1))
    await sender.until_quiet()
    assert await receiver.effects() == [("999-KS-2026-000001", 1)]
    rows = await sender_pool.fetch("select * from delivery.attempt order by number")
    assert [row["attempt_id"] for row in rows] == [c.attempt_id for c in road.attempts]
    assert rows[-1]["verdict"] == "delivered"
    assert rows[-1]["receipt"] is not None
    assert len({c.attempt_id for c in road.attempts}) == len(road.attempts), "each attempt is an exchange of its own"


async def test_many_faults_in_any_order(sender_pool: Any, receiver: Receiver, clock: Clock) -> None:
    """Seeded chaos: nothing lost, nothing doubled, each key in the order of its commits."""
    dice = random.Random(20261126)
    faults: list[str | Answer] = ["lost", "answer lost", "twice", "arrives", DOWN]
    road = RoadUnderTest(receiver, [dice.choice(faults) for _ in range(90)])
    sender = Sender(sender_pool, clock, road, batch=4)
    posted: dict[str, list[int]] = defaultdict(list)
    for n in range(30):
        key = f"dossier-{dice.randrange(7)}"
        posted[key].append(n)
        await sender.post(message(n, key))
        if dice.random() < 0.5:
            await sender.worker.step()
            clock.advance(dice.choice([0, 1, 200, -3600]))
    await sender.until_quiet()
    arrived: dict[str, list[int]] = defaultdict(list)
    for key, n in await receiver.effects():
        arrived[key].append(n)
    assert arrived == posted
    assert set(await sender.states()) == {"delivered"}


async def test_the_next_of_a_key_waits_and_other_keys_do_not(
    sender_pool: Any, receiver: Receiver, clock: Clock
) -> None:
    road = RoadUnderTest(receiver, [DENIED])
    sender = Sender(sender_pool, clock, road)
    await sender.post(message(1, "a"), message(2, "a"), message(3, "b"))
    await sender.until_quiet(done=lambda: len(road.attempts) == 2)
    assert await receiver.effects() == [("b", 3)]
    (letter,) = await sender.outbox.dead_letters()
    assert (letter.message_id, letter.cause, letter.behind) == (UUID(int=1), "server.serverproxy.access_denied", 1)
    assert letter.last_attempt == road.attempts[0].attempt_id

    assert await sender.outbox.send_again(UUID(int=1), "VH-03", timedelta(days=1))
    assert not await sender.outbox.send_again(UUID(int=1), "VH-03", timedelta(days=1)), "twice is once"
    await sender.until_quiet()
    assert await receiver.effects() == [("b", 3), ("a", 1), ("a", 2)]
    assert [r["who"] for r in await sender_pool.fetch("select who from delivery.action")] == ["VH-03"]


async def test_what_is_set_aside_lets_the_next_pass(sender_pool: Any, receiver: Receiver, clock: Clock) -> None:
    sender = Sender(sender_pool, clock, RoadUnderTest(receiver, [DENIED]))
    await sender.post(message(1), message(2))
    assert not await sender.outbox.set_aside(UUID(int=1), "VH-03", "it still waits"), "only dead letters"
    await sender.worker.step()
    assert await sender.outbox.set_aside(UUID(int=1), "VH-03", "registered by hand")
    await sender.until_quiet()
    assert [n for _, n in await receiver.effects()] == [2]
    assert await sender.states() == ["set_aside", "delivered"]


async def test_after_the_deadline_it_is_for_a_person(sender_pool: Any, receiver: Receiver, clock: Clock) -> None:
    road = RoadUnderTest(receiver, ["lost"] * 1000)
    sender = Sender(sender_pool, clock, road)
    await sender.post(message(1, lifetime=3600))
    await sender.until_quiet()
    assert 8 < len(road.attempts) < 30, "back-off"
    assert (await sender.outbox.dead_letters())[0].cause == "network"


async def test_a_claim_that_nobody_settles_is_taken_again(sender_pool: Any, receiver: Receiver, clock: Clock) -> None:
    """kill -9 after the claim: the attempt stands without an end, its lease ends, and what it says late does no harm."""
    sender = Sender(sender_pool, clock, RoadUnderTest(receiver))
    await sender.post(message(1))
    (lost,) = await sender.outbox.claim(1)
    assert await sender.outbox.claim(1) == []
    clock.advance(121)
    (second,) = await sender.outbox.claim(1)
    await sender.outbox.settle(lost, Failed("network", permanent=True), None)
    assert await sender.states() == ["waiting"], "a failure told late changes nothing"
    await sender.outbox.settle(lost, Delivered(), Answer(200, b"{}"))
    await sender.outbox.settle(second, Failed("network", permanent=True), None)
    assert await sender.states() == ["delivered"], "a delivery told late is a delivery"


async def test_another_content_under_the_same_id_is_refused(sender_pool: Any, receiver: Receiver, clock: Clock) -> None:
    sender = Sender(sender_pool, clock, RoadUnderTest(receiver))
    await sender.post(message(1))
    (claim,) = await sender.outbox.claim(1)
    assert (await receiver.take(claim)).status == 200
    other = type(claim)(claim.attempt_id, 1, message(2, message_id=UUID(int=1), body=b'{"n":2}'))
    assert b"idempotency_key_reused" in (await receiver.take(other)).body
    assert len(await receiver.effects()) == 1


async def test_copies_at_the_same_moment_have_one_effect_and_one_answer(
    sender_pool: Any, receiver: Receiver, clock: Clock
) -> None:
    sender = Sender(sender_pool, clock, RoadUnderTest(receiver))
    await sender.post(message(1))
    (claim,) = await sender.outbox.claim(1)
    answers = await asyncio.gather(*(receiver.take(claim) for _ in range(5)))
    assert len({a.body for a in answers}) == 1
    assert len(await receiver.effects()) == 1


async def test_commits_decide_the_order_of_a_key(sender_pool: Any, receiver: Receiver, clock: Clock) -> None:
    """A transaction that posted first and commits last does not overtake: the second waits for it."""
    sender = Sender(sender_pool, clock, RoadUnderTest(receiver))
    async with sender_pool.acquire() as slow, sender_pool.acquire() as quick:
        transaction = slow.transaction()
        await transaction.start()
        await post(slow, message(1), clock())
        async with asyncio.TaskGroup() as group:

            async def second() -> None:
                async with quick.transaction():
                    await post(quick, message(2), clock())

            task = group.create_task(second())
            await asyncio.sleep(0.05)
            assert not task.done()
            assert await sender.outbox.claim(9) == []
            await transaction.commit()
    await sender.until_quiet()
    assert [n for _, n in await receiver.effects()] == [1, 2]


async def test_logs_hold_no_content(sender_pool: Any, receiver: Receiver, clock: Clock) -> None:
    sender = Sender(sender_pool, clock, RoadUnderTest(receiver, [DOWN]))
    await sender.post(message(1, body=b'{"id":"999300000017"}'))
    await sender.worker.step()
    assert "network_error" in sender.log.getvalue()
    assert "999300000017" not in sender.log.getvalue()


async def _claimed(sender: Sender, count: int) -> list[Claim]:
    await sender.post(*(message(n, f"key-{n}") for n in range(count)))
    return list(await sender.outbox.claim(count))


_RECEIVED = Answer(200, b"{}")
_TRANSACTIONS = "select count(distinct xmin::text) from delivery.outbox"


async def test_attempts_that_end_together_share_a_transaction(
    sender_pool: Any, receiver: Receiver, clock: Clock
) -> None:
    sender = Sender(sender_pool, clock, RoadUnderTest(receiver))
    claims = await _claimed(sender, 10)
    await asyncio.gather(*(sender.outbox.settle(c, Delivered(), _RECEIVED) for c in claims[:9]))
    assert await sender.states() == ["delivered"] * 9 + ["waiting"]
    assert await sender_pool.fetchval(f"{_TRANSACTIONS} where state = 'delivered'") == 2
    assert await sender_pool.fetchval("select count(*) from delivery.attempt where receipt = '{}'") == 9


async def test_each_is_told_when_their_end_was_not_written(sender_pool: Any, receiver: Receiver, clock: Clock) -> None:
    sender = Sender(sender_pool, clock, RoadUnderTest(receiver))
    claims = await _claimed(sender, 4)
    await sender_pool.execute("alter table delivery.attempt add check (verdict <> 'delivered')")
    ended = (sender.outbox.settle(c, Delivered(), _RECEIVED) for c in claims)
    assert [type(e).__name__ for e in await asyncio.gather(*ended, return_exceptions=True)] == [
        "CheckViolationError"
    ] * 4
    assert await sender.states() == ["waiting"] * 4
    await sender.outbox.settle(claims[0], Failed("network", permanent=True), None)
    assert await sender.states() == ["dead", *["waiting"] * 3], "what failed is not written again with it"


async def test_a_cancelled_writer_leaves_the_ends_to_the_next(
    sender_pool: Any, receiver: Receiver, clock: Clock
) -> None:
    sender = Sender(sender_pool, clock, RoadUnderTest(receiver))
    claims = await _claimed(sender, 3)
    async with asyncio.TaskGroup() as group, sender_pool.acquire() as holding, holding.transaction():
        await holding.execute("lock delivery.attempt")
        writing = group.create_task(sender.outbox.settle(claims[0], Delivered(), _RECEIVED))
        await asyncio.sleep(0.05)
        for claim in claims[1:]:
            group.create_task(sender.outbox.settle(claim, Delivered(), _RECEIVED))
        await asyncio.sleep(0)
        writing.cancel()
    assert await sender.states() == ["delivered"] * 3
