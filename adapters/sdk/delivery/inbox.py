"""The receiver's table. Rule: row, effect and answer are one transaction, so a message takes effect once or not at all."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias

from adapters.sdk.delivery.messages import Receipt, parse_message_id
from adapters.sdk.postgres import Connection
from adapters.sdk.problems import MalformedCall, Problem
from adapters.sdk.web import Call, JsonObject

Effect: TypeAlias = Callable[[Connection], Awaitable[Mapping[str, object]]]

_TAKE = """
    insert into delivery.inbox (sender, message_id, sha512, attempt_id, request_id) values ($1, $2, $3, $4, $5)
    on conflict do nothing returning true
"""
_KNOWN = "select sha512, answer from delivery.inbox where sender = $1 and message_id = $2"
_ANSWERED = "update delivery.inbox set answer = $3 where sender = $1 and message_id = $2"


async def receive(connection: Connection, call: Call, effect: Effect) -> JsonObject:
    """The receipt, to be sent once the caller's transaction is committed. `effect` gives further members of the answer.

    A repeat gets the answer of the first time and has no effect. A Problem of `effect` must undo the transaction: the message was
    not received. Refused: no message id (400), the id with another content (409). The sender is the signed X-Road client.
    """
    if not connection.is_in_transaction():
        raise RuntimeError("a message is received in the transaction of its effect")
    message_id = parse_message_id(call.idempotency_key)
    if call.road.client is None:
        raise MalformedCall(
            "Thông điệp phải đến qua máy chủ bảo mật (messages come through a security server)", code="client_missing"
        )
    sender, digest = str(call.road.client), hashlib.sha512(call.raw).digest()
    road = (call.road.message_id, call.road.request_id)
    if not await connection.fetchval(_TAKE, sender, message_id, digest, *road):
        # The other transaction with this id is over: the insert waited for it.
        return _repeat(await connection.fetchrow(_KNOWN, sender, message_id), digest)
    receipt = Receipt(message_id, digest, await effect(connection)).members()
    await connection.execute(_ANSWERED, sender, message_id, json.dumps(receipt, ensure_ascii=False))
    return receipt


def _repeat(known: Mapping[str, object], digest: bytes) -> JsonObject:
    if known["sha512"] != digest:
        raise Problem(
            "Mã thông điệp đã dùng cho nội dung khác (this message id was used for another content)",
            status=409,
            code="message_id_reused",
        )
    answer: dict[str, object] = json.loads(str(known["answer"]))
    return answer
