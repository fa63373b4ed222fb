"""What the database knows about archives. Every method is one transaction of the owner, and may be repeated when nobody saw it end.

planned    these records are to go into the next archive of this chain; they will, in this order, whatever happens meanwhile
named      the file is written and synced under a working name; it will have this name and end with this chain digest
durable    the file is durable under its name: the records may be removed
removed    the records are gone; the row stays, because the next archive stands on it
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal
from uuid import UUID

import asyncpg

from gateway.core.messagelog.linking import ArchiveEnd
from gateway.messagelog import frames, stamps
from gateway.messagelog.archivecipher import SUFFIX

Grouping = Literal["none", "member", "subsystem"]
ArchiveState = Literal["planned", "named", "durable", "removed"]
RecordKey = tuple[datetime, UUID]

_LOCK = 0x4E475350_41524348  # any number nobody else uses: one archiver at a time
_MOST_RECORDS = 10_000  # of one archive
_MOST_PLANNED = 100_000  # of one round


@dataclass(frozen=True, slots=True)
class StampedRecord:
    """A time-stamped record that is in no archive yet. `size`: bytes of evidence, unpacked."""

    number: int
    key: RecordKey
    chain: str
    size: int


@dataclass(frozen=True, slots=True)
class ArchiveRow:
    """`first`, `last`: times of its first and last record. `file`, `digest` from `named` on, and for an encrypted archive `sealed`,
    the SHA-512 of its file."""

    number: int
    chain: str
    position: int
    state: ArchiveState
    records: int
    first: datetime
    last: datetime
    file: str | None
    digest: str | None
    sealed: bytes | None

    @property
    def stored_as(self) -> str | None:
        """The name of its file in the folder."""
        return self.file if self.file is None or self.sealed is None else self.file + SUFFIX


class ArchiveTables:
    def __init__(self, owner: asyncpg.Connection) -> None:
        self._owner = owner

    async def lock(self) -> bool:
        """Until the connection ends nobody else archives. False: somebody else does now."""
        return bool(await self._owner.fetchval("SELECT pg_try_advisory_lock($1)", _LOCK))

    async def waiting(self, group_by: Grouping) -> list[StampedRecord]:
        """Time-stamped, not shredded and in no archive, in the order of writing; of very many the oldest."""
        rows = await self._owner.fetch(_WAITING, _MOST_PLANNED)
        return [StampedRecord(r["number"], (r["time"], r["uid"]), _chain_of(r, group_by), r["size"]) for r in rows]

    async def in_the_making(self, key_ids: Sequence[UUID]) -> int:
        """How many records sealed under these data keys are in archives that are not durable yet."""
        return int(await self._owner.fetchval(_IN_THE_MAKING, key_ids))

    async def plan(self, batches: Sequence[Sequence[StampedRecord]]) -> None:
        """Each batch becomes the next archive of its chain. All of them or none."""
        async with self._owner.transaction():
            for batch in batches:
                times = [record.key[0] for record in batch]
                number = await self._owner.fetchval(_PLAN, batch[0].chain, len(batch), min(times), max(times))
                uids = [record.key[1] for record in batch]
                await self._owner.execute(_ASSIGN, [r.number for r in batch], times, uids, number)

    async def made(self) -> list[ArchiveRow]:
        """Every archive that is durable or was, chain by chain."""
        rows = await self._owner.fetch(f"{_SELECT} WHERE state IN ('durable', 'removed') ORDER BY chain, position")
        return [_row(r) for r in rows]

    async def unfinished(self) -> list[ArchiveRow]:
        """In the order in which they must be finished."""
        rows = await self._owner.fetch(f"{_SELECT} WHERE state IN ('planned', 'named') ORDER BY chain, position")
        return [_row(r) for r in rows]

    async def end_before(self, archive: ArchiveRow) -> ArchiveEnd:
        """Where the chain stands before this archive."""
        row = await self._owner.fetchrow(
            "SELECT digest, file FROM archive WHERE chain = $1 AND position = $2 AND state IN ('durable', 'removed')",
            archive.chain,
            archive.position - 1,
        )
        return ArchiveEnd() if row is None else ArchiveEnd(row["digest"], row["file"])

    async def keys_of(self, archive: ArchiveRow) -> list[tuple[int, RecordKey]]:
        """Number and key of its records, in their order in the archive."""
        rows = await self._owner.fetch(
            "SELECT record_number, time, uid FROM archived_record WHERE archive = $1 ORDER BY record_number",
            archive.number,
        )
        return [(r["record_number"], (r["time"], r["uid"])) for r in rows]

    async def name(self, archive: ArchiveRow, end: ArchiveEnd, sealed: bytes | None) -> None:
        await self._owner.execute(
            "UPDATE archive SET state = 'named', file = $2, digest = $3, sealed = $4, changed = clock_timestamp() "
            "WHERE number = $1 AND state IN ('planned', 'named')",
            archive.number,
            end.file,
            end.digest,
            sealed,
        )

    async def finish(self, archive: ArchiveRow) -> None:
        await self._owner.execute(
            "UPDATE archive SET state = 'durable', changed = clock_timestamp() WHERE number = $1 AND state = 'named'",
            archive.number,
        )

    async def removable(self, before: datetime) -> list[ArchiveRow]:
        """Durable archives whose every record is older than `before`."""
        rows = await self._owner.fetch(
            f"{_SELECT} WHERE state = 'durable' AND last_time < $1 ORDER BY chain, position", before
        )
        return [_row(r) for r in rows]

    async def remove_records(self, archive: ArchiveRow) -> None:
        """Remove the records of a durable archive with their bodies and time-stamps: all of them or none."""
        async with self._owner.transaction():
            state = await self._owner.fetchval("SELECT state FROM archive WHERE number = $1 FOR UPDATE", archive.number)
            if state != "durable":
                return
            keys = await self.keys_of(archive)
            times, uids = [key[0] for _, key in keys], [key[1] for _, key in keys]
            bodies = await self._owner.fetch(_REMOVE_RECORDS, times, uids)
            await self._owner.execute(
                "DELETE FROM body_chunk WHERE body_id = ANY ($1::uuid[])",
                [r["body_id"] for r in bodies if r["body_id"]],
            )
            await stamps.forget(self._owner, [number for number, _ in keys])
            await self._owner.execute("DELETE FROM archived_record WHERE archive = $1", archive.number)
            await self._owner.execute(
                "UPDATE archive SET state = 'removed', changed = clock_timestamp() WHERE number = $1", archive.number
            )

    async def remove_frames(self, today: date, stay: int) -> int:
        """Remove the frames of signatures of those days that have no record any more and ended `stay` days ago, by our clock and
        also by those of the writers, whose newest frame is so much later; how many. Writers believe their frames of today durable:
        an archiver whose clock is wrong must not take them."""
        removed = await self._owner.execute(_REMOVE_FRAMES, today, stay)
        return int(removed.split()[-1])


def batches_of(waiting: Sequence[StampedRecord], max_size: int) -> list[list[StampedRecord]]:
    """The next archives: of one chain each, in the order of writing. As in X-Road the record that reaches `max_size` bytes is the
    last of its archive."""
    open_batches: dict[str, list[StampedRecord]] = {}
    sizes: dict[str, int] = {}
    done: list[list[StampedRecord]] = []
    for record in waiting:
        batch = open_batches.setdefault(record.chain, [])
        batch.append(record)
        sizes[record.chain] = sizes.get(record.chain, 0) + record.size
        if sizes[record.chain] >= max_size or len(batch) >= _MOST_RECORDS:
            done.append(open_batches.pop(record.chain))
            del sizes[record.chain]
    return [*done, *open_batches.values()]


def _chain_of(row: asyncpg.Record, group_by: Grouping) -> str:
    """Whose record it is: our client's, which asked or whose service was asked (reference 6.1)."""
    own = row["client"] if row["side"] == "client" else row["service"].rpartition("/")[0]
    match group_by:
        case "none":
            return ""
        case "member":
            return "/".join(own.split("/")[:3])
        case "subsystem":
            return str(own)


def _row(r: asyncpg.Record) -> ArchiveRow:
    return ArchiveRow(
        r["number"],
        r["chain"],
        r["position"],
        r["state"],
        r["records"],
        r["first_time"],
        r["last_time"],
        r["file"],
        r["digest"],
        r["sealed"],
    )


_SELECT = "SELECT number, chain, position, state, records, first_time, last_time, file, digest, sealed FROM archive"
_WAITING = f"""
SELECT r.number, r.time, r.uid, r.side, r.client, r.service,
       length(r.part) + {frames.LENGTH} + coalesce(r.body_size, 0) + 4096 AS size
FROM message_record AS r
WHERE {stamps.IS_STAMPED} AND NOT EXISTS (SELECT FROM archived_record AS a WHERE a.record_number = r.number)
AND NOT EXISTS (SELECT FROM data_key AS k WHERE k.id = r.sealed_by AND k.wrapped IS NULL)
ORDER BY r.number LIMIT $1
"""  # noqa: S608 - constants of ours
_IN_THE_MAKING = """
SELECT count(*) FROM archive AS f JOIN archived_record AS a ON a.archive = f.number
JOIN message_record AS r ON r.time = a.time AND r.uid = a.uid
WHERE f.state IN ('planned', 'named') AND r.sealed_by = ANY ($1::uuid[])
"""
_PLAN = """
INSERT INTO archive (chain, position, state, records, first_time, last_time)
SELECT $1, coalesce(max(position), 0) + 1, 'planned', $2, $3, $4 FROM archive WHERE chain = $1
RETURNING number
"""
_ASSIGN = """
INSERT INTO archived_record (record_number, time, uid, archive)
SELECT *, $4 FROM unnest($1::bigint[], $2::timestamptz[], $3::uuid[])
"""
_REMOVE_RECORDS = """
DELETE FROM message_record AS r USING unnest($1::timestamptz[], $2::uuid[]) AS k (time, uid)
WHERE r.time = k.time AND r.uid = k.uid RETURNING r.body_id
"""
_REMOVE_FRAMES = """
DELETE FROM signature_frame WHERE day IN (
    SELECT day FROM (
        SELECT DISTINCT day FROM signature_frame WHERE day < least($1, (SELECT max(day) FROM signature_frame)) - $2::integer
    ) AS d
    WHERE NOT EXISTS (
        SELECT FROM message_record AS r
        WHERE r.time >= d.day::timestamp AT TIME ZONE 'UTC' AND r.time < (d.day + 1)::timestamp AT TIME ZONE 'UTC'
    )
)
"""
