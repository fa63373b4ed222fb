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

from gateway.core.disclosure.leaf import SEED_SIZE
from gateway.core.disclosure.record import Field, parse_time
from gateway.core.errors import MalformedMessage
from gateway.core.sealing.access import AccessKeys
from gateway.core.subjects.kinds import Person
from gateway.storage.accessrecords import (
    ABOUT,
    COLUMNS,
    AccessKeySource,
    Destroyed,
    about,
    destroyed,
    nothing_sealed,
    open_row,
)

MOST_ON_A_PAGE = 100
_PLACE = struct.Struct(">q16s")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FOR_EVER = datetime(9999, 12, 31, tzinfo=UTC)
_LAST_ID = UUID(int=2**128 - 1)

# Only constants of ours are put together here; values are parameters.
_PAGE = f"""
SELECT {COLUMNS} FROM access_record
WHERE {ABOUT} AND time <= $4 AND (time, record_id) < ($4, $5) AND time >= $6 AND time < $7
  AND ($8 = '' OR fields->>2 = $8 OR starts_with(fields->>2, $8 || '/'))
  AND ($9 = '' OR fields->>4 = $9) AND ($10 = '' OR fields->>10 = $10)
ORDER BY time DESC, record_id DESC LIMIT $11
"""  # noqa: S608
_ONE = f"SELECT {COLUMNS} FROM access_record WHERE {ABOUT} AND record_id = $4"  # noqa: S608
_COUNTS = f"""
SELECT (date_trunc('month', time AT TIME ZONE 'UTC' + $4))::date AS month, fields->>2 AS consumer, fields->>4 AS purpose,
       fields->>10 AS outcome, count(*) AS n, min(time) AS first
FROM access_record WHERE {ABOUT} GROUP BY 1, 2, 3, 4
"""  # noqa: S608


@dataclass(frozen=True, slots=True)
class StoredRecord:
    """A record as its provider holds it. `time`: its place in lists; `seed` opens the leaf and stays here."""

    server: str
    record_id: UUID
    time: datetime
    fields: tuple[str, ...] = field(repr=False)
    seed: bytes = field(repr=False)
    leaf: bytes

    @property
    def said(self) -> datetime:
        """When it was, by the text that the leaf commits to: the column `time` could be changed and every proof would hold. Only
        where that text is no time any more, the column's."""
        try:
            told = parse_time(self.fields[Field.TIME]).astimezone(UTC)
        except (MalformedMessage, OverflowError):
            return self.time
        return told if _EPOCH <= told < _FOR_EVER else self.time


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


@dataclass(frozen=True, slots=True)
class Provider:
    """One security server's database, and the keys of what is sealed in it."""

    pool: asyncpg.Pool
    keys: AccessKeySource = nothing_sealed


class RecordStore:
    """`providers`: by security server. DATABASE_ERRORS and EvidenceUnavailable pass through: a list without one provider's records
    would be a false list."""

    def __init__(self, providers: Mapping[str, Provider], offset: timedelta) -> None:
        self._providers = providers
        self._offset = offset

    @property
    def servers(self) -> Sequence[str]:
        """The security servers whose records are asked for."""
        return tuple(self._providers)

    async def page(self, person: Person, wanted: Filter, cursor: str | None, limit: int) -> Page:
        """MalformedMessage for a cursor that is none of ours."""
        before = (_FOR_EVER, _LAST_ID) if cursor is None else parse_cursor(cursor)
        since, until = wanted.since or _EPOCH, wanted.until or _FOR_EVER
        chosen = (wanted.agency, wanted.purpose, wanted.outcome)
        found = await self._all(_PAGE, person, *before, since, until, *chosen, limit + 1)
        merged = list(heapq.merge(*found, key=_place, reverse=True))
        records = tuple(merged[:limit])
        return Page(records, print_cursor(records[-1]) if len(merged) > limit else None)

    async def find(self, person: Person, record_id: UUID) -> StoredRecord | None:
        """None when it is not there or is about somebody else: the same question to every database either way."""
        found = await self._all(_ONE, person, record_id)
        return next((record for records in found for record in records), None)

    async def counts(self, person: Person) -> tuple[Count, ...]:
        """How often who asked in each month, for what, with which outcome."""
        found = await asyncio.gather(*(_fetch(p, _COUNTS, person, self._offset) for p in self._providers.values()))
        return tuple(Count(*row.values()) for rows, _ in found for row in rows)

    async def destroyed(self) -> tuple[Destroyed, ...]:
        """What is told to everybody of records that nobody can read any more."""
        found = await asyncio.gather(*(destroyed(p.pool) for p in self._providers.values()))
        return tuple(one for some in found for one in some)

    async def _all(self, statement: str, person: Person, *values: object) -> Sequence[Sequence[StoredRecord]]:
        found = await asyncio.gather(*(_fetch(p, statement, person, *values) for p in self._providers.values()))
        return [
            [_stored(server, row, keys) for row in rows]
            for server, (rows, keys) in zip(self._providers, found, strict=True)
        ]


async def _fetch(
    provider: Provider, statement: str, person: Person, *values: object
) -> tuple[Sequence[asyncpg.Record], AccessKeys]:
    keys = await provider.keys()
    return await provider.pool.fetch(statement, *about(person, keys), *values), keys


def _stored(server: str, row: asyncpg.Record, keys: AccessKeys) -> StoredRecord:
    """A record that was altered and does not open is shown with what is in clear of it and a seed that opens nothing: the check in
    the browser then says that it is not what was promised."""
    try:
        opened = open_row(row, keys)
        texts, seed = opened.fields, opened.seed
    except MalformedMessage:
        texts, seed = _shown(row), bytes(SEED_SIZE)
    return StoredRecord(server, row["record_id"], row["time"], texts, seed, row["leaf"])


def _shown(row: asyncpg.Record) -> tuple[str, ...]:
    texts = [str(text) for text in json.loads(row["fields"])][: len(Field)]
    texts += [""] * (len(Field) - len(texts))
    texts[Field.RECORD], texts[Field.OFFICIAL] = str(row["record_id"]), ""
    return tuple(texts)


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
