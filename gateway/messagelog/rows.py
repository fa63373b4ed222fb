"""Message records as rows of `message_record` and back."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import asyncpg

from gateway.core.digest import Digest, DigestAlgorithm
from gateway.core.messagelog.record import MessageRecord, RecordedBody

# Column and array type, in the order of `_row`.
_COLUMNS = (
    ("uid", "uuid"),
    ("time", "timestamptz"),
    ("side", "text"),
    ("kind", "text"),
    ("message_id", "text"),
    ("request_id", "text"),
    ("client", "text"),
    ("service", "text"),
    ("peer_server", "text"),
    ("decision", "text"),
    ("request_number", "bigint"),
    ("part", "bytea"),
    ("signature", "bytea"),
    ("hash_chain_result", "bytea"),
    ("hash_chain", "bytea"),
    ("has_body", "boolean"),
    ("body", "bytea"),
    ("body_id", "uuid"),
    ("body_size", "bigint"),
    ("body_sha512", "bytea"),
    ("conf_fingerprint", "text"),
    ("sealed_by", "uuid"),
)
NAMES = ", ".join(name for name, _ in _COLUMNS)
ARRAYS = ", ".join(f"${n}::{kind}[]" for n, (_, kind) in enumerate(_COLUMNS, 1))

DIGESTS = len(_COLUMNS) + 1  # the parameter after these: SHA-512 of each signature XML, for its time-stamp


def arrays_of(records: Iterable[MessageRecord]) -> list[list[Any]]:
    """One array a column, for `unnest`; at least one record."""
    return [list(column) for column in zip(*map(_row, records), strict=True)]


def _row(r: MessageRecord) -> tuple[Any, ...]:
    body = r.body
    return (
        r.uid,
        r.time,
        r.side,
        r.kind,
        r.message_id,
        r.request_id,
        r.client,
        r.service,
        r.peer_server,
        r.decision,
        r.request_number,
        r.part,
        r.signature,
        r.hash_chain_result,
        r.hash_chain,
        body is not None,
        *((None,) * 4 if body is None else (body.inline, body.pieces_id, body.size, body.digest.value)),
        r.conf_fingerprint,
        r.sealed_by,
    )


def record_of_row(row: asyncpg.Record) -> MessageRecord:
    """As it is stored, sealed or not. MalformedMessage when the stored digest is not one."""
    body = None
    if row["has_body"]:
        digest = Digest(DigestAlgorithm.SHA512, row["body_sha512"])
        pieces = row["body_id"]
        body = RecordedBody(row["body_size"], digest, row["body"], pieces, row["sealed_by"] if pieces else None)
    return MessageRecord(
        uid=row["uid"],
        time=row["time"],
        side=row["side"],
        kind=row["kind"],
        message_id=row["message_id"],
        request_id=row["request_id"],
        client=row["client"],
        service=row["service"],
        peer_server=row["peer_server"],
        decision=row["decision"],
        request_number=row["request_number"],
        part=row["part"],
        signature=row["signature"],
        hash_chain_result=row["hash_chain_result"],
        hash_chain=row["hash_chain"],
        body=body,
        conf_fingerprint=row["conf_fingerprint"],
        sealed_by=row["sealed_by"],
    )
