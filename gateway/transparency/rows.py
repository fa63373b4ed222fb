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
    """Those whose record, or (source, sequence), is not there yet. In the order of the source's count: so they arrive in it, and
    two submitters of the same do not wait for each other in a circle."""
    ordered = sorted(entries, key=lambda e: (e.source, e.sequence))
    await connection.execute(
        "INSERT INTO log_entry (origin, record, source, sequence, entry, leaf_hash) SELECT $1, * FROM "
        "unnest($2::uuid[], $3::text[], $4::bigint[], $5::bytea[], $6::bytea[]) ON CONFLICT DO NOTHING",
        origin,
        [e.record for e in ordered],
        [e.source for e in ordered],
        [e.sequence for e in ordered],
        [e.entry for e in ordered],
        [e.leaf_hash for e in ordered],
    )


async def read_entries(connection: asyncpg.Connection, records: Sequence[UUID]) -> dict[UUID, Standing]:
    rows = await connection.fetch(
        "SELECT record, source, sequence, entry, leaf_hash, origin, index FROM log_entry WHERE record = ANY($1)",
        list(records),
    )
    return {row["record"]: Standing(row["origin"], Submitted(*row[:5]), row["index"]) for row in rows}


async def queue_head(
    connection: asyncpg.Connection, origin: str, limit: int
) -> tuple[tuple[UUID, ...], tuple[bytes, ...]]:
    """Records and entries that wait, oldest first. Call with the shard locked: only its holder gives indices."""
    rows = await connection.fetch(
        "SELECT record, entry FROM log_entry WHERE origin = $1 AND index IS NULL ORDER BY arrival LIMIT $2",
        origin,
        limit,
    )
    return tuple(row["record"] for row in rows), tuple(row["entry"] for row in rows)


async def number_entries(connection: asyncpg.Connection, records: Sequence[UUID], first: int) -> None:
    await connection.execute(
        "UPDATE log_entry SET index = $2 + n.at - 1 FROM unnest($1::uuid[]) WITH ORDINALITY AS n (record, at) "
        "WHERE log_entry.record = n.record",
        list(records),
        first,
    )


async def entries_between(
    connection: asyncpg.Connection | asyncpg.Pool, origin: str, start: int, end: int
) -> tuple[bytes, ...]:
    """Entries by index, in order; those that are missing are missing."""
    rows = await connection.fetch(
        "SELECT entry FROM log_entry WHERE origin = $1 AND index >= $2 AND index < $3 ORDER BY index",
        origin,
        start,
        end,
    )
    return tuple(row["entry"] for row in rows)


async def numbered_between(
    connection: asyncpg.Connection, origin: str, start: int, end: int
) -> tuple[tuple[int, bytes, bytes], ...]:
    """Index, entry and leaf hash, in order."""
    rows = await connection.fetch(
        "SELECT index, entry, leaf_hash FROM log_entry WHERE origin = $1 AND index >= $2 AND index < $3 ORDER BY index",
        origin,
        start,
        end,
    )
    return tuple((row["index"], row["entry"], row["leaf_hash"]) for row in rows)


async def count_numbered(connection: asyncpg.Connection, origin: str) -> int:
    return int(await connection.fetchval("SELECT count(index) FROM log_entry WHERE origin = $1", origin))


async def count_queue(connection: asyncpg.Connection, origin: str) -> int:
    statement = "SELECT count(*) FROM log_entry WHERE origin = $1 AND index IS NULL"
    return int(await connection.fetchval(statement, origin))


async def find_leaf(pool: asyncpg.Pool, origin: str, leaf_hash: bytes) -> tuple[bool, int | None]:
    """Whether the log has it, and the first index under which it stands (None: in the queue)."""
    rows = await pool.fetch("SELECT index FROM log_entry WHERE leaf_hash = $1 AND origin = $2", leaf_hash, origin)
    indices = [row["index"] for row in rows if row["index"] is not None]
    return bool(rows), min(indices, default=None)


async def queue_state(pool: asyncpg.Pool, origin: str) -> tuple[int, float]:
    """How many wait, and for how many seconds the oldest has."""
    row = await pool.fetchrow(
        "SELECT count(*) AS waiting, "
        "coalesce(extract(epoch FROM clock_timestamp() - min(received)), 0)::float8 AS oldest "
        "FROM log_entry WHERE origin = $1 AND index IS NULL",
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
