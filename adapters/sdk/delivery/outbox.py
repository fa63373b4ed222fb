"""The sender's table. Rule: `post` runs inside the transaction of the effect that the message tells of.

    waiting --delivered--> delivered            dead --a person sends it again--> waiting
    waiting --permanent, or past its deadline--> dead --a person sets it aside--> set_aside

What is true if we crash: after `claim`, the attempt stands in the table without an end, and when its lease is over another one
begins; after the receiver took the message and before `settle`, the same, and the receiver answers as before.
No promise depends on the clock: a lease that ends early only makes a repeat.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, assert_never
from uuid import UUID, uuid4

from adapters.sdk.delivery.judging import Answer, Dead, Delivered, Failed, Patience, Retry, Verdict, after_failure
from adapters.sdk.delivery.messages import Message
from adapters.sdk.postgres import Connection, Pool, bootstrap

CHANNEL = "delivery_posted"
_POST = "select delivery.post($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)"
_CLAIM = """
    with due as (
        select message_id from delivery.outbox o
        where state = 'waiting' and next_at <= $1 and (leased_until is null or leased_until <= $1)
          and not exists (select from delivery.outbox e where e.ordering_key = o.ordering_key
                          and e.position < o.position and e.state in ('waiting', 'dead'))
        order by next_at, position limit $3 for update skip locked)
    update delivery.outbox o set attempts = attempts + 1, leased_until = $2
    from due where o.message_id = due.message_id
    returning o.*
"""
_BEGIN = "insert into delivery.attempt (attempt_id, message_id, number, began_at) values ($1, $2, $3, $4)"
_FAILED = """
    update delivery.attempt set ended_at = $2, verdict = $3, cause = $4, request_id = $5 where attempt_id = $1
"""
_ARRIVED = """
    update delivery.attempt a set ended_at = $1, verdict = 'delivered', request_id = e.request_id, receipt = e.receipt
    from unnest($2::uuid[], $3::text[], $4::bytea[]) as e (attempt_id, request_id, receipt) where a.attempt_id = e.attempt_id
"""
_DELIVERED = """
    update delivery.outbox set state = 'delivered', settled_at = $1, leased_until = null, cause = null
    where message_id = any($2::uuid[]) and state in ('waiting', 'dead')
"""
_RETRY = """
    update delivery.outbox set next_at = $3, leased_until = null, cause = $4
    where message_id = $1 and state = 'waiting' and attempts = $2
"""
_DEAD = """
    update delivery.outbox set state = 'dead', settled_at = $3, leased_until = null, cause = $4
    where message_id = $1 and state = 'waiting' and attempts = $2
"""
_AGAIN = """
    update delivery.outbox set state = 'waiting', settled_at = null, leased_until = null, next_at = $2, deadline = $3
    where message_id = $1
"""
_LETTERS = """
    select message_id, issue, service, path, attempts, posted_at, settled_at, cause, octet_length(body) as size,
           (select attempt_id from delivery.attempt a where a.message_id = o.message_id order by number desc limit 1) as last,
           (select count(*) from delivery.outbox f where f.ordering_key = o.ordering_key and f.position > o.position
            and f.state = 'waiting') as behind
    from delivery.outbox o where state = 'dead' order by settled_at, position limit $1
"""


@dataclass(frozen=True, slots=True)
class Claim:
    """One attempt that has begun."""

    attempt_id: UUID
    number: int
    message: Message


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """The envelope, without the content. `behind`: messages of the same key that wait for this one."""

    message_id: UUID
    issue: str
    service: str
    path: str
    attempts: int
    posted_at: datetime
    settled_at: datetime
    cause: str
    size: int
    last_attempt: UUID | None
    behind: int


async def bootstrap_delivery(pool: Pool) -> None:
    """The tables, in the information system's own database."""
    await bootstrap(pool, "sdk.delivery", (Path(__file__).parent / "schema.sql").read_text("utf-8"))


async def post(connection: Connection, message: Message, now: datetime) -> None:
    """Durable with the caller's transaction; the same message id again changes nothing."""
    if not connection.is_in_transaction():
        raise RuntimeError("a message is posted in the transaction of the effect that it tells of")
    envelope = (message.message_id, message.ordering_key, message.issue, message.service, message.path)
    rest = (message.purpose, message.legal_basis, message.body, now, message.deadline)
    await connection.execute(_POST, *envelope, *rest)


async def post_again(connection: Connection, message_id: UUID, now: datetime, lifetime: timedelta) -> bool:
    """Send it once more and at once, as the receiver asked: it drops what it has. False when there is no such message."""
    changed = await connection.execute(_AGAIN, message_id, now, now + lifetime)
    await connection.execute(f"notify {CHANNEL}")
    return bool(changed == "UPDATE 1")


@dataclass(slots=True)
class _Ended:
    """An attempt whose end is to be written. `written`: it was, or `failure` says why not."""

    claim: Claim
    verdict: Verdict
    answer: Answer | None
    written: bool = False
    failure: Exception | None = None

    @property
    def request_id(self) -> str | None:
        return None if self.answer is None else self.answer.request_id


class Outbox:
    """`clock`: the time of day with its zone; `draw`: a number in [0, 1)."""

    def __init__(
        self,
        pool: Pool,
        clock: Callable[[], datetime],
        draw: Callable[[], float],
        *,
        lease: timedelta = timedelta(minutes=2),
        patience: Patience | None = None,
    ) -> None:
        self._pool = pool
        self._clock = clock
        self._draw = draw
        self._lease = lease
        self._patience = patience or Patience()
        self._ended: list[_Ended] = []
        self._writing = asyncio.Lock()

    async def claim(self, most: int) -> Sequence[Claim]:
        """At most so many messages that are due, none with an undelivered one before it; their attempts are durable."""
        now = self._clock()
        async with self._pool.acquire() as connection, connection.transaction():
            rows = await connection.fetch(_CLAIM, now, now + self._lease, most)
            claims = [Claim(uuid4(), row["attempts"], _message(row)) for row in rows]
            begun = [(c.attempt_id, c.message.message_id, c.number, now) for c in claims]
            if begun:
                await connection.executemany(_BEGIN, begun)
        return claims

    async def settle(self, claim: Claim, verdict: Verdict, answer: Answer | None) -> None:
        """Durable on return. `answer`: None when there was none. A failure that is told late, after another attempt began, changes
        nothing. Attempts that end while others are being written share the next transaction."""
        ended = _Ended(claim, verdict, answer)
        self._ended.append(ended)
        async with self._writing:
            if not ended.written:
                await self._write_ended()
        if ended.failure is not None:
            raise ended.failure

    async def _write_ended(self) -> None:
        """All that have ended by now. Cancelled here, they stay for whoever comes next: writing twice is writing once."""
        together = list(self._ended)
        try:
            await self._settle(together)
        except Exception as e:  # noqa: BLE001 - told to each of those whose end it was
            for ended in together:
                ended.failure = e
        for ended in together:
            ended.written = True
        del self._ended[: len(together)]

    async def _settle(self, together: Sequence[_Ended]) -> None:
        now = self._clock()
        async with self._pool.acquire() as connection, connection.transaction():
            arrived = [ended for ended in together if isinstance(ended.verdict, Delivered)]
            if arrived:
                attempts = [ended.claim.attempt_id for ended in arrived]
                receipts = [None if ended.answer is None else ended.answer.body for ended in arrived]
                await connection.execute(_ARRIVED, now, attempts, [ended.request_id for ended in arrived], receipts)
                await connection.execute(_DELIVERED, now, [ended.claim.message.message_id for ended in arrived])
                await connection.execute(f"notify {CHANNEL}")  # the next of their keys are due now
            for ended in together:
                if isinstance(ended.verdict, Failed):
                    await self._failed(connection, ended, ended.verdict, now)

    async def _failed(self, connection: Connection, ended: _Ended, verdict: Failed, now: datetime) -> None:
        claim, word = ended.claim, "permanent" if verdict.permanent else "temporary"
        await connection.execute(_FAILED, claim.attempt_id, now, word, verdict.cause, ended.request_id)
        deadline = claim.message.deadline
        step = after_failure(verdict, claim.number, now, deadline, self._draw(), self._patience)
        await self._after(connection, claim, step, verdict.cause, now)

    async def _after(self, connection: Connection, claim: Claim, step: Retry | Dead, cause: str, now: datetime) -> None:
        match step:
            case Retry(at):
                await connection.execute(_RETRY, claim.message.message_id, claim.number, at, cause)
            case Dead():
                await connection.execute(_DEAD, claim.message.message_id, claim.number, now, cause)
            case _:
                assert_never(step)

    async def dead_letters(self, most: int = 100) -> Sequence[DeadLetter]:
        """Oldest first."""
        rows = await self._pool.fetch(_LETTERS, most)
        return [DeadLetter(*(row[name] for name in row.keys())) for row in rows]  # noqa: SIM118 - a Record iterates values

    async def send_again(self, message_id: UUID, who: str, lifetime: timedelta) -> bool:
        """A person sends a dead letter, or one that was set aside, again. Doing so twice is doing so once."""
        return await self._act(message_id, who, "send_again", None, lifetime)

    async def set_aside(self, message_id: UUID, who: str, note: str) -> bool:
        """A person decides that a dead letter is not to arrive; those behind it go on."""
        return await self._act(message_id, who, "set_aside", note, timedelta())

    async def _act(self, message_id: UUID, who: str, action: str, note: str | None, lifetime: timedelta) -> bool:
        now = self._clock()
        async with self._pool.acquire() as connection, connection.transaction():
            state = await connection.fetchval(
                "select state from delivery.outbox where message_id = $1 for update", message_id
            )
            if state not in (("dead", "set_aside") if action == "send_again" else ("dead",)):
                return False
            if action == "send_again":
                await post_again(connection, message_id, now, lifetime)
            else:
                await connection.execute(
                    "update delivery.outbox set state = 'set_aside' where message_id = $1", message_id
                )
                await connection.execute(f"notify {CHANNEL}")
            await connection.execute(
                "insert into delivery.action (at, who, message_id, action, note) values ($1, $2, $3, $4, $5)",
                *(now, who, message_id, action, note),
            )
            return True


def _message(row: Any) -> Message:
    return Message(
        message_id=UUID(str(row["message_id"])),
        ordering_key=row["ordering_key"],
        issue=row["issue"],
        service=row["service"],
        path=row["path"],
        body=row["body"],
        deadline=row["deadline"],
        purpose=row["purpose"],
        legal_basis=row["legal_basis"],
    )
