"""A sender that works in a process of its own and kills itself (SIGKILL) at the point it was told: `python -m … POINT PARAMETERS`.

The last line of the table of points is where a crash is worst: the effect is there, and nobody knows.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from datetime import UTC, datetime
from typing import Any

from adapters.sdk import open_pool
from adapters.sdk.access import adapter_log
from adapters.sdk.delivery import DeliveryWorker, Outbox
from adapters.sdk.delivery.judging import Answer, Verdict
from adapters.sdk.delivery.outbox import Claim
from tests.support.delivery import Receiver

POINTS = ("claimed", "inside the effect", "effect committed", "settled")


def die(point: str) -> None:
    if sys.argv[1] == point:
        os.kill(os.getpid(), signal.SIGKILL)


class DyingReceiver(Receiver):
    async def take(self, claim: Claim) -> Answer:
        die("claimed")
        if sys.argv[1] == "inside the effect":
            await self.pool.execute(
                "create or replace function die() returns trigger language plpgsql as $$ begin perform pg_sleep(1); end $$"
            )
            await self.pool.execute("create or replace trigger die after insert on effect execute function die()")
            asyncio.get_running_loop().call_later(0.3, die, "inside the effect")
        answer = await super().take(claim)
        die("effect committed")
        return answer


class DirectRoad:
    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver

    async def send(self, claim: Claim) -> Answer:
        return await self._receiver.take(claim)


class DyingOutbox(Outbox):
    async def settle(self, claim: Claim, verdict: Verdict, answer: Answer | None) -> None:
        await super().settle(claim, verdict, answer)
        die("settled")


async def main(sender: dict[str, Any], receiver: dict[str, Any]) -> None:
    async with open_pool(sender, "sender") as source, open_pool(receiver, "receiver") as target:
        outbox = DyingOutbox(source, lambda: datetime.now(UTC), lambda: 0.0)
        worker = DeliveryWorker(outbox, DirectRoad(DyingReceiver(target)), adapter_log("test"))
        while await worker.step():
            pass


if __name__ == "__main__":
    asyncio.run(main(*json.loads(sys.stdin.read())))
