"""What changes something happens once for each idempotency key, however often the call comes: calls of people and messages alike.

The key is claimed, the effect made and the answer kept in one transaction of the adapter's database:
  1. claim    a second call with the key waits here until the first has ended
  2. effect   the handler writes through the same connection
  3. keep     the answer, byte for byte
What an effect has to ask of others it asks before that (`web.Prepared`), because they may take long: no claim waits for a network.
If we crash before the commit, nothing has happened and the next call with the key begins anew; if we crash after it, the next call
gets the kept answer. A refusal rolls all of it back and is not remembered: the same call may succeed later.

A key is known for good; its answer holds data of persons and is erased in time. A call that comes after that is told that it was
done, and is not done again: a dead letter may be sent again by a person after any time.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from adapters.sdk.postgres import Connection, Pool, source_errors
from adapters.sdk.problems import Problem, SourceUnavailable
from adapters.sdk.road import RoadHeaders

KEPT = "90 days"
"""How long an answer is kept at least: longer than any deadline of procedures that send again by themselves."""

_DAY = 86_400.0
_CLAIM = """
    insert into adapter_effect (client, operation, key, request, message_id, request_id) values ($1, $2, $3, $4, $5, $6)
    on conflict do nothing returning true
"""
_KNOWN = "select request, answer from adapter_effect where client = $1 and operation = $2 and key = $3"
_KEEP = "update adapter_effect set answer = $4 where client = $1 and operation = $2 and key = $3"
_ERASE = """
    update adapter_effect set answer = null where answer is not null and done_at < now() - $1::text::interval
"""


@dataclass(frozen=True, slots=True)
class EffectKey:
    """`client`: of whom the key is, empty for a direct call; `operation`: method and path template."""

    client: str
    operation: str
    key: str


@dataclass(frozen=True, slots=True)
class Asked:
    """`request`: SHA-256 of what was asked, by `request_digest`; `road`: its ids lead to the signed request in the message log."""

    key: EffectKey
    request: bytes = field(repr=False)
    road: RoadHeaders


def request_digest(path: Mapping[str, str], query: Mapping[str, str], raw: bytes) -> bytes:
    """SHA-256 of what was asked: parameters, and the body as it came."""
    parameters = json.dumps([path, query], ensure_ascii=False, sort_keys=True).encode("utf-8", "surrogatepass")
    return hashlib.sha256(hashlib.sha256(parameters).digest() + hashlib.sha256(raw).digest()).digest()


async def once(pool: Pool, asked: Asked, effect: Callable[[Connection], Awaitable[bytes]]) -> bytes:
    """The answer of `effect`, or the one that it gave when it was made. Durable on return.

    Problem 422 `idempotency_key_reused` when the key was used for another request, 409 `answer_erased` when it was done long ago;
    whatever `effect` raises undoes its writes.
    """
    named = (asked.key.client, asked.key.operation, asked.key.key)
    async with pool.acquire() as connection, connection.transaction():
        ids = (asked.road.message_id, asked.road.request_id)
        if await connection.fetchval(_CLAIM, *named, asked.request, *ids):
            answer = await effect(connection)
            await connection.execute(_KEEP, *named, answer)
            return answer
        return _repeat(await connection.fetchrow(_KNOWN, *named), asked.request)


async def kept_answer(pool: Pool, asked: Asked) -> bytes | None:
    """What `once` would answer without any effect; None when it would make one, as far as one can see without claiming."""
    key = asked.key
    known = await pool.fetchrow(_KNOWN, key.client, key.operation, key.key)
    return None if known is None else _repeat(known, asked.request)


def _repeat(known: Mapping[str, Any], request: bytes) -> bytes:
    if known["request"] != request:
        raise Problem(
            "Khóa chống lặp đã dùng cho một yêu cầu khác (this idempotency key was used for another request)",
            status=422,
            code="idempotency_key_reused",
        )
    kept: bytes | None = known["answer"]
    if kept is None:
        raise Problem(
            "Việc này đã làm xong từ lâu, câu trả lời không còn lưu (this was done long ago, its answer is erased)",
            status=409,
            code="answer_erased",
        )
    return kept


async def erase_old_answers(pool: Pool) -> None:
    """Answers older than `KEPT`, and nothing else."""
    await pool.execute(_ERASE, KEPT)


async def keep_erasing(pool: Pool) -> None:
    """The same once a day, until cancelled."""
    while True:
        await asyncio.sleep(_DAY)
        with contextlib.suppress(SourceUnavailable):  # what is old today is old tomorrow
            async with source_errors():
                await erase_old_answers(pool)
