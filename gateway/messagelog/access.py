"""Access entries as rows of `access_record`, in clear or sealed. They are found and opened again by `storage/accessrecords.py`."""

from __future__ import annotations

import os
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain
from json.encoder import encode_basestring_ascii
from typing import Any, TypeAlias
from uuid import UUID

from gateway.core.disclosure.leaf import AccessEntry
from gateway.core.disclosure.record import Field
from gateway.core.sealing.access import SealedAccess, seal_access
from gateway.core.sealing.envelope import NONCE_BYTES
from gateway.core.sealing.keys import DataKey
from gateway.core.values import quick

# Column and type, in the order of a row; the first two say which message record it belongs to.
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
_KINDS = tuple(kind for _, kind in _COLUMNS)
_WIDTH = len(_COLUMNS)
# Up to so many rows stand in a statement one by one: that costs driver and database half of what arrays do, and each number of
# rows is a statement that must stay prepared.
_FEW = (1, 2, 4, 8, 16, 32)
ARRAYS = 0
STORED = ", ".join(name for name, _ in _COLUMNS[2:] if name != "fields")
"""Columns that are stored as they come; `fields` becomes jsonb."""

AccessRow: TypeAlias = tuple[
    str, datetime, bytes, str, str | None, str | None, bytes | None, bytes | None, bytes | None, UUID | None
]
"""The columns from `record_id` (as text) on: either person and seed are set, or what stands for them sealed."""


@quick
@dataclass(frozen=True, slots=True)
class ToAttach:
    """Entries on their way into a batch, at least one, and what they belong to, as in `Attached`. `key`: what seals them; None:
    nothing does."""

    uid: UUID | None
    number: int | None
    entries: Sequence[AccessEntry]
    key: DataKey | None

    def rows(self) -> Attached:
        """MalformedMessage when one of the texts cannot be sealed."""
        if self.key is None:
            return Attached(self.uid, self.number, tuple(map(clear_row, self.entries)))
        sealed = ((e, seal_access(e, self.key, os.urandom(NONCE_BYTES))) for e in self.entries)
        return Attached(self.uid, self.number, tuple(sealed_row(e, s) for e, s in sealed))


@quick
@dataclass(frozen=True, slots=True)
class Attached:
    """Rows and what they belong to: the message record `uid` of the same batch, or the durable one `number`; one of the two."""

    uid: UUID | None
    number: int | None
    rows: tuple[AccessRow, ...] = field(repr=False)


def clear_row(entry: AccessEntry) -> AccessRow:
    person, head = entry.person, (entry.fields[Field.RECORD], entry.time, entry.leaf)
    return (*head, _json(entry.fields), person.kind, person.number, entry.seed, None, None, None)


def sealed_row(entry: AccessEntry, sealed: SealedAccess) -> AccessRow:
    head = (entry.fields[Field.RECORD], entry.time, entry.leaf)
    return (*head, _json(sealed.shown), None, None, None, sealed.token, sealed.content, sealed.sealed_by)


def places(rows: int) -> int:
    """How a statement takes so many rows, at least one: on as many places as this, or as ARRAYS."""
    return ARRAYS if rows > _FEW[-1] else _FEW[bisect_left(_FEW, rows)]


def source(on: int, after: int) -> str:
    """Rows with their position behind them, out of parameters behind `after` others; a row that is not there is NULL."""
    if on == ARRAYS:
        arrays = ", ".join(f"${n}::{kind}[]" for n, kind in enumerate(_KINDS, after + 1))
        return f"SELECT * FROM unnest({arrays}) WITH ORDINALITY"  # noqa: S608 - only constants of ours
    first = ", ".join(f"${n}::{kind}" for n, kind in enumerate(_KINDS, after + 1))
    starts = range(after + _WIDTH + 1, after + on * _WIDTH + 1, _WIDTH)
    others = (", ".join(f"${n}" for n in range(start, start + _WIDTH)) for start in starts)
    return "VALUES " + ", ".join(f"({row}, {position})" for position, row in enumerate((first, *others), 1))


def parameters(attached: Iterable[Attached], on: int) -> list[Any]:
    """For `source`."""
    rows = ((a.uid, a.number, *row) for a in attached for row in a.rows)
    if on == ARRAYS:
        return [list(column) for column in zip(*rows, strict=True)]
    found = list(chain.from_iterable(rows))
    found += (None,) * (on * _WIDTH - len(found))
    return found


def width(on: int) -> int:
    """How many parameters that is."""
    return _WIDTH if on == ARRAYS else on * _WIDTH


def _json(texts: tuple[str, ...]) -> str:
    return f"[{', '.join(map(encode_basestring_ascii, texts))}]"
