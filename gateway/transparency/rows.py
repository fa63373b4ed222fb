"""The log's SQL. Every statement of the log is here; who calls it decides about transactions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import asyncpg


@dataclass(frozen=True, slots=True)
class ShardRow:
    """`note`: the signed checkpoint of `size`, published or not. `frozen`: why nothing may be published."""

    origin: str
    size: int
    root: bytes
    note: bytes
    fence: int
    frozen: str | None


@dataclass(frozen=True, slots=True)
class Submitted:
    """One entry as a security server submits it; `record` and (`source`, `sequence`) name it for good."""

    record: UUID
    source: str
    sequence: int
    entry: bytes
    leaf_hash: bytes


@dataclass(frozen=True, slots=True)
class Standing:
    """What the log has under a record; `index` None: in the queue."""

    origin: str
    submitted: Submitted
    index: int | None


_SHARD = "SELECT origin, size, root, note, fence, frozen FROM log_shard WHERE origin = $1"


async def create_shard(connection: asyncpg.Connection, origin: str, root: bytes, note: bytes) -> None:
    """Empty, if it is not there."""
    await connection.execute(
        "INSERT INTO log_shard (origin, size, root, note) VALUES ($1, 0, $2, $3) ON CONFLICT DO NOTHING",
        origin,
        root,
        note,
    )


async def read_shard(connection: asyncpg.Connection | asyncpg.Pool, origin: str) -> ShardRow | None:
    row = await connection.fetchrow(_SHARD, origin)
    return None if row is None else ShardRow(*row)


async def lock_shard(connection: asyncpg.Connection, origin: str) -> ShardRow:
    """Until the transaction ends."""
    return ShardRow(*await connection.fetchrow(f"{_SHARD} FOR UPDATE", origin))


async def try_lead_lock(connection: asyncpg.Connection, origin: str) -> bool:
    """Whether this connection has the shard's advisory lock now; it keeps it until it ends."""
    return bool(await connection.fetchval("SELECT pg_try_advisory_lock(hashtextextended($1, 0))", origin))


async def take_lead(connection: asyncpg.Connection, origin: str) -> ShardRow:
    """A fence above all others. Waits for a transaction of the leader before."""
    await connection.execute("UPDATE log_shard SET fence = fence + 1 WHERE origin = $1", origin)
    return ShardRow(*await connection.fetchrow(_SHARD, origin))


async def advance(connection: asyncpg.Connection, origin: str, size: int, root: bytes, note: bytes) -> None:
    await connection.execute(
        "UPDATE log_shard SET size = $2, root = $3, note = $4 WHERE origin = $1", origin, size, root, note
    )


async def freeze(
    connection: asyncpg.Connection, origin: str, fence: int, why: str, evidence: Sequence[tuple[str, bytes]]
) -> bool:
    """Nothing is published from here on, and what it was for is kept. False when another process leads (a witness rightly knows
    more than a leader that was replaced): then nothing happened. The first reason stays."""
    async with connection.transaction():
        if (await lock_shard(connection, origin)).fence != fence:
            return False
        await connection.execute(
            "UPDATE log_shard SET frozen = $2, frozen_at = clock_timestamp() WHERE origin = $1 AND frozen IS NULL",
            origin,
            why,
        )
        await connection.execute(
            "INSERT INTO log_evidence (origin, why, names, data) VALUES ($1, $2, $3, $4)",
            origin,
            why,
            [name for name, _ in evidence],
            [data for _, data in evidence],
        )
    return True


# --- entries -------------------------------------------------------------------------------------------------------


async def insert_entries(connection: asyncpg.Connection, origin: str, entries: Sequence[Submitted]) -> None:
    """Those whose record, or (source, sequence), is not there yet, and their places in the queue. In the order of the source's
    count: so they arrive in it, and two submitters of the same do not wait for each other in a circle."""
    ordered = sorted(entries, key=lambda e: (e.source, e.sequence))
    await connection.execute(
        "WITH new AS (INSERT INTO log_entry (origin, record, source, sequence, entry, leaf_hash) SELECT $1, * FROM "
        "unnest($2::uuid[], $3::text[], $4::bigint[], $5::bytea[], $6::bytea[]) ON CONFLICT DO NOTHING "
        "RETURNING record, source, sequence) "
        "INSERT INTO log_queue (origin, record) SELECT $1, record FROM new ORDER BY source, sequence",
        origin,
        [e.record for e in ordered],
        [e.source for e in ordered],
        [e.sequence for e in ordered],
        [e.entry for e in ordered],
        [e.leaf_hash for e in ordered],
    )


async def read_entries(connection: asyncpg.Connection, records: Sequence[UUID]) -> dict[UUID, Standing]:
    rows = await connection.fetch(
        "SELECT record, e.source, e.sequence, e.entry, e.leaf_hash, e.origin, p.index FROM log_entry e "
        "LEFT JOIN log_place p USING (record) WHERE record = ANY($1)",
        list(records),
    )
    return {row["record"]: Standing(row["origin"], Submitted(*row[:5]), row["index"]) for row in rows}


@dataclass(frozen=True, slots=True)
class QueueHead:
    """What waits, oldest first; the three go together."""

    arrivals: tuple[int, ...]
    records: tuple[UUID, ...]
    entries: tuple[bytes, ...]


async def queue_head(connection: asyncpg.Connection, origin: str, limit: int) -> QueueHead:
    """Call with the shard locked: only its holder takes from the queue."""
    rows = await connection.fetch(
        "SELECT q.arrival, q.record, e.entry FROM (SELECT arrival, record FROM log_queue WHERE origin = $1 "
        "ORDER BY arrival LIMIT $2) q JOIN log_entry e USING (record) ORDER BY q.arrival",
        origin,
        limit,
    )
    return QueueHead(*zip(*rows, strict=True)) if rows else QueueHead((), (), ())


async def place(connection: asyncpg.Connection, origin: str, head: QueueHead, first: int) -> None:
    """Give what was taken its places, from `first` on."""
    await connection.execute(
        "INSERT INTO log_place (origin, index, record) SELECT $1, $3 + n.at - 1, n.record "
        "FROM unnest($2::uuid[]) WITH ORDINALITY AS n (record, at)",
        origin,
        list(head.records),
        first,
    )
    await connection.execute(
        "DELETE FROM log_queue WHERE origin = $1 AND arrival = ANY($2)", origin, list(head.arrivals)
    )


async def entries_between(
    connection: asyncpg.Connection | asyncpg.Pool, origin: str, start: int, end: int
) -> tuple[bytes, ...]:
    """Entries by index, in order; those that are missing are missing."""
    return tuple(entry for _, entry, _ in await numbered_between(connection, origin, start, end))


async def numbered_between(
    connection: asyncpg.Connection | asyncpg.Pool, origin: str, start: int, end: int
) -> tuple[tuple[int, bytes, bytes], ...]:
    """Index, entry and leaf hash, in order."""
    rows = await connection.fetch(
        "SELECT p.index, e.entry, e.leaf_hash FROM log_place p JOIN log_entry e USING (record) "
        "WHERE p.origin = $1 AND p.index >= $2 AND p.index < $3 ORDER BY p.index",
        origin,
        start,
        end,
    )
    return tuple((row["index"], row["entry"], row["leaf_hash"]) for row in rows)


async def count_entries(connection: asyncpg.Connection, origin: str) -> tuple[int, int, int]:
    """Entries, places, and entries that wait."""
    row = await connection.fetchrow(
        "SELECT (SELECT count(*) FROM log_entry WHERE origin = $1) AS entries, "
        "(SELECT count(*) FROM log_place WHERE origin = $1) AS places, "
        "(SELECT count(*) FROM log_queue WHERE origin = $1) AS waiting",
        origin,
    )
    return row["entries"], row["places"], row["waiting"]


async def find_leaf(pool: asyncpg.Pool, origin: str, leaf_hash: bytes) -> tuple[bool, int | None]:
    """Whether the log has it, and the first index under which it stands (None: in the queue)."""
    rows = await pool.fetch(
        "SELECT p.index FROM log_entry e LEFT JOIN log_place p USING (record) WHERE e.leaf_hash = $1 AND e.origin = $2",
        leaf_hash,
        origin,
    )
    indices = [row["index"] for row in rows if row["index"] is not None]
    return bool(rows), min(indices, default=None)


async def queue_state(pool: asyncpg.Pool, origin: str) -> tuple[int, float]:
    """How many wait, and for how many seconds the oldest has."""
    row = await pool.fetchrow(
        "SELECT (SELECT count(*) FROM log_queue WHERE origin = $1) AS waiting, coalesce((SELECT "
        "extract(epoch FROM clock_timestamp() - e.received) FROM log_queue q JOIN log_entry e USING (record) "
        "WHERE q.origin = $1 ORDER BY q.arrival LIMIT 1), 0)::float8 AS oldest",
        origin,
    )
    return row["waiting"], row["oldest"]


# --- files that a crash may have kept from the disk ----------------------------------------------------------------


async def stage(connection: asyncpg.Connection, origin: str, size: int, files: Sequence[tuple[str, bytes]]) -> None:
    await connection.execute(
        "INSERT INTO log_staged (origin, size, path, data) SELECT $1, $2, * FROM unnest($3::text[], $4::bytea[])",
        origin,
        size,
        [path for path, _ in files],
        [data for _, data in files],
    )


async def staged(connection: asyncpg.Connection, origin: str) -> tuple[tuple[str, bytes], ...]:
    rows = await connection.fetch("SELECT path, data FROM log_staged WHERE origin = $1 ORDER BY size, path", origin)
    return tuple((row["path"], row["data"]) for row in rows)


async def unstage(connection: asyncpg.Connection, origin: str, size: int) -> None:
    """The files up to `size` are on the disk."""
    await connection.execute("DELETE FROM log_staged WHERE origin = $1 AND size <= $2", origin, size)


async def note_partials(connection: asyncpg.Connection, origin: str, paths: Sequence[str]) -> None:
    """Full tiles that replace partial ones."""
    await connection.execute(
        "INSERT INTO log_partial (origin, path) SELECT $1, * FROM unnest($2::text[]) ON CONFLICT DO NOTHING",
        origin,
        list(paths),
    )


async def old_partials(pool: asyncpg.Pool, origin: str, seconds: float) -> tuple[str, ...]:
    rows = await pool.fetch(
        "SELECT path FROM log_partial WHERE origin = $1 AND replaced < clock_timestamp() - make_interval(secs => $2)",
        origin,
        seconds,
    )
    return tuple(row["path"] for row in rows)


async def forget_partials(pool: asyncpg.Pool, origin: str, paths: Sequence[str]) -> None:
    await pool.execute("DELETE FROM log_partial WHERE origin = $1 AND path = ANY($2)", origin, list(paths))
