"""Time-stamps beside the records they are about: the SQL of migration `time_stamps`.

    record written --queued in the same transaction--> waiting
    waiting --stamp and link stored, queue row removed, in one transaction--> stamped

If we crash anywhere before that last commit, the record still waits and is stamped again; an authority's token nobody kept is no
harm. Several servers on one database take turns by a row lock that is held from the look at the queue to the commit.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

import asyncpg

from gateway.core.digest import Digest, DigestAlgorithm
from gateway.core.globalconf.model import GlobalConfiguration
from gateway.core.messagelog.stamping import Stamp
from gateway.core.signing.hashtree import unpack_path
from gateway.core.signing.timestamp import VerifiedTimestamp
from gateway.core.signing.timestampbatch import batch_chain
from gateway.messagelog.batch import KEEP_CONFIGURATION

# For queries over `message_record AS r`.
IS_STAMPED = "EXISTS (SELECT FROM stamped_record AS s WHERE s.record_number = r.number)"
_MOST_COUNTED = 100_000


@dataclass(frozen=True, slots=True)
class Unstamped:
    """A record that waits for its time-stamp. `signature`: SHA-512 of the signature XML; None when the record is gone."""

    number: int
    signature: Digest | None


@dataclass(frozen=True, slots=True)
class Waiting:
    """`records`: how many wait, counted up to a hundred thousand; `oldest`: since when the first of them does."""

    records: int
    oldest: datetime | None


@dataclass(frozen=True, slots=True)
class StoredStamp:
    """`conf_fingerprint`: of the global configuration that approved the authority."""

    stamp: Stamp
    conf_fingerprint: str


@asynccontextmanager
async def turn(pool: asyncpg.Pool, *, patient: bool) -> AsyncIterator[asyncpg.Connection | None]:
    """A transaction in which nobody else stamps. None when somebody else does now and we are not `patient`."""
    async with pool.acquire() as connection, connection.transaction():
        yield connection if await connection.fetchval(_TURN_AFTER_OTHERS if patient else _TURN) else None


async def unstamped(connection: asyncpg.Connection, most: int) -> list[Unstamped]:
    """In the order of writing."""
    rows = await connection.fetch(_UNSTAMPED, most)
    return [Unstamped(n, None if d is None else Digest(DigestAlgorithm.SHA512, d)) for n, d in rows]


async def signature_of(connection: asyncpg.Connection, number: int) -> bytes:
    """The signature XML of a record that waits."""
    return bytes(await connection.fetchval(_SIGNATURE, number))


async def waiting(pool: asyncpg.Pool) -> Waiting:
    row = await pool.fetchrow(_WAITING, _MOST_COUNTED)
    return Waiting(row["records"], row["oldest"])


async def store(
    connection: asyncpg.Connection,
    token: bytes,
    verified: VerifiedTimestamp,
    chain_result: bytes | None,
    records: Sequence[tuple[int, bytes | None]],
    conf: GlobalConfiguration,
) -> None:
    """The token and what it stamps: numbers of records, of a batch each with its packed path. They wait no longer."""
    await connection.execute(KEEP_CONFIGURATION, conf.fingerprint, list(conf.files), list(conf.files.values()))
    number = await connection.fetchval(
        _STORE, verified.time, verified.tsa.name, verified.serial, conf.fingerprint, chain_result, token
    )
    await connection.execute(_LINK, [n for n, _ in records], [p for _, p in records], number)
    await leave_queue(connection, [n for n, _ in records])


async def leave_queue(connection: asyncpg.Connection, numbers: Sequence[int]) -> None:
    await connection.execute("DELETE FROM unstamped_record WHERE record_number = ANY ($1::bigint[])", numbers)


async def stamped_among(pool: asyncpg.Pool, numbers: Sequence[int]) -> set[int]:
    rows = await pool.fetch(
        "SELECT record_number FROM stamped_record WHERE record_number = ANY ($1::bigint[])", numbers
    )
    return {row["record_number"] for row in rows}


async def stored_stamp(pool: asyncpg.Pool, number: int) -> StoredStamp | None:
    """Of the record with this number; None while it waits. MalformedMessage when what is stored is damaged."""
    row = await pool.fetchrow(_FIND, number)
    if row is None:
        return None
    chain = None if row["path"] is None else batch_chain(*unpack_path(row["path"]))
    return StoredStamp(Stamp(row["token"], row["chain_result"], chain), row["conf_fingerprint"])


async def stamp_of(pool: asyncpg.Pool, number: int) -> Stamp | None:
    found = await stored_stamp(pool, number)
    return None if found is None else found.stamp


async def requeue(owner: asyncpg.Connection, since: datetime) -> int:
    """Records of a time from `since` on that have no stamp and do not wait: put in the queue. How many. The writers put every
    record there; this is for programs older than the queue, and for a queue that somebody emptied."""
    return int((await owner.execute(_REQUEUE, since, timedelta(minutes=1))).split()[-1])


async def forget(owner: asyncpg.Connection, numbers: Sequence[int]) -> None:
    """For retention, in the transaction that removes these records. A token goes with the last record it stamps."""
    await leave_queue(owner, numbers)
    rows = await owner.fetch(_FORGET, numbers)
    await owner.execute(_FORGET_UNUSED, list({row["time_stamp"] for row in rows}))


_TURN = "SELECT one FROM time_stamp_turn FOR UPDATE SKIP LOCKED"
_TURN_AFTER_OTHERS = "SELECT one FROM time_stamp_turn FOR UPDATE"
_UNSTAMPED = """
SELECT q.record_number, sha512(r.signature)
FROM (SELECT * FROM unstamped_record ORDER BY record_number LIMIT $1) AS q
LEFT JOIN message_record AS r ON r.time = q.time AND r.uid = q.uid
ORDER BY q.record_number
"""
_SIGNATURE = """
SELECT r.signature FROM unstamped_record AS q JOIN message_record AS r ON r.time = q.time AND r.uid = q.uid
WHERE q.record_number = $1
"""
_WAITING = """
SELECT (SELECT count(*) FROM (SELECT FROM unstamped_record LIMIT $1) AS first) AS records,
       (SELECT since FROM unstamped_record ORDER BY record_number LIMIT 1) AS oldest
"""
_STORE = """
INSERT INTO time_stamp (time, authority, serial, conf_fingerprint, chain_result, token)
VALUES ($1, $2, $3, $4, $5, $6) RETURNING number
"""
_LINK = """
INSERT INTO stamped_record (record_number, path, time_stamp)
SELECT n, p, $3 FROM unnest($1::bigint[], $2::bytea[]) AS t (n, p) ON CONFLICT DO NOTHING
"""
_FIND = """
SELECT t.token, t.chain_result, t.conf_fingerprint, s.path
FROM stamped_record AS s JOIN time_stamp AS t ON t.number = s.time_stamp WHERE s.record_number = $1
"""
_REQUEUE = f"""
INSERT INTO unstamped_record (record_number, time, uid, since)
SELECT r.number, r.time, r.uid, r.written FROM message_record AS r
WHERE r.time >= $1 AND r.written < clock_timestamp() - $2::interval AND NOT {IS_STAMPED}
ON CONFLICT DO NOTHING
"""  # noqa: S608 - constants of ours
_FORGET = "DELETE FROM stamped_record WHERE record_number = ANY ($1::bigint[]) RETURNING time_stamp"
_FORGET_UNUSED = """
DELETE FROM time_stamp AS t WHERE number = ANY ($1::bigint[])
AND NOT EXISTS (SELECT FROM stamped_record AS s WHERE s.time_stamp = t.number)
"""
