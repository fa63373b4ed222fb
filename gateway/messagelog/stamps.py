"""Time-stamps beside the records they are about: the SQL of migration `time_stamps`.

    record written --queued in the same transaction--> waiting
    waiting --stamp and runs stored, queue rows removed, in one transaction--> stamped

If we crash anywhere before that last commit, the record still waits and is stamped again; an authority's token nobody kept is no
harm. Several servers on one database take turns by a row lock that is held from the look at the queue to the commit.

Which records a token stamps is written as runs of their numbers: mostly one, since the leaves stand in the order of the numbers.
No two runs have a number in common, so the run of a record is the last one that begins at its number or before.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from operator import ge

import asyncpg

from gateway.core.digest import DigestAlgorithm
from gateway.core.errors import MalformedMessage
from gateway.core.globalconf.model import GlobalConfiguration
from gateway.core.messagelog.stamping import Stamp, runs_of
from gateway.core.signing.hashtree import HashTree, joined_tree
from gateway.core.signing.timestampbatch import batch_chain
from gateway.messagelog import frames
from gateway.messagelog.batch import KEEP_CONFIGURATION
from gateway.messagelog.tsaclient import Token

# For queries over `message_record AS r`.
_LAST = "(SELECT * FROM stamped_run WHERE first <= r.number ORDER BY first DESC LIMIT 1)"
IS_STAMPED = f"EXISTS (SELECT FROM {_LAST} AS s WHERE s.last >= r.number)"
_MOST_COUNTED = 10_000
_PREFETCH = 128  # commits; under load each has some sixteen records
_LIKE_A_COMMIT = 256  # records that are put in the queue together
_SIZE = DigestAlgorithm.SHA512.size

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Unstamped:
    """Records that wait for their time-stamp. `commits`: in which rows of the queue they stand; `records`: their numbers, growing;
    `digests`: SHA-512 of each signature XML, one after the other."""

    commits: tuple[int, ...]
    records: tuple[int, ...]
    digests: bytes


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
    """A transaction in which nobody else stamps. None when somebody else does now and we are not `patient`. Whoever is
    cut off in it loses his turn after five minutes."""
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute(_CUT_OFF)
        yield connection if await connection.fetchval(_TURN_AFTER_OTHERS if patient else _TURN) else None


async def unstamped(connection: asyncpg.Connection, most: int) -> Unstamped:
    """What was written first, up to `most` records, but at least one commit when any waits. No record twice, and none that is
    stamped already, though the queue may hold such after two servers filled it again at once (`requeue`)."""
    commits: list[int] = []
    records: list[int] = []
    digests: list[bytes] = []
    async for row in connection.cursor(_UNSTAMPED, prefetch=_PREFETCH):
        if commits and len(records) + len(row["records"]) > most:
            break
        commits.append(row["number"])
        records += row["records"]
        digests.append(row["digests"])
    joined = b"".join(digests)
    if any(map(ge, records, records[1:])) or (records and await connection.fetchval(_OVERLAP, records[0], records[-1])):
        stamped = await stamped_among(connection, records)
        places = {record: at for at, record in enumerate(records) if record not in stamped}
        records = sorted(places)
        joined = b"".join(joined[at * _SIZE : (at + 1) * _SIZE] for at in map(places.__getitem__, records))
    return Unstamped(tuple(commits), tuple(records), joined)


async def signature_of(connection: asyncpg.Connection, waits: Unstamped) -> bytes | None:
    """The signature XML of the only record that waits; None when retention was faster. MalformedMessage when it is not whole."""
    key = await connection.fetchrow(_KEY, waits.commits, waits.records[0])
    row = await connection.fetchrow(_SIGNATURE, *key)
    return None if row is None else frames.signature_of(row)


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
    """The token and what it stamps: numbers of records, growing, in the order of the leaves. `batch`: what was stamped and the
    leaves, of a batch; `fingerprint`: of the global configuration that approved the authority, which must be kept already."""
    verified, (result, leaves) = token.verified, batch or (None, None)
    of_token = (verified.time, verified.tsa.name, verified.serial, fingerprint, len(records), result, leaves, token.der)
    number = await connection.fetchval(_STORE, *of_token)
    await connection.executemany(_LINK, [(run.first, run.last, number, run.position) for run in runs_of(records)])


async def keep(connection: asyncpg.Connection, conf: GlobalConfiguration) -> None:
    await connection.execute(KEEP_CONFIGURATION, conf.fingerprint, list(conf.files), list(conf.files.values()))


async def leave_queue(connection: asyncpg.Connection, commits: Sequence[int], *, hand_on: bool = False) -> None:
    """`hand_on`: somebody looks through what is stamped, for promises (`promises.py`)."""
    await connection.execute(_HAND_ON if hand_on else _LEAVE, commits)


async def stamped_among(database: asyncpg.Pool | asyncpg.Connection, numbers: Sequence[int]) -> set[int]:
    return {row["number"] for row in await database.fetch(_STAMPED_AMONG, numbers)}


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
    record there; this is for programs older than the queue, and for a queue that somebody emptied. Not those whose signature is
    damaged: there is nothing to stamp."""
    count = 0
    async with owner.transaction():
        missing = await owner.cursor(_MISSING, since, timedelta(minutes=1))
        while rows := await missing.fetch(_LIKE_A_COMMIT):
            digests = [_digest(row) for row in rows]
            put = [(row, digest) for row, digest in zip(rows, digests, strict=True) if digest is not None]
            if put:
                columns = [[row[name] for row, _ in put] for name in ("number", "time", "uid")]
                since_then = min(row["written"] for row, _ in put)
                await owner.execute(_PUT, since_then, *columns, b"".join(digest for _, digest in put))
            count += len(put)
    return count


def _digest(row: asyncpg.Record) -> bytes | None:
    """SHA-512 of the signature XML; None when it is damaged."""
    try:
        return hashlib.sha512(frames.signature_of(row)).digest()
    except MalformedMessage as e:
        _log.warning("record %d cannot be time-stamped: %s", row["number"], e.safe_detail)
        return None


def _chain(leaves: bytes, position: int) -> bytes:
    tree = _tree(leaves)
    if not 0 <= position < tree.leaves:
        raise MalformedMessage("a stored time-stamp is damaged", code="malformed_hash_chain")
    return batch_chain(tree.leaf(position), tree.path(position))


@lru_cache(maxsize=4)
def _tree(leaves: bytes) -> HashTree:
    """Exports ask for many records of one batch; a tree of ten thousand takes some 50 ms and 3 MB."""
    return joined_tree(DigestAlgorithm.SHA512, leaves)


async def forget(owner: asyncpg.Connection, numbers: Sequence[int]) -> None:
    """For retention, in the transaction that removes these records. A token goes with the last record it stamps, and its runs
    stay whole until then."""
    rows = await owner.fetch(_FORGET, numbers)
    await owner.execute(_FORGET_UNUSED, [row["number"] for row in rows])


# A database does not learn for hours that a network was cut or a machine stands still. Longer than authorities take to answer.
_CUT_OFF = "SET LOCAL idle_in_transaction_session_timeout = '5min'"
_TURN = "SELECT one FROM time_stamp_turn FOR UPDATE SKIP LOCKED"
_TURN_AFTER_OTHERS = "SELECT one FROM time_stamp_turn FOR UPDATE"
_UNSTAMPED = "SELECT number, records, digests FROM unstamped_commit ORDER BY number"
_OVERLAP = f"""
SELECT EXISTS (SELECT FROM stamped_run WHERE first BETWEEN $1 AND $2)
    OR EXISTS (SELECT FROM (SELECT $1::bigint AS number) AS r WHERE {IS_STAMPED})
"""  # noqa: S608 - constants of ours
_STAMPED_AMONG = f"SELECT number FROM unnest($1::bigint[]) AS r (number) WHERE {IS_STAMPED}"  # noqa: S608
_KEY = """
SELECT q.time, q.uid FROM unstamped_commit AS c CROSS JOIN unnest(c.records, c.times, c.uids) AS q (record, time, uid)
WHERE c.number = ANY ($1::bigint[]) AND q.record = $2 LIMIT 1
"""
_WAITING = """
SELECT (SELECT coalesce(sum(cardinality(records)), 0) FROM (SELECT records FROM unstamped_commit LIMIT $1) AS c) AS records,
       (SELECT since FROM unstamped_commit ORDER BY number LIMIT 1) AS oldest
"""
_STORE = """
INSERT INTO time_stamp (time, authority, serial, conf_fingerprint, records, chain_result, leaves, token)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING number
"""
_LINK = "INSERT INTO stamped_run (first, last, time_stamp, position) VALUES ($1, $2, $3, $4)"
_LEAVE = "DELETE FROM unstamped_commit WHERE number = ANY ($1::bigint[])"
_HAND_ON = f"""
WITH gone AS ({_LEAVE} RETURNING number, times, uids)
INSERT INTO stamped_commit (times, uids) SELECT times, uids FROM gone ORDER BY number
"""  # noqa: S608 - constants of ours
_FIND = f"""
SELECT t.token, t.chain_result, t.leaves, t.conf_fingerprint, s.position + (r.number - s.first)::integer AS position
FROM (SELECT $1::bigint AS number) AS r CROSS JOIN LATERAL {_LAST} AS s JOIN time_stamp AS t ON t.number = s.time_stamp
WHERE s.last >= r.number
"""  # noqa: S608 - constants of ours
_SIGNATURE = f"SELECT {frames.COLUMNS} FROM message_record AS r WHERE time = $1 AND uid = $2"  # noqa: S608 - constants of ours
_MISSING = f"""
SELECT r.number, r.time, r.uid, r.written, {frames.COLUMNS}
FROM message_record AS r
WHERE r.time >= $1 AND r.written < clock_timestamp() - $2::interval AND NOT {IS_STAMPED}
AND r.number NOT IN (SELECT unnest(records) FROM unstamped_commit)
ORDER BY r.number
"""  # noqa: S608 - constants of ours
_PUT = "INSERT INTO unstamped_commit (since, records, times, uids, digests) VALUES ($1, $2, $3, $4, $5)"
_FORGET = f"""
WITH gone AS (
    SELECT s.time_stamp, count(*) AS n FROM unnest($1::bigint[]) AS r (number) CROSS JOIN LATERAL {_LAST} AS s
    WHERE s.last >= r.number GROUP BY s.time_stamp
)
UPDATE time_stamp AS t SET records = t.records - gone.n FROM gone WHERE t.number = gone.time_stamp RETURNING t.number
"""  # noqa: S608 - constants of ours
_FORGET_UNUSED = "DELETE FROM time_stamp WHERE number = ANY ($1::bigint[]) AND records = 0"
