"""What time-stamps cost: processor time for each record, the server's and the database's, from the queue to the link."""

from __future__ import annotations

import asyncio
import hashlib
import shutil
import tempfile
import time
from collections.abc import Awaitable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg

from gateway.messagelog import stamps
from gateway.storage.database import Database, EmbeddedDatabase, open_database
from tests.bench.measure import cpu_seconds, family
from tests.support.stamping import StampedLog

RECORDS_OF_AN_EXCHANGE = 4  # request and response, on both sides
_RECORDS = 10_000
_COMMIT = 64  # records that share a commit under load
# Signatures as long as real ones; what they say does not matter to a batch.
_MANY = """
INSERT INTO message_record (written, uid, time, side, kind, message_id, request_id, client, service, part, signature, has_body,
                            conf_fingerprint)
SELECT written - interval '1 hour', gen_random_uuid(), time, side, kind, message_id, request_id, client, service, part,
       convert_to(rpad('signature ' || n, 6000, md5(n::text)), 'UTF8'), has_body, conf_fingerprint
FROM message_record, generate_series(1, $1) AS n
"""
# What the writer's statement does for the queue, with records of a commit.
_QUEUE = """
INSERT INTO unstamped_commit (records, times, uids, digests)
SELECT array_agg(n), array_agg(now()), array_agg('00000000-0000-0000-0000-000000000000'::uuid), string_agg(d, ''::bytea)
FROM unnest($1::bigint[], $2::bytea[]) AS t (n, d)
"""
_NOTHING = "SELECT count(n) FROM unnest($1::bigint[]) AS t (n)"


@dataclass(frozen=True, slots=True)
class StampCost:
    """Microseconds of processor time for each record: `queue` while an exchange waits, the others behind it."""

    queue: float
    server: float
    database: float

    @property
    def record(self) -> float:
        return self.queue + self.server + self.database

    def words(self, exchange_microseconds: float | None = None) -> str:
        share = (
            ""
            if not exchange_microseconds
            else f", {100 * self.exchange / exchange_microseconds:.1f} % of it (to reach: 3)"
        )
        return (
            f"time-stamps, {_RECORDS} records a token: {self.record:.0f} us of processor for each record (queue {self.queue:.0f}, "
            f"server {self.server:.0f}, database {self.database:.0f}); {self.exchange:.0f} us for each exchange{share}"
        )

    @property
    def exchange(self) -> float:
        return RECORDS_OF_AN_EXCHANGE * self.record


async def stamp_cost() -> StampCost:
    folder = Path(tempfile.mkdtemp(prefix="bench-stamps"))
    try:
        database = await open_database(EmbeddedDatabase(folder / "pg", "stamps"))
        try:
            return await _measure(database)
        finally:
            await database.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def _measure(database: Database) -> StampCost:
    assert database.server is not None and database.server.pid is not None
    postgres = family(database.server.pid)
    log = StampedLog(database)
    await log.write(1)
    await log.stamper.round()
    async with database.owner() as owner:
        await owner.execute(_MANY, _RECORDS)
        await stamps.requeue(owner, datetime.now(UTC) - timedelta(days=3650))
        postgres = family(database.server.pid)
        _, server, behind = await _costs(log.stamper.round(), postgres)
        assert await log.waiting() == []
        async with database.pool.acquire() as connection, connection.transaction():
            postgres = family(database.server.pid)
            queue = await _queued(connection, postgres) - await _not_queued(connection, postgres)
    scale = 1e6 / _RECORDS
    return StampCost(queue * scale, server * scale, behind * scale)


async def _queued(connection: asyncpg.Connection, postgres: list[int]) -> float:
    """Processor seconds for `_RECORDS` records, some in each statement, with the hashing of their signatures."""
    signatures = [b"signature %4d" % n + bytes(6000) for n in range(_COMMIT)]
    before, own = cpu_seconds(postgres), time.process_time()
    for first in range(0, _RECORDS, _COMMIT):
        digests = [hashlib.sha512(s).digest() for s in signatures]
        await connection.execute(_QUEUE, list(range(first, first + _COMMIT)), digests)
    return cpu_seconds(postgres) - before + time.process_time() - own


async def _not_queued(connection: asyncpg.Connection, postgres: list[int]) -> float:
    """The cost of as many statements."""
    before, own = cpu_seconds(postgres), time.process_time()
    for first in range(0, _RECORDS, _COMMIT):
        await connection.execute(_NOTHING, list(range(first, first + _COMMIT)))
    return cpu_seconds(postgres) - before + time.process_time() - own


async def _costs(work: Awaitable[object], postgres: list[int]) -> tuple[object, float, float]:
    """Its result; processor seconds of this process and of the database."""
    own, theirs = time.process_time(), cpu_seconds(postgres)
    done = await work
    return done, time.process_time() - own, cpu_seconds(postgres) - theirs


if __name__ == "__main__":
    print(asyncio.run(stamp_cost()).words())
