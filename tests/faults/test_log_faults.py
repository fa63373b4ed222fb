"""The transparency log, killed: at each of its steps, each write lost and kept, at random under load, and its database.

After every restart: fsck is clean, every confirmed entry stands in the log once, and every checkpoint that anybody ever saw is a
beginning of the log. `GATEWAY_LOG_KILLS` says how often it is killed at random (20 unless set).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import shutil
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, get_args

import aiohttp
import pytest
import pytest_asyncio

from gateway.core.errors import EvidenceUnavailable, GatewayError, MalformedMessage
from gateway.core.merkle.checkpoint import parse_checkpoint
from gateway.core.merkle.note import parse_note
from gateway.core.merkle.text import print_base64
from gateway.storage.database import Database, EmbeddedDatabase, open_database, open_pool
from gateway.storage.embedded import EmbeddedPostgres
from gateway.storage.failures import DATABASE_ERRORS
from gateway.transparency.files import LogFiles
from gateway.transparency.ports import Step
from gateway.transparency.rows import Submitted
from tests.support.killing import kill_database
from tests.support.logkeys import AUDITOR, WITNESS
from tests.support.logworld import LogWorld, RunningWitness, leaves, policy_of, witness_at
from tests.support.pg_proxy import Cut, cutting_proxy

pytestmark = pytest.mark.slow
STEPS: tuple[Step, ...] = get_args(Step)


class Crash(BaseException):
    """As if the process had ended here: nothing in the log's code catches it."""


@pytest_asyncio.fixture
async def world(database: Database, tmp_path: Path) -> AsyncIterator[LogWorld]:
    made = LogWorld(database.pool, tmp_path / "log")
    yield made
    await made.close()


async def check(world: LogWorld, count: int) -> None:
    """All `count` entries stand in the published log, each once, in order of submission."""
    report = await world.fsck()
    assert report.problems == []
    assert (report.size, report.published, report.waiting) == (count, count, 0)
    found = await world.pool.fetch("SELECT sequence FROM log_place JOIN log_entry USING (record) ORDER BY index")
    assert [row["sequence"] for row in found] == list(range(count))


async def crashed(world: LogWorld, **given: Any) -> list[str]:
    """One batch and its publication until something ends it; what ended it."""
    sequencer = world.sequencer(given.get("on_step", lambda _: None), given.get("files"))
    try:
        await sequencer.lead()
        committed = await sequencer.step()
        if committed is not None:
            publisher = world.publisher(sequencer, given.get("on_step", lambda _: None), given.get("files"))
            await publisher.publish(committed)
    except (Crash, GatewayError, *DATABASE_ERRORS) as e:
        return [type(e).__name__]
    finally:
        sequencer.hang_up()
    return []


@pytest.mark.parametrize("step", STEPS)
async def test_a_crash_after_each_step(world: LogWorld, step: Step) -> None:
    def on_step(done: Step) -> None:
        if done == step:
            raise Crash

    await world.grow(300)
    before = world.published()
    await world.submit(400, 300)
    assert await crashed(world, on_step=on_step) == ["Crash"]
    assert (await world.fsck()).problems == []
    assert step == "published" or world.published() == before
    await world.grow(10, 700)
    await check(world, 710)


class FailingFiles(LogFiles):
    """The `fail`-th write is lost (`kept` False) or done and not reported."""

    def __init__(self, folder: Path, fail: int, *, kept: bool) -> None:
        super().__init__(folder)
        self.left, self._kept = fail, kept

    def write_tiles(self, files: Any) -> None:
        for file in files:  # each file a write of its own
            self._write(partial(super().write_tiles, [file]))

    def replace_checkpoint(self, note: bytes) -> None:
        self._write(lambda: super(FailingFiles, self).replace_checkpoint(note))

    def _write(self, write: Callable[[], None]) -> None:
        self.left -= 1
        if self.left != 0:
            write()
            return
        if self._kept:
            write()
        raise EvidenceUnavailable("the disk")


@pytest.mark.parametrize("kept", [False, True])
async def test_each_file_lost_and_kept(world: LogWorld, kept: bool) -> None:
    count, fail = 0, 1
    while True:
        await world.submit(300, count)
        count += 300
        files = FailingFiles(world.folder, fail, kept=kept)
        ended = await crashed(world, files=files)
        assert (await world.fsck()).problems == []
        await world.grow(0)
        await check(world, count)
        if not ended:
            assert fail > 6
            return
        fail += 1


@pytest.mark.parametrize("how", ["lost", "kept"])
async def test_each_message_to_the_database_lost_and_kept(
    pg: EmbeddedPostgres, world: LogWorld, tmp_path: Path, how: Cut
) -> None:
    name = await world.pool.fetchval("SELECT current_database()")
    count, after = 0, 0
    async with cutting_proxy(pg.dsn_kwargs(name), tmp_path) as (proxy, target):
        while True:
            await world.submit(10, count)
            count += 10
            through = LogWorld(await open_pool(target), world.folder)
            proxy.cut(how, after)
            ended = await crashed(through)
            proxy.forget()
            await through.close()
            through.pool.terminate()
            await world.grow(0)
            await check(world, count)
            if not ended:
                assert after > 20
                return
            after += 1


# --- kill -9 -------------------------------------------------------------------------------------------------------


@dataclass
class Killable:
    """The log as a process, its load, and everything that anybody saw of it."""

    world: LogWorld
    target: dict[str, Any]
    directory: Path
    witnesses: list[tuple[str, str]] = field(default_factory=list)
    confirmed: set[int] = field(default_factory=set)
    seen: dict[bytes, int] = field(default_factory=dict)
    process: asyncio.subprocess.Process | None = None
    next: int = 0

    async def start(self, **options: object) -> None:
        given = {
            "target": {k: str(v) if isinstance(v, Path) else v for k, v in self.target.items()},
            "folder": str(self.world.folder),
            "socket": self.socket,
            "batch": 100,
            "witnesses": self.witnesses,
            **options,
        }
        await asyncio.to_thread(Path(self.socket).unlink, missing_ok=True)
        self.process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.support.logprocess", json.dumps(given),
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        assert self.process.stdout is not None
        async with asyncio.timeout(60):
            assert (await self.process.stdout.readline()).startswith(b"READY")

    @property
    def socket(self) -> str:
        return str(self.directory / "s")

    async def kill(self) -> None:
        if self.process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        await self.process.wait()

    async def load(self, stop: asyncio.Event) -> None:
        """Submits 20 at a time, the same again until they are confirmed."""
        while not stop.is_set():
            first, self.next = self.next, self.next + 20
            batch = leaves(20, first)
            while not await self.submit(batch):
                await asyncio.sleep(0.05)
            self.confirmed |= set(range(first, first + 20))

    async def submit(self, batch: list[Submitted]) -> bool:
        document = {
            "source": batch[0].source,
            "leaves": [
                {"record": str(b.record), "sequence": b.sequence, "entry": print_base64(b.entry)} for b in batch
            ],
        }
        try:
            async with (
                aiohttp.ClientSession(connector=aiohttp.UnixConnector(self.socket)) as session,
                session.post("http://log/2026/leaves", json=document) as response,
            ):
                return response.status == 200
        except (aiohttp.ClientError, OSError):
            return False

    async def watch(self, stop: asyncio.Event) -> None:
        """Every checkpoint that was ever public."""
        while not stop.is_set():
            self.look()
            await asyncio.sleep(0.005)

    def look(self) -> None:
        data = self.world.files.checkpoint()
        if data is not None:
            self.saw(parse_note(data).text)

    def saw(self, text: bytes) -> None:
        self.seen.setdefault(text, len(self.seen))

    async def goes_on(self, *, published: bool) -> None:
        """Until more was confirmed, and when asked for until more was published."""
        confirmed, seen = len(self.confirmed), len(self.seen)
        async with asyncio.timeout(60):
            while len(self.confirmed) < confirmed + 40 or (published and len(self.seen) == seen):
                await asyncio.sleep(0.01)

    async def settled(self) -> None:
        """Until everything confirmed is published; a minute without anything new is too long."""
        published = 0
        while published < len(self.confirmed):
            async with asyncio.timeout(60):
                while (size := self._published()) <= published:
                    await asyncio.sleep(0.05)
            published = size

    def _published(self) -> int:
        with contextlib.suppress(MalformedMessage):
            data = self.world.files.checkpoint()
            return 0 if data is None else parse_checkpoint(parse_note(data).text).size
        return 0

    async def check(self) -> None:
        await check_shuffled(self.world, self.confirmed)
        sequencer = self.world.sequencer()
        size = parse_checkpoint(self.world.published().text).size
        for text in self.seen:
            seen = parse_checkpoint(text)
            assert seen.size <= size
            assert sequencer.root_at(seen.size, size) == seen.root  # one history


@asynccontextmanager
async def killable(world: LogWorld, target: dict[str, Any], directory: Path) -> AsyncIterator[Killable]:
    """Its process, whatever becomes of the test, does not outlive it."""
    log = Killable(world, target, directory)
    try:
        yield log
    finally:
        await log.kill()


async def check_shuffled(world: LogWorld, confirmed: set[int]) -> None:
    report = await world.fsck()
    assert report.problems == []
    assert report.waiting == 0
    assert report.published == report.size
    found = await world.pool.fetch("SELECT sequence FROM log_place JOIN log_entry USING (record)")
    assert confirmed <= {row["sequence"] for row in found}
    assert len({row["sequence"] for row in found}) == len(found) == report.size


@pytest.mark.parametrize("step", STEPS)
async def test_kill_9_after_each_step(database: Database, pg: EmbeddedPostgres, world: LogWorld, step: Step) -> None:
    name = await world.pool.fetchval("SELECT current_database()")
    directory = Path(tempfile.mkdtemp(prefix="gateway-test-"))
    try:
        async with killable(world, pg.dsn_kwargs(name), directory) as log:
            await world.submit(250)
            log.confirmed = set(range(250))
            await log.start(kill_at=step, after=1 if step in ("witnessed", "published") else 2)
            assert log.process is not None
            assert await asyncio.wait_for(log.process.wait(), 30) == -signal.SIGKILL
            assert (await world.fsck()).problems == []
            log.look()
            await log.start()
            await log.settled()
            await log.kill()
            await log.check()
    finally:
        shutil.rmtree(directory, ignore_errors=True)


async def test_kill_9_at_random_under_load() -> None:
    """The log and its database, one as often as the other; fsync on, two witnesses, four submitters."""
    kills, dice = int(os.environ.get("GATEWAY_LOG_KILLS", "20")), random.Random(2026)
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    directory = Path(tempfile.mkdtemp(prefix="gateway-test-", dir=memory))
    database = await open_database(EmbeddedDatabase(directory / "pg", "log"))
    try:
        async with two_witnesses(directory) as running:
            world = LogWorld(database.pool, directory / "log")
            world.policy = policy_of(*((key, w.url) for key, w in zip((WITNESS, AUDITOR), running, strict=True)))
            assert database.server is not None
            async with killable(world, database.server.dsn_kwargs("log"), directory) as log:
                log.witnesses = [(str(w.key), w.url or "") for w in world.policy.witnesses]
                await log.start()
                await _under_load(log, database.server, kills, dice)
                await log.settled()
                await log.kill()
                assert [_forks(witness) for witness in running] == [[], []]
                await log.check()
                assert len(log.confirmed) > 40 * kills
                assert len(log.seen) > kills // 2
    finally:
        await database.close()
        shutil.rmtree(directory, ignore_errors=True)


async def _under_load(log: Killable, server: EmbeddedPostgres, kills: int, dice: random.Random) -> None:
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(log.watch(stop))
        for _ in range(4):
            tasks.create_task(log.load(stop))
        for _ in range(kills):
            await log.goes_on(published=dice.random() < 0.7)
            await asyncio.sleep(dice.random() * 0.3)
            if dice.random() < 0.5:
                await log.kill()
                await log.start()
            else:
                await kill_database(server)
        stop.set()


def _forks(witness: RunningWitness) -> list[tuple[str, str]]:
    return [refusal for refusal in witness.refusals if refusal[1] != "StaleOldSize"]


@asynccontextmanager
async def two_witnesses(directory: Path) -> AsyncIterator[list[RunningWitness]]:
    def clock() -> datetime:
        return datetime.now(UTC)

    async with (
        witness_at(directory / "w1", (WITNESS,), clock) as one,
        witness_at(directory / "w2", (AUDITOR,), clock) as two,
    ):
        yield [one, two]
