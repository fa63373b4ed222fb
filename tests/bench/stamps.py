"""What time-stamps cost: processor time for each record, the server's and the database's, from the queue to the runs.

An account and not a comparison: everything that is done because there are time-stamps is done by itself, ten thousand records in
a round, some rounds in turn. A server that does other things in between has colder caches.
"""

from __future__ import annotations

import asyncio
import shutil
import statistics
import tempfile
import time
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg

from gateway.core.signing.xades import signature_digest
from gateway.messagelog import stamps
from gateway.storage.database import Database, EmbeddedDatabase, open_database
from tests.bench.measure import cpu_seconds, family
from tests.support.stamping import StampedLog

RECORDS_OF_AN_EXCHANGE = 4  # request and response, on both sides
_RECORDS = 10_000
_COMMIT = 16  # records that share a commit under load
_SHARED = 6  # messages that share a signature then
_ROUNDS = 5
_SIGNATURE = 4_800  # bytes, with the certificate and the OCSP answers of an instance with one authority
# Signatures as long as real ones; what they say does not matter to a batch.
_MANY = """
INSERT INTO message_record (written, uid, time, side, kind, message_id, request_id, client, service, part, signature, has_body,
                            conf_fingerprint)
SELECT written - interval '1 hour', gen_random_uuid(), time, side, kind, message_id, request_id, client, service, part,
       convert_to(rpad('signature ' || n, $2, md5(n::text)), 'UTF8'), has_body, conf_fingerprint
FROM message_record, generate_series(1, $1) AS n
"""
# What the writer's statement does for the queue, with records of a commit, and one that does nothing with them.
_NUMBERS = ", ".join(f"(${n + 1}::bigint)" for n in range(_COMMIT))
_DIGESTS = ", ".join(f"(${n + 1}::bigint, ${n + 1 + _COMMIT}::bytea)" for n in range(_COMMIT))
_QUEUE = f"""
INSERT INTO unstamped_commit (records, times, uids, digests)
SELECT array_agg(n), array_agg(now()), array_agg('00000000-0000-0000-0000-000000000000'::uuid), string_agg(d, ''::bytea)
FROM (VALUES {_DIGESTS}) AS t (n, d)
"""  # noqa: S608 - numbers of parameters
_NOTHING = f"SELECT count(n) FROM (VALUES {_NUMBERS}) AS t (n)"  # noqa: S608 - numbers of parameters
_AGAIN = "TRUNCATE stamped_run, time_stamp"


@dataclass(frozen=True, slots=True)
class StampCost:
    """Microseconds of processor time for each record in one round: `queue` while an exchange waits, the others behind it."""

    queue: float
    server: float
    database: float

    @property
    def exchange(self) -> float:
        return RECORDS_OF_AN_EXCHANGE * (self.queue + self.server + self.database)


def words(rounds: Sequence[StampCost], exchange_microseconds: float | None = None) -> str:
    queue, server, database, exchange = (
        statistics.median(getattr(r, name) for r in rounds) for name in ("queue", "server", "database", "exchange")
    )
    each = sorted(r.exchange for r in rounds)
    share = "" if not exchange_microseconds else f"{100 * exchange / exchange_microseconds:.1f} % of an exchange, "
    return (
        f"time-stamps: {share}{exchange:.0f} us for its four records, by round {each[0]:.0f} to {each[-1]:.0f} (to reach: <= 3 %); "
        f"for each record queue {queue:.1f}, server {server:.1f}, database {database:.1f}, {_RECORDS} records a token"
    )


async def stamp_cost(signature: int = _SIGNATURE) -> list[StampCost]:
    """Each round; `signature`: bytes of a signature XML."""
    folder = Path(tempfile.mkdtemp(prefix="bench-stamps"))
    try:
        database = await open_database(EmbeddedDatabase(folder / "pg", "stamps"))
        try:
            return await _measure(database, signature)
        finally:
            await database.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def _measure(database: Database, signature: int) -> list[StampCost]:
    assert database.server is not None and database.server.pid is not None
    scale = 1e6 / _RECORDS
    rounds: list[StampCost] = []
    log = StampedLog(database)
    await log.write(1)
    await log.stamper.round()
    async with database.owner() as owner:
        await owner.execute(_MANY, _RECORDS, signature)
        for _ in range(_ROUNDS):
            await owner.execute(_AGAIN)
            await stamps.requeue(owner, datetime.now(UTC) - timedelta(days=3650))
            postgres = family(database.server.pid)
            server, behind = await _costs(log.stamper.round(), postgres)
            assert await log.waiting() == []
            async with database.pool.acquire() as connection, connection.transaction():
                postgres = family(database.server.pid)
                queue = await _queued(connection, postgres, signature) - await _not_queued(connection, postgres)
                await connection.execute("DELETE FROM unstamped_commit")
            rounds.append(StampCost(queue * scale, server * scale, behind * scale))
    return rounds


async def _queued(connection: asyncpg.Connection, postgres: list[int], signature: int) -> float:
    """Processor seconds for `_RECORDS` records, some in each statement, with the hashing of their signatures."""
    before, own = cpu_seconds(postgres), time.process_time()
    for first in range(0, _RECORDS, _COMMIT):
        signatures = [(b"%d" % (n // _SHARED)).ljust(signature) for n in range(first, first + _COMMIT)]
        digests = [signature_digest(s) for s in signatures]
        await connection.fetch(_QUEUE, *range(first, first + _COMMIT), *digests)
    return cpu_seconds(postgres) - before + time.process_time() - own


async def _not_queued(connection: asyncpg.Connection, postgres: list[int]) -> float:
    """The cost of as many statements."""
    before, own = cpu_seconds(postgres), time.process_time()
    for first in range(0, _RECORDS, _COMMIT):
        await connection.fetch(_NOTHING, *range(first, first + _COMMIT))
    return cpu_seconds(postgres) - before + time.process_time() - own


async def _costs(work: Awaitable[object], postgres: list[int]) -> tuple[float, float]:
    """Processor seconds of this process and of the database."""
    own, theirs = time.process_time(), cpu_seconds(postgres)
    await work
    return time.process_time() - own, cpu_seconds(postgres) - theirs


if __name__ == "__main__":
    print(words(asyncio.run(stamp_cost())))
