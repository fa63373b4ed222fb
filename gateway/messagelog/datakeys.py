"""Data keys as rows of `data_key`. Who serves may add and read them; wrapping them anew and destroying them is the owner's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

import asyncpg

from gateway.core.sealing.keys import WrappedKey

FOR_EVER = date(9999, 1, 1)
"""The day of a key that belongs to none (`officialkey.py`): nobody destroys it with those of a period."""


@dataclass(frozen=True, slots=True)
class Destroyed:
    """A data key that is gone, with everything it sealed."""

    day: date
    member: str
    time: datetime
    by: str
    reason: str


@dataclass(frozen=True, slots=True)
class Use:
    """How many data keys in use one key-encryption key wraps, for which days, and the newest of them."""

    kek: str
    keys: int
    first: date
    last: date
    newest: WrappedKey


async def in_use(pool: asyncpg.Pool, day: date, member: str) -> WrappedKey | None:
    row = await pool.fetchrow(f"{_SELECT} WHERE wrapped IS NOT NULL AND day = $1 AND member = $2", day, member)
    return None if row is None else wrapped_of(row)


async def add(pool: asyncpg.Pool, key: WrappedKey) -> None:
    """Durable on return, unless one is in use for its day and member already: then nothing happens."""
    await pool.execute(_ADD, key.id, key.day, key.member, key.kek, key.wrapped)


async def find(pool: asyncpg.Pool, id: UUID) -> WrappedKey | Destroyed | None:
    row = await pool.fetchrow(f"{_SELECT} WHERE id = $1", id)
    return None if row is None else key_of(row)


async def ids_in_use(pool: asyncpg.Pool) -> list[UUID]:
    return [r["id"] for r in await pool.fetch("SELECT id FROM data_key WHERE wrapped IS NOT NULL")]


async def find_all(pool: asyncpg.Pool, ids: Sequence[UUID]) -> list[WrappedKey]:
    """Those of them that are in use."""
    return [wrapped_of(r) for r in await pool.fetch(_IN_USE, ids)] if ids else []


def key_of(row: asyncpg.Record) -> WrappedKey | Destroyed:
    if row["wrapped"] is None:
        return Destroyed(row["day"], row["member"], row["destroyed"], row["destroyed_by"], row["reason"])
    return wrapped_of(row)


def wrapped_of(row: asyncpg.Record) -> WrappedKey:
    return WrappedKey(row["id"], row["day"], row["member"], row["kek"], row["wrapped"])


async def uses(pool: asyncpg.Pool) -> list[Use]:
    """One for each key-encryption key that wraps anything."""
    rows = await pool.fetch(_USES)
    return [Use(r["kek"], r["keys"], r["first"], r["last"], wrapped_of(r)) for r in rows]


# --- the owner ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Listed:
    """A data key, how many records it seals, how many of them no archive holds, and how many access records it seals."""

    id: UUID
    day: date
    member: str
    kek: str
    records: int
    unarchived: int
    accesses: int


async def listed(
    owner: asyncpg.Connection, *, member: str | None, first: date | None, last: date | None, kek: str | None
) -> list[Listed]:
    """Data keys in use, oldest first. `first`, `last`: both included; None in any place: all. One that is for ever is among them
    only when they are looked for by `kek`."""
    rows = await owner.fetch(_LIST, member, first, last, kek)
    return [
        Listed(r["id"], r["day"], r["member"], r["kek"], r["records"], r["unarchived"], r["accesses"]) for r in rows
    ]


async def wrapped_otherwise(owner: asyncpg.Connection, kek: str) -> list[WrappedKey]:
    """Data keys in use under other key-encryption keys than this one."""
    return [wrapped_of(r) for r in await owner.fetch(f"{_SELECT} WHERE wrapped IS NOT NULL AND kek <> $1", kek)]


async def replace_wrapping(owner: asyncpg.Connection, keys: Sequence[WrappedKey]) -> None:
    """All or none; a key that was destroyed meanwhile stays destroyed. The table's file then holds no other wrapping."""
    await owner.execute(_REWRAP, [k.id for k in keys], [k.kek for k in keys], [k.wrapped for k in keys])
    await owner.execute("VACUUM (FULL) data_key")


async def destroy(owner: asyncpg.Connection, ids: Sequence[UUID], by: str, reason: str, rule: str | None) -> None:
    """Durable on return, and no version of the rows with the keys is left in the table's file. `rule`: what citizens are told."""
    await owner.execute(_DESTROY, ids, by, reason, rule)
    await owner.execute("VACUUM (FULL) data_key")


# Only constants of ours are put together here; values are parameters.
COLUMNS = "id, day, member, kek, wrapped, destroyed, destroyed_by, reason"
_SELECT = f"SELECT {COLUMNS} FROM data_key"  # noqa: S608
_IN_USE = "SELECT id, day, member, kek, wrapped FROM data_key WHERE id = ANY ($1) AND wrapped IS NOT NULL"
_ADD = "INSERT INTO data_key (id, day, member, kek, wrapped) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING"
_USES = """
SELECT DISTINCT ON (kek) id, day, member, kek, wrapped, count(*) OVER same AS keys, min(day) OVER same AS first,
       max(day) OVER same AS last
FROM data_key WHERE wrapped IS NOT NULL WINDOW same AS (PARTITION BY kek) ORDER BY kek, day DESC
"""
_LIST = """
SELECT k.id, k.day, k.member, k.kek, sealed.records, sealed.unarchived, coalesce(access.n, 0) AS accesses
FROM data_key AS k LEFT JOIN (SELECT sealed_by, count(*) AS n FROM access_record GROUP BY 1) AS access ON access.sealed_by = k.id
CROSS JOIN LATERAL (
    SELECT count(*) AS records, count(*) FILTER (WHERE a.record_number IS NULL) AS unarchived
    FROM message_record AS r LEFT JOIN archived_record AS a ON a.record_number = r.number
    WHERE r.time >= k.day::timestamp AT TIME ZONE 'UTC' AND r.time < (k.day + 1)::timestamp AT TIME ZONE 'UTC'
    AND r.sealed_by = k.id
) AS sealed
WHERE k.wrapped IS NOT NULL AND ($1::text IS NULL OR k.member = $1) AND ($4::text IS NULL OR k.kek = $4)
AND ($2::date IS NULL OR k.day >= $2) AND ($3::date IS NULL OR k.day <= $3) AND ($4 IS NOT NULL OR k.day < '9999-01-01')
ORDER BY k.day, k.member
"""
_REWRAP = """
UPDATE data_key AS k SET kek = n.kek, wrapped = n.wrapped
FROM unnest($1::uuid[], $2::text[], $3::bytea[]) AS n (id, kek, wrapped)
WHERE k.id = n.id AND k.wrapped IS NOT NULL
"""
_DESTROY = """
UPDATE data_key AS k SET wrapped = NULL, destroyed = clock_timestamp(), destroyed_by = $2, reason = $3, rule = $4,
    accesses = (SELECT count(*) FROM access_record AS a WHERE a.sealed_by = k.id)
WHERE id = ANY ($1::uuid[]) AND wrapped IS NOT NULL
"""
