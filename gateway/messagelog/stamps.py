"""Time-stamps beside the records they are about: the SQL of migration `time_stamps`.

    record written --queued in the same transaction--> waiting
    waiting --stamp and link stored, queue row removed, in one transaction--> stamped

If we crash anywhere before that last commit, the record still waits and is stamped again; an authority's token nobody kept is no
harm. Several servers on one database take turns by a row lock that is held from the look at the queue to the commit.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from uuid import UUID

import asyncpg

from gateway.core.digest import Digest, DigestAlgorithm
from gateway.core.errors import MalformedMessage
from gateway.core.globalconf.model import GlobalConfiguration
from gateway.core.messagelog.stamping import Stamp
from gateway.core.signing.hashtree import HashTree, build_tree
from gateway.core.signing.timestampbatch import batch_chain
from gateway.messagelog.batch import KEEP_CONFIGURATION
from gateway.messagelog.tsaclient import Token

# For queries over `message_record AS r`.
IS_STAMPED = "EXISTS (SELECT FROM stamped_record AS s WHERE s.record_number = r.number)"
_MOST_COUNTED = 10_000
_SIZE = DigestAlgorithm.SHA512.size


@dataclass(frozen=True, slots=True)
class Unstamped:
    """Records that wait for their time-stamp: what one commit wrote. `records`: their numbers; `digests`: of each signature
    XML; `keys`: time and uid of each."""

    number: int
    records: tuple[int, ...]
    digests: tuple[Digest, ...]
    keys: tuple[tuple[datetime, UUID], ...]


@dataclass(frozen=True, slots=True)
class Waiting:
    """`records`: how many wait, of the first ten thousand commits; `oldest`: since when the first of them does."""

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
    """In the order of writing, up to `most` records, but at least one commit when any waits."""
    found: list[Unstamped] = []
    records = 0
    for row in await connection.fetch(_UNSTAMPED, most):
        records += len(row["records"])
        if found and records > most:
            break
        found.append(
            Unstamped(
                row["number"],
                tuple(row["records"]),
                _digests(row["digests"]),
                tuple(zip(row["times"], row["uids"], strict=True)),
            )
        )
    return found


async def signature_of(connection: asyncpg.Connection, key: tuple[datetime, UUID]) -> bytes | None:
    """The signature XML of a record; None when retention was faster."""
    found = await connection.fetchval("SELECT signature FROM message_record WHERE time = $1 AND uid = $2", *key)
    return None if found is None else bytes(found)


async def waiting(pool: asyncpg.Pool) -> Waiting:
    row = await pool.fetchrow(_WAITING, _MOST_COUNTED)
    return Waiting(row["records"], row["oldest"])


async def store(
    connection: asyncpg.Connection,
    token: Token,
    batch: tuple[bytes, bytes] | None,
    records: Sequence[int],
    fingerprint: str,
) -> None:
    """The token and what it stamps: numbers of records, in the order of the leaves. `batch`: what was stamped and the leaves, of a
    batch; `fingerprint`: of the global configuration that approved the authority, which must be kept already."""
    verified, (result, leaves) = token.verified, batch or (None, None)
    number = await connection.fetchval(
        _STORE, verified.time, verified.tsa.name, verified.serial, fingerprint, result, leaves, token.der
    )
    await connection.execute(_LINK, records, number)


async def keep(connection: asyncpg.Connection, conf: GlobalConfiguration) -> None:
    await connection.execute(KEEP_CONFIGURATION, conf.fingerprint, list(conf.files), list(conf.files.values()))


async def leave_queue(connection: asyncpg.Connection, commits: Sequence[Unstamped], *, hand_on: bool = False) -> None:
    """`hand_on`: somebody looks through what is stamped, for promises (`promises.py`)."""
    await connection.execute(_HAND_ON if hand_on else _LEAVE, [c.number for c in commits])


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
    chain = None
    if row["leaves"] is not None:
        chain = await asyncio.to_thread(_chain, row["leaves"], row["position"])
    return StoredStamp(Stamp(row["token"], row["chain_result"], chain), row["conf_fingerprint"])


async def stamp_of(pool: asyncpg.Pool, number: int) -> Stamp | None:
    found = await stored_stamp(pool, number)
    return None if found is None else found.stamp


async def requeue(owner: asyncpg.Connection, since: datetime) -> int:
    """Records of a time from `since` on that have no stamp and do not wait: put in the queue. How many. The writers put every
    record there; this is for programs older than the queue, and for a queue that somebody emptied."""
    return int(await owner.fetchval(_REQUEUE, since, timedelta(minutes=1)))


def _chain(leaves: bytes, position: int) -> bytes:
    tree = _tree(leaves)
    if not 0 <= position < tree.leaves:
        raise MalformedMessage("a stored time-stamp is damaged", code="malformed_hash_chain")
    return batch_chain(tree.leaf(position), tree.path(position))


@lru_cache(maxsize=4)
def _tree(leaves: bytes) -> HashTree:
    """Exports ask for many records of one batch; a tree of ten thousand takes some 50 ms and 3 MB."""
    if not leaves or len(leaves) % _SIZE:
        raise MalformedMessage("a stored time-stamp is damaged", code="malformed_hash_chain")
    return build_tree(_digests(leaves))


def _digests(stored: bytes) -> tuple[Digest, ...]:
    return tuple(Digest(DigestAlgorithm.SHA512, stored[at : at + _SIZE]) for at in range(0, len(stored), _SIZE))


async def forget(owner: asyncpg.Connection, numbers: Sequence[int]) -> None:
    """For retention, in the transaction that removes these records. A token goes with the last record it stamps."""
    rows = await owner.fetch(_FORGET, numbers)
    await owner.execute(_FORGET_UNUSED, list({row["time_stamp"] for row in rows}))


_TURN = "SELECT one FROM time_stamp_turn FOR UPDATE SKIP LOCKED"
_TURN_AFTER_OTHERS = "SELECT one FROM time_stamp_turn FOR UPDATE"
_UNSTAMPED = "SELECT number, records, digests, times, uids FROM unstamped_commit ORDER BY number LIMIT $1"
_WAITING = """
SELECT (SELECT coalesce(sum(cardinality(records)), 0) FROM (SELECT records FROM unstamped_commit LIMIT $1) AS c) AS records,
       (SELECT since FROM unstamped_commit ORDER BY number LIMIT 1) AS oldest
"""
_STORE = """
INSERT INTO time_stamp (time, authority, serial, conf_fingerprint, chain_result, leaves, token)
VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING number
"""
_LINK = """
INSERT INTO stamped_record (record_number, time_stamp, position)
SELECT n, $2, position - 1 FROM unnest($1::bigint[]) WITH ORDINALITY AS t (n, position) ON CONFLICT DO NOTHING
"""
_LEAVE = "DELETE FROM unstamped_commit WHERE number = ANY ($1::bigint[])"
_HAND_ON = f"""
WITH gone AS ({_LEAVE} RETURNING number, times, uids)
INSERT INTO stamped_commit (times, uids) SELECT times, uids FROM gone ORDER BY number
"""  # noqa: S608 - constants of ours
_FIND = """
SELECT t.token, t.chain_result, t.leaves, t.conf_fingerprint, s.position
FROM stamped_record AS s JOIN time_stamp AS t ON t.number = s.time_stamp WHERE s.record_number = $1
"""
_REQUEUE = f"""
WITH queued AS (
    SELECT unnest(records) AS number FROM unstamped_commit
), missing AS (
    SELECT r.number, r.time, r.uid, r.written, sha512(r.signature) AS digest,
           (row_number() OVER (ORDER BY r.number) - 1) / 256 AS commit_like
    FROM message_record AS r
    WHERE r.time >= $1 AND r.written < clock_timestamp() - $2::interval
    AND NOT {IS_STAMPED} AND NOT EXISTS (SELECT FROM queued AS q WHERE q.number = r.number)
), put AS (
    INSERT INTO unstamped_commit (since, records, times, uids, digests)
    SELECT min(written), array_agg(number ORDER BY number), array_agg(time ORDER BY number), array_agg(uid ORDER BY number),
           string_agg(digest, ''::bytea ORDER BY number)
    FROM missing GROUP BY commit_like ORDER BY commit_like
)
SELECT count(*) FROM missing
"""  # noqa: S608 - constants of ours
_FORGET = "DELETE FROM stamped_record WHERE record_number = ANY ($1::bigint[]) RETURNING time_stamp"
_FORGET_UNUSED = """
DELETE FROM time_stamp AS t WHERE number = ANY ($1::bigint[])
AND NOT EXISTS (SELECT FROM stamped_record AS s WHERE s.time_stamp = t.number)
"""
