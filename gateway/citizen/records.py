"""Access records of one person, out of the databases of the providers that made them. Nothing is copied.

Order: newest first, and within one moment by record id, so that pages fit together across databases while records arrive. A
cursor is the last record's place in that order.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import heapq
import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import asyncpg

from gateway.core.disclosure.record import Field
from gateway.core.errors import MalformedMessage
from gateway.core.subjects.kinds import Person

MOST_ON_A_PAGE = 100
_PLACE = struct.Struct(">q16s")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FOR_EVER = datetime(9999, 12, 31, tzinfo=UTC)
_LAST_ID = UUID(int=2**128 - 1)

_COLUMNS = "record_id, time, fields, seed, leaf"
_PAGE = f"""
SELECT {_COLUMNS} FROM access_record
WHERE person = $1 AND person_kind = $2 AND time <= $3 AND (time, record_id) < ($3, $4) AND time >= $5 AND time < $6
  AND ($7 = '' OR fields->>2 = $7 OR starts_with(fields->>2, $7 || '/'))
  AND ($8 = '' OR fields->>4 = $8) AND ($9 = '' OR fields->>10 = $9)
ORDER BY time DESC, record_id DESC LIMIT $10
"""  # noqa: S608 - only a constant of ours is put in
_ONE = f"SELECT {_COLUMNS} FROM access_record WHERE record_id = $3 AND person = $1 AND person_kind = $2"  # noqa: S608
_COUNTS = """
SELECT (date_trunc('month', time AT TIME ZONE 'UTC' + $3))::date AS month, fields->>2 AS consumer, fields->>4 AS purpose,
       fields->>10 AS outcome, count(*) AS n, min(time) AS first
FROM access_record WHERE person = $1 AND person_kind = $2 GROUP BY 1, 2, 3, 4
"""


@dataclass(frozen=True, slots=True)
class StoredRecord:
    """A record as its provider holds it. `seed` opens the leaf and stays here."""

    server: str
    record_id: UUID
    time: datetime
    fields: tuple[str, ...] = field(repr=False)
    seed: bytes = field(repr=False)
    leaf: bytes


@dataclass(frozen=True, slots=True)
class Filter:
    """Empty: no restriction. `agency`: a member's id; `since`, `until`: from then on, and before then."""

    since: datetime | None = None
    until: datetime | None = None
    agency: str = ""
    purpose: str = ""
    outcome: str = ""


@dataclass(frozen=True, slots=True)
class Page:
    """`next`: the cursor of the page that follows; None on the last one."""

    records: tuple[StoredRecord, ...]
    next: str | None


@dataclass(frozen=True, slots=True)
class Count:
    """`month`: its first day, in the portal's time zone; `first`: the earliest of these."""

    month: date
    consumer: str
    purpose: str
    outcome: str
    n: int
    first: datetime


class RecordStore:
    """`pools`: by security server. DATABASE_ERRORS pass through: a list without one provider's records would be a false list."""

    def __init__(self, pools: Mapping[str, asyncpg.Pool], offset: timedelta) -> None:
        self._pools = pools
        self._offset = offset

    @property
    def servers(self) -> Sequence[str]:
        """The security servers whose records are asked for."""
        return tuple(self._pools)

    async def page(self, person: Person, wanted: Filter, cursor: str | None, limit: int) -> Page:
        """MalformedMessage for a cursor that is none of ours."""
        before = (_FOR_EVER, _LAST_ID) if cursor is None else parse_cursor(cursor)
        since, until = wanted.since or _EPOCH, wanted.until or _FOR_EVER
        chosen = (wanted.agency, wanted.purpose, wanted.outcome)
        values = (person.number, person.kind, *before, since, until, *chosen, limit + 1)
        found = await self._all(_PAGE, *values)
        merged = list(heapq.merge(*found, key=_place, reverse=True))
        records = tuple(merged[:limit])
        return Page(records, print_cursor(records[-1]) if len(merged) > limit else None)

    async def find(self, person: Person, record_id: UUID) -> StoredRecord | None:
        """None when it is not there or is about somebody else: the same question to every database either way."""
        found = await self._all(_ONE, person.number, person.kind, record_id)
        return next((record for records in found for record in records), None)

    async def counts(self, person: Person) -> tuple[Count, ...]:
        """How often who asked in each month, for what, with which outcome."""
        rows = await asyncio.gather(
            *(pool.fetch(_COUNTS, person.number, person.kind, self._offset) for pool in self._pools.values())
        )
        return tuple(Count(*row.values()) for found in rows for row in found)

    async def _all(self, statement: str, *values: object) -> Sequence[Sequence[StoredRecord]]:
        rows = await asyncio.gather(*(pool.fetch(statement, *values) for pool in self._pools.values()))
        return [[_stored(server, row) for row in found] for server, found in zip(self._pools, rows, strict=True)]


def _stored(server: str, row: asyncpg.Record) -> StoredRecord:
    texts = tuple(json.loads(row["fields"]))
    if len(texts) != len(Field):
        raise MalformedMessage("an access record has sixteen texts")
    return StoredRecord(server, row["record_id"], row["time"], texts, row["seed"], row["leaf"])


def _place(record: StoredRecord) -> tuple[datetime, UUID]:
    return record.time, record.record_id


def print_cursor(record: StoredRecord) -> str:
    microseconds = (record.time - _EPOCH) // timedelta(microseconds=1)
    return base64.urlsafe_b64encode(_PLACE.pack(microseconds, record.record_id.bytes)).decode()


def parse_cursor(text: str) -> tuple[datetime, UUID]:
    """MalformedMessage for what `print_cursor` never prints."""
    try:
        value = base64.b64decode(text.encode("ascii"), b"-_", validate=True)
        microseconds, record_id = _PLACE.unpack(value)
        if base64.urlsafe_b64encode(value).decode() != text:
            raise MalformedMessage("not the one spelling of a cursor")
        return _EPOCH + timedelta(microseconds=microseconds), UUID(bytes=record_id)
    except (binascii.Error, struct.error, UnicodeEncodeError, OverflowError) as e:
        raise MalformedMessage("not a cursor of this list") from e
