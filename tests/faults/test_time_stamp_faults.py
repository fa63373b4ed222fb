"""A server killed, each message to the database lost, or kept and unheard: no record stays unstamped, none is linked twice."""

from __future__ import annotations

import asyncio
import random
import tempfile
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.core.signing.timestamp import verify_batch_timestamp, verify_timestamp
from gateway.core.signing.xades import parse_signature
from gateway.messagelog import frames, stamps
from gateway.messagelog.stamper import StampPolicy
from gateway.storage.database import Database, open_pool
from gateway.storage.embedded import EmbeddedPostgres
from tests.support.log_states import NOW
from tests.support.pg_proxy import Cut, cutting_proxy
from tests.support.stamping import PKI, StampedLog

pytestmark = pytest.mark.slow


async def check(database: Database, records: int) -> None:
    rows = await database.pool.fetch(f"SELECT number, {frames.COLUMNS} FROM message_record AS r ORDER BY number")  # noqa: S608
    assert len(rows) == records
    for row in rows:
        number, signature = row["number"], frames.signature_of(row)
        stamp = await stamps.stamp_of(database.pool, number)
        assert stamp is not None, number
        if stamp.chain_result is None or stamp.chain is None:
            verify_timestamp(stamp.token, parse_signature(signature).value, (PKI.approved_tsa,))
        else:
            verify_batch_timestamp(stamp.token, stamp.chain_result, stamp.chain, signature, (PKI.approved_tsa,))
    assert await database.pool.fetchval("SELECT count(*) FROM unstamped_commit") == 0
    assert await stamped_numbers(database) == [row["number"] for row in rows]


async def stamped_numbers(database: Database) -> list[int]:
    """Of every record that a token stamps, as often as one does."""
    rows = await database.pool.fetch("SELECT generate_series(first, last) AS number FROM stamped_run ORDER BY number")
    return [row["number"] for row in rows]


@pytest.mark.parametrize("how", ["lost", "kept"])
async def test_each_message_to_the_database_fails(pg: EmbeddedPostgres, database: Database, how: Cut) -> None:
    log, written = StampedLog(database), 0
    name = await database.pool.fetchval("SELECT current_database()")
    with tempfile.TemporaryDirectory() as short:
        async with cutting_proxy(pg.dsn_kwargs(name), Path(short)) as (proxy, target):
            for after in range(100):
                cut_off = StampedLog(Database(await open_pool(target), target))
                await cut_off.database.pool.fetchval("SELECT 1")
                written += len(await log.write(1 + after % 3))
                proxy.cut(how, after)
                await cut_off.stamper.round()
                proxy.forget()
                await cut_off.database.close()
                if proxy.cuts == after:  # the round was over before
                    break
    assert proxy.cuts > 10
    await log.stamper.round()
    await check(database, written)


async def test_killed_between_token_and_commit(database: Database) -> None:
    """The token exists and nobody kept it: the records are stamped again, and linked once."""
    log = StampedLog(database)
    await log.write(4)
    log.tsa.gate.clear()
    dying = asyncio.create_task(log.stamper.round())  # noqa: TID251 - the test is its owner
    while not log.tsa.asked:
        await asyncio.sleep(0)
    dying.cancel()
    with pytest.raises(asyncio.CancelledError):
        await dying
    log.tsa.gate.set()
    await log.another().round()
    await check(database, 4)


_MANY = """
INSERT INTO message_record (written, uid, time, side, kind, message_id, request_id, client, service, part, signature, has_body,
                            conf_fingerprint)
SELECT written - interval '1 hour', gen_random_uuid(), time, side, kind, message_id, request_id, client, service, part,
       convert_to('signature ' || n, 'UTF8'), has_body, conf_fingerprint
FROM message_record, generate_series(1, 9999) AS n
"""


async def test_ten_thousand_under_one_token(database: Database) -> None:
    log = StampedLog(database, StampPolicy())
    await log.write(1)
    async with database.owner() as owner:
        await owner.execute(_MANY)
        await stamps.requeue(owner, NOW - timedelta(days=1))
    await log.write(1)
    assert await log.stamper.round() == 0.0
    assert len(await log.waiting()) == 1
    await log.stamper.round()
    for number in random.sample(await stamped_numbers(database), 50):
        stamp = await stamps.stamp_of(database.pool, number)
        signature = await database.pool.fetchval("SELECT signature FROM message_record WHERE number = $1", number)
        assert stamp is not None
        if stamp.chain_result is not None and stamp.chain is not None:
            verify_batch_timestamp(stamp.token, stamp.chain_result, stamp.chain, signature, (PKI.approved_tsa,))
    assert await database.pool.fetchval("SELECT count(*) FROM time_stamp") == 2
