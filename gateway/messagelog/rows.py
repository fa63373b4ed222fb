"""Message records as rows of `message_record` and back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import asyncpg

from gateway.core.digest import Digest, DigestAlgorithm
from gateway.core.messagelog.record import MessageRecord, RecordedBody
from gateway.core.signing.xades import signature_digest
from gateway.messagelog.frames import SignatureColumns

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
    ("signature_values", "bytea"),
    ("frame_digest", "bytea"),
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
DIGEST = "digest"
_PARAMETERS = (
    *_COLUMNS,
    (DIGEST, "bytea"),
)  # of a record: its columns, then the SHA-512 of the signature XML, for the time-stamp
WIDTH = len(_PARAMETERS)


def values(rows: int) -> str:
    """`VALUES` of so many rows of parameters from $1 on.

    Scalars and not arrays: the driver asks of each element of an array whether it is one itself, which costs it more than sending.
    """
    return again(rows, *(name for name, _ in _PARAMETERS))


def again(rows: int, *names: str) -> str:
    """`VALUES` of the same rows, these columns only."""
    chosen = [(names.index(name), n, kind) for n, (name, kind) in enumerate(_PARAMETERS, 1) if name in names]
    first = ", ".join(f"${n}::{kind}" for _, n, kind in sorted(chosen))
    starts = range(WIDTH, rows * WIDTH, WIDTH)
    others = (", ".join(f"${start + n}" for _, n, _ in sorted(chosen)) for start in starts)
    return "VALUES " + ", ".join(f"({row})" for row in (first, *others))


def parameters(records: Iterable[MessageRecord], signatures: Sequence[SignatureColumns], rows: int) -> list[Any]:
    """For `values(rows)`; rows without a record are NULL. `signatures`: where that of each record goes."""
    found: list[Any] = []
    for record, signature in zip(records, signatures, strict=True):
        found += _row(record, signature)
    found += (None,) * (rows * WIDTH - len(found))
    return found


def _row(r: MessageRecord, signature: SignatureColumns) -> tuple[Any, ...]:
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
        *signature,
        r.hash_chain_result,
        r.hash_chain,
        body is not None,
        *((None,) * 4 if body is None else (body.inline, body.pieces_id, body.size, body.digest.value)),
        r.conf_fingerprint,
        r.sealed_by,
        signature_digest(r.signature),
    )


def record_of_row(row: asyncpg.Record, signature: bytes) -> MessageRecord:
    """As it is stored, sealed or not. MalformedMessage when the stored digest is not one. `signature`: see `frames.py`."""
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
        signature=signature,
        hash_chain_result=row["hash_chain_result"],
        hash_chain=row["hash_chain"],
        body=body,
        conf_fingerprint=row["conf_fingerprint"],
        sealed_by=row["sealed_by"],
    )
