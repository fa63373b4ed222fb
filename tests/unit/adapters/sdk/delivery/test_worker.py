"""The worker as it runs: woken by what is posted, undisturbed by what nobody foresaw."""

from __future__ import annotations

import asyncio
from typing import Any

from adapters.sdk.delivery.judging import Answer
from adapters.sdk.delivery.outbox import Claim
from tests.support.delivery import Clock, Receiver, RoadUnderTest, Sender, message


async def _until(receiver: Receiver, count: int) -> list[tuple[str, int]]:
    while len(effects := await receiver.effects()) < count:
        await asyncio.sleep(0.01)
    return effects


async def test_it_runs_until_cancelled(sender_pool: Any, receiver: Receiver, clock: Clock) -> None:
    """With a poll of an hour only the hints can wake it."""
    sender = Sender(sender_pool, clock, RoadUnderTest(receiver))
    sender.worker._poll = 3600
    async with asyncio.timeout(30), asyncio.TaskGroup() as group:
        running = group.create_task(sender.worker.run(sender_pool))
        await sender.post(*(message(n, f"key-{n % 3}") for n in range(9)))
        assert len(await _until(receiver, 9)) == 9
        await sender.post(message(9))
        assert len(await _until(receiver, 10)) == 10
        running.cancel()


async def test_what_nobody_foresaw_ends_the_attempt_and_nothing_else(
    sender_pool: Any, receiver: Receiver, clock: Clock
) -> None:
    class Broken:
        async def send(self, claim: Claim) -> Answer:
            raise ZeroDivisionError(claim.message.body)

    sender = Sender(sender_pool, clock, Broken(), batch=2)
    await sender.post(message(1, "a", body=b'"999300000017"'), message(2, "b"))
    assert await sender.worker.step() == 2
    rows = await sender_pool.fetch("select verdict, cause from delivery.attempt")
    assert [tuple(row) for row in rows] == [("temporary", "internal_error")] * 2
    assert "ZeroDivisionError" in sender.log.getvalue()
    assert "999300000017" not in sender.log.getvalue()
