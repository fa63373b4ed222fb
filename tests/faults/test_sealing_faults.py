"""A sealed log whose connection is cut at every message on the way of its first record, and a crash between key and record."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway.core.messagelog.record import StoredRecord
from gateway.messagelog.reader import MessageLogReader
from gateway.messagelog.sealing import Seal
from gateway.messagelog.writer import MessageLogWriter
from gateway.storage.database import Database
from gateway.storage.embedded import EmbeddedPostgres
from tests.faults.test_message_log_faults import CUTS, through_proxy
from tests.support.log_states import NOW, SERVER, PatternBody, signed_request
from tests.support.pg_proxy import Cut
from tests.support.sealing import key_source

pytestmark = pytest.mark.slow


@asynccontextmanager
async def writing(database: Database) -> AsyncIterator[MessageLogWriter]:
    """A server that was just started: it knows no data key."""
    writer = MessageLogWriter(database.pool, lambda: NOW, SERVER, seal=Seal(database.pool, key_source()))
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(writer.run())
        yield writer
        await writer.drain()


async def check_sealed(database: Database, message_ids: set[str], body: bytes) -> None:
    """Each record is there once, sealed, opens, and no two data keys are in use for the same day and member."""
    reader = MessageLogReader(database.pool, key_source())
    for id in message_ids:
        (found,) = [f async for f in reader.by_message_id(id)]
        assert isinstance(found, StoredRecord)
        assert found.record.body is not None
        assert b"".join([p async for p in reader.body(found.record.body)]) == body
    assert await database.pool.fetchval("SELECT count(*) FROM message_record WHERE sealed_by IS NULL") == 0
    assert await database.pool.fetchval("SELECT count(*) FROM data_key") == 1


@pytest.mark.parametrize("how", CUTS)
async def test_every_message_of_the_first_record(
    pg: EmbeddedPostgres, database: Database, tmp_path: Path, how: Cut
) -> None:
    """Connect, become the writer, look for the key, add it, look again, then the record. Cut at each in turn; each round is a
    server started anew on a log without keys."""
    body = PatternBody(1000)
    async with through_proxy(pg, database, tmp_path) as (proxy, cut):
        for after in range(100):
            async with database.owner() as owner:
                await owner.execute("TRUNCATE data_key, message_record, body_chunk")
            async with writing(cut) as writer:
                proxy.cut(how, after)
                await writer.append_request(signed_request(body=body, message_id=f"{after}"))
            await check_sealed(database, {f"{after}"}, body.whole())
            if proxy.cuts <= after:
                break
            await cut.pool.expire_connections()
    assert after > 8


async def test_a_crash_between_the_key_and_its_first_record(database: Database) -> None:
    await Seal(database.pool, key_source()).key(NOW.date(), "VN/GOV/G22")  # and then nothing: the process is gone
    body = PatternBody(100)
    async with writing(database) as writer:
        await writer.append_request(signed_request(body=body, message_id="after"))
    await check_sealed(database, {"after"}, body.whole())
