"""What changes something happens once for each idempotency key, however often the call comes.

The key is claimed, the effect made and the answer kept in one transaction of the adapter's database:
  1. claim    a second call with the key waits here until the first has ended
  2. effect   the handler writes through the same connection
  3. keep     the answer, byte for byte
If we crash before the commit, nothing has happened and the next call with the key begins anew; if we crash after it, the next call
gets the kept answer. A refusal rolls all of it back and is not remembered: the same call may succeed later.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from adapters.sdk.postgres import Connection, Pool
from adapters.sdk.problems import Problem

KEPT = "90 days"
"""How long a key is remembered at least: longer than any deadline of procedures that send again; answers hold data of persons."""

_CLAIM = """
    insert into adapter_effect (client, operation, key, request) values ($1, $2, $3, $4) on conflict do nothing returning true
"""
_KNOWN = "select request, answer from adapter_effect where client = $1 and operation = $2 and key = $3"
_KEEP = "update adapter_effect set answer = $4 where client = $1 and operation = $2 and key = $3"


@dataclass(frozen=True, slots=True)
class EffectKey:
    """`client`: of whom the key is, empty for a direct call; `operation`: method and path template."""

    client: str
    operation: str
    key: str


def request_digest(path: Mapping[str, str], query: Mapping[str, str], raw: bytes) -> bytes:
    """SHA-256 of what was asked: parameters, and the body as it came."""
    parameters = json.dumps([path, query], ensure_ascii=False, sort_keys=True).encode("utf-8", "surrogatepass")
    return hashlib.sha256(hashlib.sha256(parameters).digest() + hashlib.sha256(raw).digest()).digest()


async def once(pool: Pool, key: EffectKey, request: bytes, effect: Callable[[Connection], Awaitable[bytes]]) -> bytes:
    """The answer of `effect`, or the one that it gave when it was made. Durable on return.

    Problem 422 `idempotency_key_reused` when the key was used for another request; whatever `effect` raises undoes its writes.
    """
    named = (key.client, key.operation, key.key)
    async with pool.acquire() as connection, connection.transaction():
        if await connection.fetchval(_CLAIM, *named, request):
            answer = await effect(connection)
            await connection.execute(_KEEP, *named, answer)
            return answer
        known: Mapping[str, Any] = await connection.fetchrow(_KNOWN, *named)
        if known["request"] != request:
            raise Problem(
                "Khóa chống lặp đã dùng cho một yêu cầu khác (this idempotency key was used for another request)",
                status=422,
                code="idempotency_key_reused",
            )
        kept: bytes = known["answer"]
        return kept


async def forget_old_effects(pool: Pool) -> None:
    """Keys older than `KEPT`; what they did stays done and is guarded by the adapter's own constraints."""
    await pool.execute("delete from adapter_effect where done_at < now() - $1::text::interval", KEPT)
