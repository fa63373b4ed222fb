"""Access entries as rows of `access_record`, in clear or sealed. They are found and opened again by `storage/accessrecords.py`."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeAlias
from uuid import UUID

from gateway.core.disclosure.leaf import AccessEntry
from gateway.core.sealing.access import SealedAccess
from gateway.core.values import quick

# Column and array type, in the order of a row; the first two say which message record it belongs to.
_COLUMNS = (
    ("message_uid", "uuid"),
    ("message_number", "bigint"),
    ("record_id", "uuid"),
    ("time", "timestamptz"),
    ("leaf", "bytea"),
    ("fields", "text"),
    ("person_kind", "text"),
    ("person", "text"),
    ("seed", "bytea"),
    ("token", "bytea"),
    ("content", "bytea"),
    ("sealed_by", "uuid"),
)
NAMES = ", ".join(name for name, _ in _COLUMNS)
KINDS = tuple(kind for _, kind in _COLUMNS)
STORED = ", ".join(name for name, _ in _COLUMNS[2:] if name != "fields")
"""Columns that are stored as they come; `fields` becomes jsonb."""

AccessRow: TypeAlias = tuple[
    UUID, datetime, bytes, str, str | None, str | None, bytes | None, bytes | None, bytes | None, UUID | None
]
"""The columns from `record_id` on: either person and seed are set, or what stands for them sealed."""


@quick
@dataclass(frozen=True, slots=True)
class Attached:
    """Rows and what they belong to: the message record `uid` of the same batch, or the durable one `number`; one of the two."""

    uid: UUID | None
    number: int | None
    rows: tuple[AccessRow, ...] = field(repr=False)


def clear_row(entry: AccessEntry) -> AccessRow:
    person, head = entry.person, (entry.record_id, entry.time, entry.leaf)
    return (*head, _json(entry.fields), person.kind, person.number, entry.seed, None, None, None)


def sealed_row(entry: AccessEntry, sealed: SealedAccess) -> AccessRow:
    head = (entry.record_id, entry.time, entry.leaf)
    return (*head, _json(sealed.shown), None, None, None, sealed.token, sealed.content, sealed.sealed_by)


def arrays_of(attached: Iterable[Attached]) -> list[list[Any]]:
    """One array a column, for `unnest`; at least one row."""
    rows = ((a.uid, a.number, *row) for a in attached for row in a.rows)
    return [list(column) for column in zip(*rows, strict=True)]


def _json(texts: tuple[str, ...]) -> str:
    return json.dumps(texts)
