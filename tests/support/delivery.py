"""A sender and a receiver with databases of their own, and between them a road that loses, repeats and refuses as told."""

from __future__ import annotations

import io
import random
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from adapters.sdk.access import adapter_log
from adapters.sdk.delivery import DeliveryWorker, Message, Outbox, bootstrap_delivery, post
from adapters.sdk.delivery.judging import Answer
from adapters.sdk.delivery.messages import Receipt, json_body
from adapters.sdk.delivery.outbox import Claim
from adapters.sdk.delivery.road import NoAnswer
from adapters.sdk.effects import request_digest
from adapters.sdk.problems import Problem
from adapters.sdk.road import RoadHeaders
from adapters.sdk.web import Call, Effect, perform
from gateway.core.identifiers import parse_client_id

START = datetime(2026, 6, 16, 10, 0, tzinfo=UTC)
SENDER = "VN/GOV/G15/hotich"
SERVICE = "VN/GOV/G22/lienthong/dossiers"
_WAITING = "select count(*) from delivery.outbox where state = 'waiting'"
_NEXT = """
    select min(at) from (select greatest(next_at, leased_until) as at from delivery.outbox where state = 'waiting') as later
    where at > $1
"""


class Clock:
    def __init__(self, now: datetime = START) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


def message(n: int, key: str = "999-KS-2026-000001", *, lifetime: float = 3600 * 24 * 30, **more: Any) -> Message:
    return Message(
        message_id=more.pop("message_id", UUID(int=n)),
        ordering_key=key,
        issue=key,
        service=SERVICE,
        path=f"/v1/things/{n}",
        body=more.pop("body", json_body({"n": n, "key": key})),
        deadline=START + timedelta(seconds=lifetime),
        **more,
    )


def receipt_body(receipt: Receipt) -> bytes:
    """As a receiver answers."""
    return json_body({**receipt.answer, "message_id": str(receipt.message_id), "sha512": receipt.sha512.hex()})


class Receiver:
    """Counts its effects in a table without any constraint, so that a double would show."""

    def __init__(self, pool: Any) -> None:
        self.pool = pool

    async def prepare(self) -> None:
        await bootstrap_delivery(self.pool)
        await self.pool.execute("create table if not exists effect (number serial, key text, n int)")

    async def take(self, claim: Claim) -> Answer:
        """What the receiver's adapter and its security server do."""
        sent = claim.message
        call = Call(
            road=RoadHeaders(client=parse_client_id(SENDER), message_id=str(claim.attempt_id), issue=sent.issue),
            path={},
            query={},
            body={},
            raw=sent.body,
            idempotency_key=str(sent.message_id),
        )

        async def effect(_: Call, connection: Any) -> dict[str, object]:
            n = int(sent.path.rpartition("/")[2])
            number = await connection.fetchval(
                "insert into effect (key, n) values ($1, $2) returning number", sent.ordering_key, n
            )
            return {"number": number}

        try:
            endpoint = Effect("POST", "/v1/things/{n}", effect, messages=True)
            answer = await perform(self.pool, endpoint, call, request_digest({"path": sent.path}, {}, sent.body))
        except Problem as e:
            return Answer(e.status, e.body("-"))
        return Answer(200, answer, request_id=f"r-{claim.attempt_id}")

    async def effects(self) -> list[tuple[str, int]]:
        return [tuple(row) for row in await self.pool.fetch("select key, n from effect order by number")]


class RoadUnderTest:
    """`faults`: for each attempt in turn one word, or an Answer to give instead; then everything arrives."""

    def __init__(self, receiver: Receiver, faults: Sequence[str | Answer] = ()) -> None:
        self.receiver = receiver
        self.faults = list(faults)
        self.attempts: list[Claim] = []

    async def send(self, claim: Claim) -> Answer:
        self.attempts.append(claim)
        match self.faults.pop(0) if self.faults else "arrives":
            case "lost":
                raise NoAnswer("network")
            case "answer lost":
                await self.receiver.take(claim)
                raise NoAnswer("network")
            case "twice":
                first, again = await self.receiver.take(claim), await self.receiver.take(claim)
                assert first.body == again.body
                return again
            case Answer() as answer:
                return answer
            case _:
                return await self.receiver.take(claim)


class Sender:
    def __init__(self, pool: Any, clock: Clock, road: Any, *, seed: int = 1, batch: int = 1) -> None:
        self.pool = pool
        self.clock = clock
        self.outbox = Outbox(pool, clock, random.Random(seed).random)
        self.log = io.StringIO()
        self.worker = DeliveryWorker(self.outbox, road, adapter_log("test", self.log), batch=batch)

    async def post(self, *messages: Message) -> None:
        async with self.pool.acquire() as connection, connection.transaction():
            for one in messages:
                await post(connection, one, self.clock())

    async def until_quiet(self, *, done: Callable[[], bool] = lambda: False) -> None:
        """Works and lets time pass until nothing waits any more."""
        for _ in range(5000):
            while await self.worker.step():
                pass
            if not await self.pool.fetchval(_WAITING) or done():
                return
            self.clock.now = await self.pool.fetchval(_NEXT, self.clock.now) or self.clock.now + timedelta(seconds=60)
        raise AssertionError("something waits for ever")

    async def states(self) -> list[str]:
        return [row[0] for row in await self.pool.fetch("select state from delivery.outbox order by position")]
