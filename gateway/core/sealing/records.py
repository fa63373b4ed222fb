"""What of a message record is sealed: the message part (path, query and headers name persons) and the body. The rest stays as it
is: ids, client and service are searched for; signature and hash chains hold digests only, and are evidence without any key.

Each envelope is bound to its key, its record and its column; a piece of a large body to its body, its position and whether it is
the last. So nothing can be swapped, reordered, repeated or cut off without being found out.
"""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

from gateway.core.errors import MalformedMessage
from gateway.core.messagelog.record import MessageRecord, RecordedBody
from gateway.core.sealing.envelope import NONCE_BYTES, seal, unseal
from gateway.core.sealing.keys import DataKey

RECORD_NONCES = 2 * NONCE_BYTES


def seal_content(
    part: bytes, body: RecordedBody | None, uid: UUID, key: DataKey, nonces: bytes
) -> tuple[bytes, RecordedBody | None]:
    """Part and inline body of record `uid` in envelopes; pieces of a body were sealed when they were stored. The record is then
    made with `key.id` as `sealed_by`. `nonces`: RECORD_NONCES bytes."""
    sealed = seal(key.cipher, part, _place(b"part", uid, key), nonces[:NONCE_BYTES])
    if body is None or body.inline is None:
        return sealed, body
    inline = seal(key.cipher, body.inline, _place(b"body", uid, key), nonces[NONCE_BYTES:])
    return sealed, RecordedBody(body.size, body.digest, inline, None)


def unseal_record(record: MessageRecord, key: DataKey) -> MessageRecord:
    """As it was before `seal_content`. MalformedMessage when an envelope is not the one that was made for this record."""
    part = unseal(key.cipher, record.part, _place(b"part", record.uid, key))
    body = record.body
    if body is not None and body.inline is not None:
        body = replace(body, inline=unseal(key.cipher, body.inline, _place(b"body", record.uid, key)))
        if len(body.inline or b"") != body.size:
            raise MalformedMessage("the body is not as long as its record says")
    return replace(record, part=part, body=body, sealed_by=None)


def emptied(record: MessageRecord) -> MessageRecord:
    """What can be read of a sealed record without its key: `part` and the inline body are empty."""
    body = record.body
    if body is not None and body.inline is not None:
        body = replace(body, inline=b"")
    return replace(record, part=b"", body=body)


def seal_piece(piece: bytes, key: DataKey, body: UUID, n: int, *, last: bool, nonce: bytes) -> bytes:
    """Piece `n`, from 0, of a large body."""
    return seal(key.cipher, piece, _piece_place(body, key, n, last), nonce)


def unseal_piece(envelope: bytes, key: DataKey, body: UUID, n: int, *, last: bool) -> bytes:
    """MalformedMessage when this is not piece `n` of that body, or it is the last one of a body that should go on."""
    return unseal(key.cipher, envelope, _piece_place(body, key, n, last))


def _place(column: bytes, uid: UUID, key: DataKey) -> bytes:
    return column + b"\0" + uid.bytes + key.id.bytes


def _piece_place(body: UUID, key: DataKey, n: int, last: bool) -> bytes:
    return _place(b"piece", body, key) + n.to_bytes(4, "big") + (b"\x01" if last else b"\x00")
