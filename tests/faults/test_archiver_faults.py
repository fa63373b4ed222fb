"""Every write of the archiver failed and lost, failed but kept, at every place where it happens; then it starts anew.

Afterwards: no record is lost (each is in the database or in a durable archive, and those without a time-stamp in the database), the
chain is whole, every container in it is evidence, each record is in it once.
"""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import sys
import textwrap
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import IO, Any

import asyncpg
import pytest

from gateway.core.errors import EvidenceUnavailable
from gateway.messagelog.archivecipher import ArchiveRecipients
from gateway.messagelog.archivefolder import ArchiveFolder
from gateway.messagelog.archiver import ArchivePolicy, Archiver
from gateway.messagelog.archivetables import ArchiveTables
from gateway.storage.database import Database
from tests.support.age import opened, recipient
from tests.support.containers import ContainerWorld
from tests.support.stored import store, store_stamped
from tests.unit.messagelog.test_archiver import contained, numbers, verify

pytestmark = pytest.mark.slow

AUDITOR = recipient()
FOLDER = ("create", "sync", "publish")
TABLES = ("plan", "name", "finish", "remove_records")


@pytest.fixture(scope="module")
def world() -> ContainerWorld:
    return ContainerWorld()


class Fault:
    """The `at`-th call of method `name` fails, before or after it did its work; every other call works."""

    def __init__(self, name: str, at: int, kept: bool, error: Exception) -> None:
        self.name, self.at, self.kept, self.error = name, at, kept, error
        self.calls = 0

    def wrap(self, owner: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        whole: Callable[..., Any] = getattr(owner, self.name)

        async def failing(*args: Any) -> Any:
            self.calls += 1
            if self.calls != self.at:
                return await whole(*args)
            if self.kept:
                result = await whole(*args)
                if hasattr(result, "close"):
                    result.close()
            raise self.error

        monkeypatch.setattr(owner, self.name, failing)


def new_archiver(
    database: Database, world: ContainerWorld, folder: Path, later: timedelta = timedelta(), *, sealed: bool = False
) -> Archiver:
    def clock() -> datetime:
        return world.pki.now + later

    to = ArchiveRecipients((AUDITOR.public,)) if sealed else None
    policy = ArchivePolicy(group_by="member", max_size=15_000, keep=timedelta(days=30), recipients=to)
    return Archiver(database, clock, ArchiveFolder(folder), policy)


async def prepare(database: Database, world: ContainerWorld) -> tuple[int, list[int]]:
    """(the record that waits for its time-stamp, the others): three archives."""
    (waiting,) = await store(database, [world.record()])
    stamped = await store_stamped(database, world, [world.record(body=b"{}") for _ in range(5)])
    return waiting, stamped


async def check(database: Database, world: ContainerWorld, folder: Path, waiting: int, stamped: list[int]) -> None:
    clear = opened(folder, AUDITOR)
    assert verify(world, clear) == []
    in_archives = contained(clear)
    assert len(in_archives) == len(set(in_archives)) == len(stamped)
    left = await numbers(database)
    assert waiting in left
    states = await database.pool.fetch("SELECT state, sum(records) AS n FROM archive GROUP BY state")
    counted = {row["state"]: row["n"] for row in states}
    assert counted.keys() <= {"durable", "removed"}
    assert len(left) - 1 + counted.get("removed", 0) == len(stamped)


async def interrupted(archiver: Archiver) -> None:
    """A round that may fail in any way."""
    try:
        await archiver.once()
    except (EvidenceUnavailable, asyncpg.PostgresError, ConnectionError):
        return


@pytest.mark.parametrize("kept", [False, True], ids=["lost", "kept"])
@pytest.mark.parametrize("at", [1, 2])
@pytest.mark.parametrize("name", [*FOLDER, *TABLES])
@pytest.mark.parametrize("sealed", [False, True], ids=["clear", "encrypted"])
async def test_each_write_failing_once(
    database: Database,
    world: ContainerWorld,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    sealed: bool,
    name: str,
    at: int,
    kept: bool,
) -> None:
    waiting, stamped = await prepare(database, world)
    error = EvidenceUnavailable("the disk is full") if name in FOLDER else ConnectionResetError("the database is gone")
    fault = Fault(name, at, kept, error)
    fault.wrap(ArchiveFolder if name in FOLDER else ArchiveTables, monkeypatch)
    for later in (timedelta(), timedelta(), timedelta(days=31), timedelta(days=31)):
        await interrupted(new_archiver(database, world, tmp_path, later, sealed=sealed))
    assert {Path(name).suffix for name in os.listdir(tmp_path)} == {".age" if sealed else ".zip"}
    assert fault.calls >= at or (name, at) == ("plan", 2)
    await check(database, world, tmp_path, waiting, stamped)
    assert await numbers(database) == [waiting]


@pytest.mark.parametrize("sealed", [False, True], ids=["clear", "encrypted"])
@pytest.mark.parametrize("fails_at", [0, 500, 9_000])
async def test_a_disk_that_is_full_after_so_many_bytes(
    database: Database,
    world: ContainerWorld,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    fails_at: int,
    sealed: bool,
) -> None:
    """Whatever was written of the file goes, and room made lets the next round succeed."""
    waiting, stamped = await prepare(database, world)
    whole = ArchiveFolder.create

    async def small(self: ArchiveFolder, name: str) -> IO[bytes]:
        return _Small(await whole(self, name), fails_at)  # type: ignore[return-value]

    monkeypatch.setattr(ArchiveFolder, "create", small)
    done = await new_archiver(database, world, tmp_path, timedelta(days=31), sealed=sealed).once()
    assert (done.archives, done.removed_records, len(done.problems)) == ((), 0, 1)
    assert os.listdir(tmp_path) == []
    assert await numbers(database) == [waiting, *stamped]
    monkeypatch.undo()
    assert (await new_archiver(database, world, tmp_path, timedelta(days=31), sealed=sealed).once()).problems == ()
    await check(database, world, tmp_path, waiting, stamped)


class _Small:
    def __init__(self, file: IO[bytes], room: int) -> None:
        self._file, self._room = file, room

    def write(self, data: bytes) -> int:
        if self._file.tell() + len(data) > self._room:
            raise OSError(errno.ENOSPC, "No space left on device")
        return self._file.write(data)

    def __enter__(self) -> _Small:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


@pytest.mark.parametrize("sealed", [False, True], ids=["clear", "encrypted"])
async def test_a_named_file_that_was_spoilt_meanwhile_is_written_again(
    database: Database, world: ContainerWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sealed: bool
) -> None:
    """We crashed before the name was durable, and the disk lost half of the file."""
    waiting, stamped = await prepare(database, world)
    fault = Fault("finish", 1, False, ConnectionResetError("crash"))
    fault.wrap(ArchiveTables, monkeypatch)
    await interrupted(new_archiver(database, world, tmp_path, sealed=sealed))
    (name,) = os.listdir(tmp_path)
    (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:1000])
    await new_archiver(database, world, tmp_path, sealed=sealed).once()
    await check(database, world, tmp_path, waiting, stamped)


_KILLED = textwrap.dedent("""
    import asyncio, os, signal, sys
    from datetime import datetime, timedelta
    from pathlib import Path
    from gateway.messagelog.archivecipher import ArchiveRecipients
    from gateway.messagelog.archivefolder import ArchiveFolder
    from gateway.messagelog.archiver import ArchivePolicy, Archiver
    from gateway.messagelog.archivetables import ArchiveTables
    from gateway.storage.database import Database, open_pool

    host, port, database, user, folder, now, method, after, public = sys.argv[1:]
    to = ArchiveRecipients((public,)) if public else None
    owner = ArchiveFolder if hasattr(ArchiveFolder, method) else ArchiveTables
    whole = getattr(owner, method)

    async def killed(*args):
        if after == "kept":
            await whole(*args)
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(owner, method, killed)

    async def main():
        target = {"host": host, "port": int(port), "database": database, "user": user}
        opened = Database(await open_pool(target), target)
        policy = ArchivePolicy(group_by="member", max_size=15_000, keep=timedelta(days=30), recipients=to)
        await Archiver(opened, lambda: datetime.fromisoformat(now), ArchiveFolder(Path(folder)), policy).once()

    asyncio.run(main())
""")


@pytest.mark.parametrize(
    ("method", "after"),
    [("sync", "kept"), ("name", "lost"), ("publish", "kept"), ("finish", "kept"), ("remove_records", "lost")],
)
@pytest.mark.parametrize("sealed", [False, True], ids=["clear", "encrypted"])
async def test_kill_at_each_write(
    database: Database, world: ContainerWorld, tmp_path: Path, method: str, after: str, sealed: bool
) -> None:
    waiting, stamped = await prepare(database, world)
    target = database._target
    where = [str(target[key]) for key in ("host", "port", "database", "user")]
    now = (world.pki.now + timedelta(days=31)).isoformat()
    killed = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _KILLED, *where, str(tmp_path), now, method, after, AUDITOR.public if sealed else "",
        env={**os.environ, "PGPASSWORD": str(target["password"])},
    )  # fmt: skip
    assert await asyncio.wait_for(killed.wait(), 60) == -signal.SIGKILL
    assert len(await numbers(database)) >= 1
    done = await new_archiver(database, world, tmp_path, timedelta(days=31), sealed=sealed).once()
    assert done.problems == ()
    await check(database, world, tmp_path, waiting, stamped)
