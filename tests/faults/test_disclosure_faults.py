"""Access records when things break: numbers have no gap and no double, each record stands with its message record or not at all."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import tempfile
from pathlib import Path

import asyncpg
import pytest

from gateway.core.errors import EvidenceUnavailable, ReplayedRequest
from gateway.messagelog.access import Attached, clear_row
from gateway.messagelog.batch import Batch, write_batch
from gateway.messagelog.groupcommit import LogLimits
from gateway.messagelog.writer import MessageLogWriter
from gateway.storage.database import Database, EmbeddedDatabase, open_database
from gateway.storage.embedded import EmbeddedPostgres
from tests.faults.test_message_log_faults import CUTS, _until_waiting, through_proxy, writing
from tests.support.killing import kill_database
from tests.support.log_states import (
    SERVER,
    access_entries,
    answered_request,
    authorized_request,
    failed_request,
    refused_request,
)
from tests.support.pg_proxy import Cut

pytestmark = pytest.mark.slow

AN, BINH = "999300000017", "999204000058"


async def check_series(database: Database) -> int:
    """How many; every number once from 1 on, the series ends there, every entry belongs to a durable request record."""
    row = await database.pool.fetchrow("""
        SELECT count(*) AS entries, count(DISTINCT number) AS numbers, coalesce(max(number), 0) AS last,
               count(DISTINCT record_id) AS records, coalesce((SELECT last FROM access_series), 0) AS series,
               count(*) FILTER (WHERE NOT EXISTS (
                   SELECT FROM message_record m WHERE m.number = message_number AND m.decision IS NOT NULL)) AS orphans
        FROM access_record
    """)
    found = dict(row)
    entries = found.pop("entries")
    assert found == {"numbers": entries, "last": entries, "records": entries, "series": entries, "orphans": 0}
    return int(entries)


@pytest.mark.parametrize("how", CUTS)
async def test_a_cut_batch_leaves_no_gap(pg: EmbeddedPostgres, database: Database, tmp_path: Path, how: Cut) -> None:
    async with through_proxy(pg, database, tmp_path) as (proxy, cut), writing(cut) as writer:
        first = await writer.append_authorized(authorized_request(entries=access_entries(AN)))
        proxy.cut(how)
        await asyncio.gather(
            *(writer.append_authorized(authorized_request(entries=access_entries(AN, BINH))) for _ in range(10)),
            *(writer.append_refused(refused_request(entries=access_entries(AN))) for _ in range(5)),
            *(writer.append_found(answered_request(first, found=access_entries(BINH))) for _ in range(3)),
            writer.append_failed(failed_request(first, access_entries(AN, outcome="failed"))),
        )
        assert proxy.cuts == 1
    assert await check_series(database) == 1 + 20 + 5 + 3 + 1


async def test_entries_whose_first_commit_is_still_under_way(database: Database) -> None:
    """The same entries on two connections, both waiting for the series: one writes them, the other is rolled back and finds them
    at its next look. They are known by their record ids: each stands once, and no number is lost."""
    async with writing(database) as writer:
        request = await writer.append_authorized(authorized_request(entries=access_entries(AN)))
    rows = tuple(map(clear_row, access_entries(BINH, "999173000034")))
    batch = Batch([], [Attached(None, request.record_number, rows)], str(SERVER))

    async def write() -> object:
        async with database.pool.acquire() as connection:
            return await write_batch(connection, batch, {})

    async with database.owner() as owner, database.owner() as watcher:
        async with owner.transaction():
            await owner.execute("SELECT last FROM access_series FOR UPDATE")
            both = asyncio.gather(write(), write(), return_exceptions=True)
            await _until_waiting(
                watcher, 2
            )  # a transaction of its own: what it sees of others does not change within one
        outcomes = await both
    assert {type(o) for o in outcomes} == {dict, asyncpg.UniqueViolationError}
    assert await check_series(database) == 3
    await write()
    assert await check_series(database) == 3


async def test_two_processes_of_one_server_share_the_series(database: Database) -> None:
    async with writing(database) as one, writing(database) as two:
        await asyncio.gather(
            *(
                writer.append_authorized(authorized_request(entries=access_entries(AN, BINH)))
                for _ in range(100)
                for writer in (one, two)
            )
        )
    assert await check_series(database) == 400


async def test_a_record_the_database_refuses_takes_no_number(database: Database) -> None:
    """One exchange of a batch cannot be written: the batch is rolled back and the others go in without a gap."""
    (bad,) = access_entries(AN)
    object.__setattr__(bad, "leaf", bad.leaf[:100])
    async with writing(database) as writer:
        outcomes = await asyncio.gather(
            *(writer.append_authorized(authorized_request(entries=access_entries(BINH))) for _ in range(3)),
            writer.append_authorized(authorized_request(entries=(bad,))),
            *(writer.append_authorized(authorized_request(entries=access_entries(BINH))) for _ in range(3)),
            return_exceptions=True,
        )
    assert [type(o) for o in outcomes].count(EvidenceUnavailable) == 1
    assert isinstance(outcomes[3], EvidenceUnavailable)
    assert await check_series(database) == 6


async def test_kill_9_of_postgresql_under_load() -> None:
    """fsync on, as in production. Every acknowledged exchange has its record, and the series has no gap."""
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    directory = Path(tempfile.mkdtemp(prefix="gateway-test-", dir=memory))
    try:
        database = await open_database(EmbeddedDatabase(directory, "log"))
        try:
            acknowledged = await _kill_under_load(database, kills=2)
            await check_series(database)
            rows = await database.pool.fetch("SELECT record_id FROM access_record")
        finally:
            await database.close()
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    assert len(acknowledged) > 150
    assert acknowledged <= {str(row["record_id"]) for row in rows}


async def _kill_under_load(database: Database, kills: int) -> set[str]:
    acknowledged: set[str] = set()
    server = database.server
    assert server is not None
    stop = asyncio.Event()

    async def load(writer: MessageLogWriter) -> None:
        while not stop.is_set():
            entries, found = access_entries(AN), access_entries(BINH)
            with contextlib.suppress(EvidenceUnavailable, ReplayedRequest):
                request = await writer.append_authorized(authorized_request(entries=entries))
                acknowledged.add(str(entries[0].record_id))
                await writer.append_found(answered_request(request, found=found))
                acknowledged.add(str(found[0].record_id))

    async def until(count: int) -> None:
        async with asyncio.timeout(30):
            while len(acknowledged) < count:
                await asyncio.sleep(0.001)

    async with writing(database, LogLimits(patience=30)) as writer, asyncio.TaskGroup() as tasks:
        for _ in range(10):
            tasks.create_task(load(writer))
        for kill in range(1, kills + 1):
            await until(60 * kill)
            await kill_database(server)
        await until(60 * (kills + 1))
        stop.set()
    return acknowledged
