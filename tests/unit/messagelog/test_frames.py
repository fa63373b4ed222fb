"""A frame is written once a day, before what names it, and goes after it; who reads gets every byte, or is told why not."""

from __future__ import annotations

import asyncio
import hashlib
import io
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
import pytest_asyncio

from gateway.core.errors import EvidenceUnavailable
from gateway.core.messagelog.frames import take_apart
from gateway.core.messagelog.record import MessageRecord, StoredRecord
from gateway.messagelog import batch, frames, stamps
from gateway.messagelog.archivefolder import ArchiveFolder
from gateway.messagelog.archiver import Archived, ArchivePolicy, Archiver
from gateway.messagelog.batch import Batch, write_batch
from gateway.messagelog.exporting import DAMAGED, ContainerExport
from gateway.messagelog.frames import KnownFrames
from gateway.messagelog.groupcommit import GroupCommit, LogLimits
from gateway.messagelog.reader import MessageLogReader
from gateway.messagelog.records import facts_of, record_of
from gateway.messagelog.stamper import StampPolicy
from gateway.messagelog.verification import verify_message
from gateway.storage.database import Database, ensure_roles
from gateway.storage.failures import DATABASE_ERRORS, Failure, failure
from gateway.storage.partitions import ensure_partition, partitions_ahead
from gateway.storage.schema import load_migrations, migrate
from tests.support.containers import ContainerWorld
from tests.support.log_states import CONF, NOW, SERVER, framed_signature, signed_request
from tests.support.stamping import StampedLog
from tests.support.stored import store_stamped

DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def world() -> ContainerWorld:
    return ContainerWorld()


def record(frame: bytes = b"one", *, time: datetime = NOW) -> MessageRecord:
    return replace(record_of(facts_of(signed_request(now=time)), uuid4(), None), signature=framed_signature(frame))


@asynccontextmanager
async def running(database: Database, now: datetime = NOW) -> AsyncIterator[GroupCommit]:
    log = GroupCommit(database.pool, lambda: now, str(SERVER), LogLimits())
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(log.run())
        yield log
        await log.drain()


async def written(database: Database, log: GroupCommit, *records: MessageRecord) -> list[str]:
    """How each is stored, and that it is read as it was."""
    for r in records:
        await log.append(r, CONF)
    how = []
    for r in records:
        found = await MessageLogReader(database.pool).record((r.time, r.uid))
        assert isinstance(found, StoredRecord)
        assert found.record == r
        whole = await database.pool.fetchval("SELECT signature FROM message_record WHERE uid = $1", r.uid)
        how.append("apart" if whole is None else "whole")
    return how


async def days(database: Database) -> list[date]:
    return [r["day"] for r in await database.pool.fetch("SELECT day FROM signature_frame ORDER BY day, digest")]


async def test_what_comes_again_is_written_once_a_day(database: Database) -> None:
    async with running(database, NOW + DAY / 2) as log:
        assert await written(database, log, record(), record(), record()) == ["whole", "apart", "apart"]
        assert await written(database, log, record(b"two"), record(b"three"), record(b"two")) == ["whole"] * 2 + [
            "apart"
        ]
        midnight = datetime(2026, 11, 25, tzinfo=UTC)
        before, after = record(time=midnight - timedelta(microseconds=1)), record(time=midnight)
        assert await written(database, log, before, after, record(time=midnight)) == ["apart"] * 3
    assert await days(database) == [date(2026, 11, 24)] * 2 + [date(2026, 11, 25)]
    async with running(database) as restarted:
        assert await written(database, restarted, record(), record()) == ["whole", "apart"]
    assert len(await days(database)) == 3


async def test_what_is_small_or_huge_or_late_or_no_signature_stays_whole(database: Database) -> None:
    odd = [b"<signature/>", framed_signature()[:500], framed_signature(b"x" * (33 << 10)), b"\xff\0" * 500]
    for signature in odd:
        async with running(database) as log:
            records = [replace(record(), signature=signature) for _ in range(2)]
            assert await written(database, log, *records) == ["whole"] * 2
    async with running(database, NOW + DAY + timedelta(seconds=1)) as log:
        assert await written(database, log, record(), record()) == ["whole"] * 2
    assert await days(database) == []


def test_of_very_many_frames_those_used_last_are_known() -> None:
    known, often = KnownFrames(), [record(b"often") for _ in range(2)]
    known.place(often, NOW)
    for n in range(1000):
        known.place([record(b"%d" % n * 5000)], NOW)
        assert known.place(often[:1], NOW).columns[0][0] is None
    assert known.place([record(b"0" * 5000)], NOW).columns[0][0] is not None
    assert sum(map(len, known._known)) == known._bytes <= 8 << 20
    of_one_length = [record(frame) for frame in (b"a", b"b", b"a", b"b", b"b", b"c", b"c", b"a")]
    whole = [columns[0] is not None for columns in known.place(of_one_length, NOW).columns]
    assert whole == [True, True, False, False, False, True, False, False]


def test_a_frame_that_was_forgotten_and_came_again_is_written_once() -> None:
    known, tomorrow = KnownFrames(), NOW + DAY
    known.durable(known.place([record(), record()], NOW).new)
    for n in range(1000, 2700):
        known.place([record(b"%d" % n * 1250)], NOW)
    assert known.place([record()], NOW).columns[0][0] is not None
    new = known.place([record(time=tomorrow)], tomorrow).new
    assert list(new) == [(tomorrow.date(), known.place([record()], NOW).columns[0][2])]
    known.durable(new)
    assert known.place([record(time=tomorrow)], tomorrow).new == {}


async def test_what_another_writes_at_the_same_moment(database: Database) -> None:
    """We wait for it; it comes to nothing, and then the frame is ours."""
    first, second = record(), record()
    apart = take_apart(first.signature)
    assert apart is not None
    async with running(database) as log, database.owner() as owner:
        await log.append(first, CONF)
        transaction = owner.transaction()
        await transaction.start()
        key = NOW.date(), hashlib.sha256(apart.frame).digest()
        await owner.execute(frames.KEEP_FRAME, *key, apart.frame)
        appending = asyncio.get_running_loop().create_task(log.append(second, CONF))
        waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
        async with asyncio.timeout(10):
            while not await database.pool.fetchval(waiting):
                await asyncio.sleep(0.01)
        await transaction.rollback()
        await appending
    async with running(database) as one, running(database) as two:
        await asyncio.gather(*(log.append(record(), CONF) for _ in range(20) for log in (one, two)))
    assert len(await days(database)) == 1
    rows = await database.pool.fetch(f"SELECT {frames.COLUMNS} FROM message_record AS r")  # noqa: S608
    assert {len(frames.signature_of(row)) for row in rows} == {len(first.signature)}


async def test_a_writer_that_is_cut_off_in_its_transaction_holds_up_nobody_for_long(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database does not learn that its network went, or that its machine stands still, and keeps its frame for it."""
    first, second, keep = record(), record(), frames.keep
    monkeypatch.setattr(batch, "_CUT_OFF", "SET LOCAL idle_in_transaction_session_timeout = 100")
    known, holds, again = KnownFrames(), asyncio.Event(), asyncio.Event()
    known.place([first], NOW)

    async def cut_off(connection: asyncpg.Connection, new: Mapping[frames.FrameKey, bytes]) -> None:
        await keep(connection, new)
        holds.set()
        await again.wait()

    async with running(database) as log, database.pool.acquire() as connection:
        await log.append(second, CONF)
        with monkeypatch.context() as patch:
            patch.setattr(frames, "keep", cut_off)
            other = Batch([first], [], str(SERVER), (), known.place([first], NOW))
            writing = asyncio.get_running_loop().create_task(write_batch(connection, other, {}))
            await holds.wait()
        async with asyncio.timeout(5):
            assert await written(database, log, record()) == ["apart"]
        again.set()
        with pytest.raises(DATABASE_ERRORS) as lost:
            await writing
        assert failure(lost.value) is Failure.LOST
    assert await database.pool.fetchval("SELECT count(*) FROM message_record") == 2


async def test_a_database_that_went_back_in_time(database: Database) -> None:
    """After a failover the frame that was durable is gone: with the connection we forget that it was."""
    async with running(database) as log:
        await written(database, log, record(), record())
        async with database.owner() as owner:
            await owner.execute("DELETE FROM signature_frame")
            await owner.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        assert await written(database, log, record(), record()) == ["whole", "apart"]


# --- reading -------------------------------------------------------------------------------------------------------------


async def take_all_apart(database: Database) -> None:
    """What stands whole, as the writer would write it when its frame is known."""
    async with database.owner() as owner:
        for row in await owner.fetch("SELECT number, time, signature FROM message_record WHERE signature IS NOT NULL"):
            apart = take_apart(row["signature"])
            assert apart is not None
            digest = hashlib.sha256(apart.frame).digest()
            await owner.execute(frames.KEEP_FRAME, row["time"].date(), digest, apart.frame)
            await owner.execute(
                "UPDATE message_record SET signature = NULL, signature_values = $2, frame_digest = $3 WHERE number = $1",
                row["number"],
                apart.values,
                digest,
            )


async def exported(database: Database) -> list[bytes]:
    found = []
    for container in await ContainerExport(database.pool).find("message 1"):
        out = io.BytesIO()
        await container.write(out)
        found.append(out.getvalue())
    return found


async def archived(database: Database, world: ContainerWorld, folder: Path, **later: float) -> Archived:
    now = world.pki.now + timedelta(**later)
    return await Archiver(database, lambda: now, ArchiveFolder(folder), ArchivePolicy(keep=timedelta(0))).once()


async def test_exports_and_archives_are_the_same_bytes(
    database: Database, world: ContainerWorld, tmp_path: Path
) -> None:
    await store_stamped(database, world, [world.record(body=b"{}"), world.record("response", body=b"")], "batch")
    await store_stamped(database, world, [world.record()])
    containers = await exported(database)
    for folder in ("whole", "apart"):
        (tmp_path / folder).mkdir()
        assert (await archived(database, world, tmp_path / folder, hours=-1)).problems == ()
        async with database.owner() as owner:
            await owner.execute("TRUNCATE archived_record, archive RESTART IDENTITY CASCADE")
        await take_all_apart(database)
    assert await exported(database) == containers
    whole, apart = ([(p.name, p.read_bytes()) for p in sorted((tmp_path / f).iterdir())] for f in ("whole", "apart"))
    assert whole == apart != []


DAMAGES = {
    "DELETE FROM signature_frame": "the frame of its signature is not in the log",
    "UPDATE signature_frame SET frame = frame || ' '": "the frame of its signature was altered",
    "UPDATE message_record SET signature_values = 'x'": "do not belong together",
}


@pytest.mark.parametrize("kind", ["single", "batch"])
@pytest.mark.parametrize(("damage", "said"), DAMAGES.items(), ids=["missing", "altered", "values"])
async def test_a_damaged_frame_is_named(
    database: Database, world: ContainerWorld, tmp_path: Path, damage: str, said: str, kind: Any
) -> None:
    await store_stamped(database, world, [world.record()], kind)
    await take_all_apart(database)
    reader = MessageLogReader(database.pool)
    (good,) = await verify_message(reader, "message 1", world.conf())
    assert good.ok
    async with database.owner() as owner:
        await owner.execute("ALTER TABLE signature_frame DROP CONSTRAINT signature_frame_check")
        await owner.execute(damage)
    (report,) = await verify_message(reader, "message 1", world.conf())
    assert [step.number for step in report.steps if not step.ok] == [1, 4, 6]
    assert said in report.steps[0].what
    with pytest.raises(EvidenceUnavailable, match=DAMAGED):
        await exported(database)
    done = await archived(database, world, tmp_path, days=40)
    assert (done.archives, done.removed_records) == ((), 0)
    assert said in done.problems[0]


async def test_a_wrong_frame_cannot_be_written(database: Database) -> None:
    with pytest.raises(asyncpg.CheckViolationError):
        await database.pool.execute(frames.KEEP_FRAME, NOW.date(), bytes(32), b"frame")


# --- time-stamps, retention, records of before ---------------------------------------------------------------------------


async def test_time_stamps_are_about_the_whole_signature(database: Database, caplog: pytest.LogCaptureFixture) -> None:
    log, known, records = (
        StampedLog(database, StampPolicy()),
        KnownFrames(),
        [record(b"%d" % (n // 4)) for n in range(8)],
    )
    async with database.pool.acquire() as connection:
        await write_batch(connection, Batch(records, [], str(SERVER), (), known.place(records, NOW)), {})
    queue = "SELECT string_agg(digests, ''::bytea ORDER BY number) FROM unstamped_commit"
    digests = b"".join(hashlib.sha512(r.signature).digest() for r in records)
    assert await database.pool.fetchval(queue) == digests
    await database.pool.execute("DELETE FROM unstamped_commit")
    async with database.owner() as owner:
        await owner.execute("UPDATE message_record SET written = written - interval '5 minutes'")
        await owner.execute(
            "DELETE FROM signature_frame WHERE digest = (SELECT frame_digest FROM message_record ORDER BY number DESC LIMIT 1)"
        )
        assert await stamps.requeue(owner, NOW - DAY) == 5  # the first of the second frame stands whole
    assert await database.pool.fetchval(queue) == digests[: 5 * 64]
    assert caplog.text.count("cannot be time-stamped: the frame of its signature is not in the log") == 3
    assert await log.stamper.round() == 60.0


async def test_frames_go_a_week_after_the_last_record_of_their_day(
    database: Database, world: ContainerWorld, tmp_path: Path
) -> None:
    await store_stamped(database, world, [world.record(), world.record("response")])
    await take_all_apart(database)
    today = world.pki.now.date()
    await database.pool.execute(frames.KEEP_FRAME, today - 20 * DAY, hashlib.sha256(b"").digest(), b"")  # of a replay
    assert (await archived(database, world, tmp_path)).removed_records == 0
    assert await days(database) == [today] * 2
    assert (await archived(database, world, tmp_path, days=7)).removed_records == 2
    assert await days(database) == [today] * 2
    async with running(database, world.pki.now) as log:
        await log.append(record(time=world.pki.now), CONF)  # not stamped, so it stays
    await archived(database, world, tmp_path, days=8)
    assert await days(database) == [today] * 2
    async with database.owner() as owner:
        await owner.execute("DELETE FROM message_record")
    await archived(database, world, tmp_path, days=8)
    assert await days(database) == [today] * 2, "nobody else says that a week has passed"
    await database.pool.execute(frames.KEEP_FRAME, today + 8 * DAY, hashlib.sha256(b"").digest(), b"")
    await archived(database, world, tmp_path, days=8)
    assert await days(database) == [today + 8 * DAY]


async def test_an_archiver_whose_clock_is_wrong_takes_no_frame_that_is_in_use(
    database: Database, world: ContainerWorld, tmp_path: Path
) -> None:
    now = world.pki.now
    async with running(database, now) as log:
        assert await written(database, log, record(time=now), record(time=now)) == ["whole", "apart"]
        async with database.owner() as owner:
            await owner.execute("DELETE FROM message_record")  # archived, all of this day
        await archived(database, world, tmp_path, days=365)
        assert await written(database, log, record(time=now)) == ["apart"]


@pytest_asyncio.fixture
async def old(source_parameters: dict[str, Any]) -> AsyncIterator[asyncpg.Connection]:
    """The owner's connection to a database of the version before."""
    connection = await asyncpg.connect(**source_parameters)
    try:
        await ensure_roles(connection)
        await migrate(connection, load_migrations()[:22])
        yield connection
    finally:
        await connection.close()


_INSERT = """INSERT INTO message_record (uid, time, side, kind, message_id, request_id, client, service, part, signature,
    has_body, conf_fingerprint) VALUES (gen_random_uuid(), $1, 'client', 'request', 'm', 'r', 'c', 's', '', $2, false, 'f')"""


async def test_records_of_before_and_programs_of_before(old: asyncpg.Connection) -> None:
    first, second = partitions_ahead("message_record", "day", NOW)[:2]
    await ensure_partition(old, "message_record", first)
    await old.execute(_INSERT, NOW, b"whole")
    await migrate(old)
    await ensure_partition(old, "message_record", second)
    for time in (NOW, NOW + DAY, NOW + 9 * DAY):
        await old.execute(_INSERT, time, b"whole")  # a server that was not upgraded yet
        with pytest.raises(asyncpg.CheckViolationError):
            await old.execute(_INSERT, time, None)
    rows = await old.fetch(f"SELECT {frames.COLUMNS} FROM message_record AS r")  # noqa: S608
    assert list(map(frames.signature_of, rows)) == [b"whole"] * 4
