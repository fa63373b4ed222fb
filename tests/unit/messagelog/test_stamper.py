from __future__ import annotations

import asyncio
import logging
from datetime import timedelta

import asyncpg
import pytest

from gateway.core.errors import EvidenceUnavailable, MalformedMessage
from gateway.core.signing.timestamp import verify_batch_timestamp, verify_timestamp
from gateway.core.signing.xades import parse_signature
from gateway.messagelog import frames, stamps
from gateway.messagelog.stamper import StampPolicy
from gateway.storage.database import Database
from tests.support.log_states import NOW, authentic_response, signed_request
from tests.support.stamping import PKI, StampedLog

TSAS = (PKI.approved_tsa,)


async def check(log: StampedLog) -> int:
    """Every record's stamp verifies over its own signature. How many records there are."""
    rows = await log.database.pool.fetch(f"SELECT number, {frames.COLUMNS} FROM message_record AS r ORDER BY number")  # noqa: S608
    for row in rows:
        number, signature = row["number"], frames.signature_of(row)
        stamp = await stamps.stamp_of(log.database.pool, number)
        assert stamp is not None, number
        if stamp.chain_result is None or stamp.chain is None:
            assert (stamp.chain_result, stamp.chain) == (None, None)
            verify_timestamp(stamp.token, parse_signature(signature).value, TSAS)
        else:
            verify_batch_timestamp(stamp.token, stamp.chain_result, stamp.chain, signature, TSAS)
    assert await log.waiting() == []
    return len(rows)


async def test_one_record_is_stamped_alone(database: Database) -> None:
    log = StampedLog(database)
    (number,) = await log.write(1)
    assert await log.stamper.round() == 60.0
    stamp = await stamps.stamp_of(database.pool, number)
    assert stamp is not None and stamp.chain is None
    assert await check(log) == 1
    assert (log.stamper.stats().stamped, log.stamper.stats().tokens) == (1, 1)


async def test_several_are_stamped_together(database: Database) -> None:
    log = StampedLog(database)
    await log.write(5)
    await log.stamper.round()
    assert len(log.tsa.asked) == 1
    assert await check(log) == 5
    assert await database.pool.fetchval("SELECT count(*) FROM time_stamp") == 1


async def test_nothing_waits_nothing_is_asked(database: Database) -> None:
    log = StampedLog(database)
    assert await log.stamper.round() == 60.0
    assert log.tsa.asked == []
    assert log.stamper.stats().last_success == NOW


async def test_more_than_fits_goes_on_at_once(database: Database) -> None:
    log = StampedLog(database, StampPolicy(batch=4))
    for count in (3, 1, 2, 4):  # what one commit wrote is not taken apart
        await log.write(count)
    assert [await log.stamper.round() for _ in range(3)] == [0.0, 0.0, 60.0]
    await log.write(6)
    await log.stamper.round()
    sizes = await database.pool.fetchval("SELECT array_agg(length(leaves) / 64 ORDER BY number) FROM time_stamp")
    assert sizes == [4, 2, 4, 6]
    assert await check(log) == 16


async def test_an_outage_leaves_nothing_unstamped(database: Database, caplog: pytest.LogCaptureFixture) -> None:
    log = StampedLog(database)
    await log.write(2)
    log.tsa.down = True
    with caplog.at_level(logging.WARNING):
        assert [await log.stamper.round() for _ in range(8)] == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0]
    assert [r.getMessage() for r in caplog.records] == [
        "records are not time-stamped: No time-stamp: TSA: it cannot be reached"
    ]
    stats = log.stamper.stats()
    assert (stats.waiting, stats.stamped, stats.failures, stats.failing_since) == (2, 0, 8, NOW)
    await log.write(1)
    log.tsa.down = False
    await log.stamper.round()
    assert await check(log) == 3
    assert (log.stamper.stats().failing_since, log.stamper.stats().problem) == (None, "")


@pytest.mark.parametrize("policy", ["degrade", "alert", "stop"])
async def test_what_an_outage_means(database: Database, policy: str) -> None:
    log = StampedLog(database, StampPolicy(unavailable=policy, after=timedelta(hours=4)))  # type: ignore[arg-type]
    await log.write(1)
    log.tsa.down = True
    # The queue is stamped with the database's time, so ours is moved from there.
    log.now = await database.pool.fetchval("SELECT clock_timestamp()") + timedelta(hours=3)
    await log.stamper.round()
    log.stamper.check()
    assert not log.stamper.overdue()
    log.now += timedelta(hours=2)
    assert log.stamper.overdue()
    if policy == "stop":
        with pytest.raises(EvidenceUnavailable) as e:
            log.stamper.check()
        assert e.value.code == "logging_failed.timestamping_failed"
    else:
        log.stamper.check()
    log.tsa.down = False
    await log.stamper.round()
    log.stamper.check()


async def test_stop_refuses_requests_and_finishes_exchanges(database: Database) -> None:
    log = StampedLog(database, StampPolicy(after=timedelta(hours=4)))
    log.tsa.down = True
    async with log.running() as writer:
        logged = await writer.append_request(signed_request())
        while log.stamper.stats().failing_since is None:
            await log.stamper.round()
        log.now = await database.pool.fetchval("SELECT clock_timestamp()") + timedelta(hours=5)
        with pytest.raises(EvidenceUnavailable, match="timestamping_failed"):
            await writer.append_request(signed_request())
        await writer.append_response(authentic_response(logged))
    assert len(await log.waiting()) == 2


async def test_a_server_that_is_cut_off_in_its_turn_keeps_it_not_for_ever(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database does not learn of it and holds the turn for a server that will not answer any more."""
    monkeypatch.setattr(stamps, "_CUT_OFF", "SET LOCAL idle_in_transaction_session_timeout = 100")
    log = StampedLog(database)
    await log.write(2)
    log.tsa.gate.clear()
    cut_off = asyncio.get_running_loop().create_task(log.stamper.round())
    while not log.tsa.asked:
        await asyncio.sleep(0.01)
    async with asyncio.timeout(10), stamps.turn(database.pool, patient=True) as connection:
        assert connection is not None
        assert (await stamps.unstamped(connection, 10)).records
    log.tsa.gate.set()
    await cut_off
    assert log.stamper.stats().failures == 1
    await log.stamper.round()
    assert await check(log) == 2


async def test_two_servers_take_turns(database: Database) -> None:
    log = StampedLog(database)
    other = log.another()
    await log.write(4)
    log.tsa.gate.clear()
    first = asyncio.create_task(log.stamper.round())  # noqa: TID251 - the test is its owner
    while not log.tsa.asked:
        await asyncio.sleep(0)
    assert await other.round() == 60.0
    log.tsa.gate.set()
    await first
    assert len(log.tsa.asked) == 1
    assert await check(log) == 4


async def test_immediate_mode_waits_for_the_stamp(database: Database) -> None:
    log = StampedLog(database, StampPolicy(immediate=True))
    async with log.running():
        numbers = await log.write(3)
        await asyncio.gather(*(log.stamper.recorded(n) for n in numbers))
        assert await log.waiting() == []
    assert await check(log) == 3


@pytest.mark.parametrize(("policy", "goes_on"), [("stop", False), ("alert", True), ("degrade", True)])
async def test_immediate_mode_without_an_authority(database: Database, policy: str, goes_on: bool) -> None:
    log = StampedLog(database, StampPolicy(immediate=True, unavailable=policy))  # type: ignore[arg-type]
    log.tsa.down = True
    async with log.running():
        (number,) = await log.write(1)
        if goes_on:
            await log.stamper.recorded(number)
        else:
            with pytest.raises(EvidenceUnavailable, match="timestamping_failed"):
                await log.stamper.recorded(number)
    assert await log.waiting() == [number]


async def test_a_stamp_wanted_now(database: Database) -> None:
    """`force` of an export: batch mode, long before the next round."""
    log = StampedLog(database, StampPolicy(interval=timedelta(days=1)))
    async with log.running():
        while log.stamper.stats().last_success is None:
            await asyncio.sleep(0.01)
        (number,) = await log.write(1)
        await log.stamper.stamped(number)
        await log.stamper.stamped(number)  # is stamped already
    assert await check(log) == 1


async def test_a_record_that_is_not_there_is_not_stamped(database: Database) -> None:
    log = StampedLog(database, StampPolicy(patience=0.3))
    async with log.running():
        with pytest.raises(EvidenceUnavailable):
            await log.stamper.stamped(999)


async def test_a_record_that_retention_removed(database: Database) -> None:
    log = StampedLog(database)
    for count in (1, 3):  # alone, and among others
        first, *_ = await log.write(count)
        async with database.owner() as owner:
            await owner.execute("DELETE FROM message_record WHERE number = $1", first)
        await log.stamper.round()
        assert await log.waiting() == []
    assert len(log.tsa.asked) == 1
    assert await check(log) == 2


async def test_an_emptied_queue_is_filled_again(database: Database) -> None:
    log = StampedLog(database)
    numbers = await log.write(3)
    await log.stamper.round()
    await log.write(2)
    await database.pool.execute("DELETE FROM unstamped_commit")
    async with database.owner() as owner:
        await owner.execute("UPDATE message_record SET written = written - interval '5 minutes'")
        assert await stamps.requeue(owner, NOW - timedelta(days=1)) == 2
        assert await stamps.requeue(owner, NOW - timedelta(days=1)) == 0
        assert await log.waiting() == [numbers[-1] + 1, numbers[-1] + 2]
    await log.stamper.round()
    assert await check(log) == 5


async def test_a_queue_with_records_twice_and_out_of_order(database: Database) -> None:
    """As after two servers filled it again at once, and servers whose commits overlapped."""
    log = StampedLog(database)
    first, *_ = await log.write(3)
    await log.stamper.round()
    await log.write(3)
    copy = "INSERT INTO unstamped_commit (records, times, uids, digests) SELECT records, times, uids, digests FROM {}"
    await database.pool.execute(copy.format("unstamped_commit"))
    backwards = (
        "(SELECT array_agg(number ORDER BY number DESC) AS records, array_agg(time ORDER BY number DESC) AS times, "
        "array_agg(uid ORDER BY number DESC) AS uids, string_agg(sha512(signature), '' ORDER BY number DESC) AS digests "
        "FROM message_record) AS r"
    )
    await database.pool.execute(copy.format(backwards))
    await log.stamper.round()
    assert await check(log) == 6
    runs = await database.pool.fetch("SELECT first, last, position FROM stamped_run ORDER BY first")
    assert list(map(tuple, runs)) == [(first, first + 2, 0), (first + 3, first + 5, 0)]
    await database.pool.execute(copy.format(backwards))
    await log.stamper.round()  # nothing of that has no stamp
    assert (len(log.tsa.asked), await check(log)) == (2, 6)


async def test_a_lone_record_among_stamped_ones(database: Database) -> None:
    log = StampedLog(database)
    await log.write(2)
    async with database.owner() as owner:
        await owner.execute("CREATE TABLE kept AS TABLE unstamped_commit")
        await log.stamper.round()
        await log.write(1)
        await owner.execute("INSERT INTO unstamped_commit TABLE kept")
    await log.stamper.round()
    assert await check(log) == 3
    assert await database.pool.fetchval("SELECT count(*) FROM time_stamp WHERE leaves IS NULL") == 1


async def test_a_gap_in_the_numbers_begins_a_run(database: Database) -> None:
    log = StampedLog(database)
    first, *_ = await log.write(2)
    await database.pool.fetchval("SELECT nextval('message_record_number')")
    await log.write(2)
    await log.stamper.round()
    assert await check(log) == 4
    runs = await database.pool.fetch("SELECT first, last, position FROM stamped_run ORDER BY first")
    assert list(map(tuple, runs)) == [(first, first + 1, 0), (first + 3, first + 4, 2)]
    assert await stamps.stamped_among(database.pool, range(first - 1, first + 7)) == {
        first,
        first + 1,
        first + 3,
        first + 4,
    }
    assert await stamps.stamp_of(database.pool, first + 2) is None


async def test_a_token_stays_until_its_last_record_goes(database: Database) -> None:
    log = StampedLog(database)
    numbers = await log.write(3)
    await log.stamper.round()
    async with database.owner() as owner:
        for count, left in ((2, 1), (1, 0)):
            await stamps.forget(owner, numbers[:count])
            del numbers[:count]
            for table in ("time_stamp", "stamped_run"):
                assert await database.pool.fetchval(f"SELECT count(*) FROM {table}") == left  # noqa: S608


@pytest.mark.parametrize("statement", ["UPDATE {} SET {} = NULL", "DELETE FROM {}", "TRUNCATE {}"])
@pytest.mark.parametrize(("table", "column"), [("time_stamp", "token"), ("stamped_run", "position")])
async def test_the_writer_only_adds(database: Database, table: str, column: str, statement: str) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await database.pool.execute(statement.format(table, column))


@pytest.mark.parametrize(
    "damage", ["UPDATE stamped_run SET position = 2", "UPDATE time_stamp SET leaves = substr(leaves, 2)"]
)
async def test_a_damaged_stamp_says_so(database: Database, damage: str) -> None:
    log = StampedLog(database)
    number, _ = await log.write(2)
    await log.stamper.round()
    async with database.owner() as owner:
        await owner.execute(damage)
    with pytest.raises(MalformedMessage):
        await stamps.stamp_of(database.pool, number)
