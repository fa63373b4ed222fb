"""Access entries as rows of `access_record`: columns, arrays for the batch statement, and back."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import asyncpg

from gateway.core.disclosure.leaf import AccessEntry
from gateway.core.subjects.kinds import Person

# Column and array type, in the order of `_row`.
_COLUMNS = (
    ("message_uid", "uuid"),
    ("message_number", "bigint"),
    ("record_id", "uuid"),
    ("time", "timestamptz"),
    ("person_kind", "text"),
    ("person", "text"),
    ("fields", "text"),
    ("seed", "bytea"),
    ("leaf", "bytea"),
)
NAMES = ", ".join(name for name, _ in _COLUMNS)
KINDS = tuple(kind for _, kind in _COLUMNS)


@dataclass(frozen=True, slots=True)
class Attached:
    """Entries and what they belong to: the message record `uid` of the same batch, or the durable one `number`; one of the two."""

    uid: UUID | None
    number: int | None
    entries: tuple[AccessEntry, ...]


@dataclass(frozen=True, slots=True)
class StoredEntry:
    """A durable entry. `number`: its place in the series of `server`, which has no gaps; `message_number`: the request's record."""

    server: str
    number: int
    message_number: int
    entry: AccessEntry = field(repr=False)


def arrays_of(attached: Iterable[Attached]) -> list[list[Any]]:
    """One array a column, for `unnest`; at least one entry."""
    rows = (_row(a, entry) for a in attached for entry in a.entries)
    return [list(column) for column in zip(*rows, strict=True)]


def _row(to: Attached, entry: AccessEntry) -> tuple[Any, ...]:
    texts = json.dumps(entry.fields, ensure_ascii=False)
    person = entry.person
    return (
        to.uid,
        to.number,
        entry.record_id,
        entry.time,
        person.kind,
        person.number,
        texts,
        entry.seed,
        entry.leaf,
    )


def stored_entry(row: asyncpg.Record) -> StoredEntry:
    """From a row with all columns of `access_record`."""
    person = Person(row["person_kind"], row["person"])
    entry = AccessEntry(person, tuple(json.loads(row["fields"])), row["time"], row["seed"], row["leaf"])
    return StoredEntry(row["server"], row["number"], row["message_number"], entry)
