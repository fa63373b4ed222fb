"""The embedded server: owned by one, shared by many, gone with its owner."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest
import pytest_asyncio

from gateway.core.errors import EvidenceUnavailable, SettingsError
from gateway.storage.binaries import find_binaries
from gateway.storage.embedded import EmbeddedPostgres, attach_or_start
from tests.conftest import FAST


@pytest.fixture
def directory() -> Iterator[Path]:
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    path = Path(tempfile.mkdtemp(prefix="gateway-test-", dir=memory))
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest_asyncio.fixture
async def victim(directory: Path) -> AsyncIterator[EmbeddedPostgres]:
    """A server to be ill-treated."""
    server = EmbeddedPostgres(directory, settings=FAST)
    await server.start()
    yield server
    await server.stop()


async def test_first_owns_the_rest_attach(pg: EmbeddedPostgres) -> None:
    second = await attach_or_start(pg.directory)
    assert (pg.owned, second.owned, second.pid) == (True, False, None)
    await second.stop()  # nothing: it is not its server
    assert await pg.attach()


async def test_a_second_owner_is_refused_and_harms_nobody(pg: EmbeddedPostgres) -> None:
    with pytest.raises(EvidenceUnavailable, match="Another process is using"):
        await EmbeddedPostgres(pg.directory).start()
    assert await pg.attach()


async def test_what_is_on_disk_belongs_to_us_alone(pg: EmbeddedPostgres) -> None:
    modes = {name: _mode(pg.directory / name) for name in ("pg.password", "sock", "pgdata")}
    assert modes == {"pg.password": 0o600, "sock": 0o700, "pgdata": 0o700}


async def test_the_socket_asks_for_the_password(pg: EmbeddedPostgres) -> None:
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(**{**pg.dsn_kwargs(), "password": "guess"})


async def test_attaching_gives_up_in_words(directory: Path) -> None:
    owner = EmbeddedPostgres(directory)
    assert owner._take_lock()  # a live owner whose server never comes up
    with pytest.raises(EvidenceUnavailable, match="in use by another process"):
        await attach_or_start(directory, timeout=0.1)
    await owner.stop()


async def test_data_survives_stop_and_start(directory: Path) -> None:
    server = await attach_or_start(directory, settings=FAST)
    connection = await asyncpg.connect(**server.dsn_kwargs())
    await connection.execute("CREATE TABLE kept (n int); INSERT INTO kept VALUES (7)")
    await connection.close()
    await server.stop()
    assert not await server.attach()

    again = await attach_or_start(directory, settings=FAST)
    connection = await asyncpg.connect(**again.dsn_kwargs())
    assert await connection.fetchval("SELECT n FROM kept") == 7
    await connection.close()
    await again.stop()


async def test_a_half_made_cluster_is_never_trusted(directory: Path) -> None:
    (directory / "pgdata.init").mkdir()
    (directory / "pgdata.init" / "PG_VERSION").write_text("18\n")  # initdb was killed here
    (directory / "pg.password").write_text("old")
    server = await attach_or_start(directory, settings=FAST)
    assert server.owned
    assert _names(directory, "pgdata*") == ["pgdata"]
    await server.stop()


async def test_a_path_too_long_for_a_socket(directory: Path) -> None:
    deep = directory / ("d" * 60) / ("e" * 60)
    server = await attach_or_start(deep, settings=FAST)
    socket_directory = Path(server.dsn_kwargs()["host"])
    assert socket_directory.parent == Path(tempfile.gettempdir())
    assert _mode(socket_directory) == 0o700
    await server.stop()
    shutil.rmtree(socket_directory)


async def test_a_socket_directory_of_somebody_else_is_refused(directory: Path) -> None:
    (directory / "sock").mkdir()
    (directory / "sock").chmod(0o777)
    server = EmbeddedPostgres(directory)
    with pytest.raises(SettingsError, match="must belong to us alone"):
        await server.start()
    assert not server.owned


async def test_a_server_that_does_not_start_says_why(directory: Path) -> None:
    server = EmbeddedPostgres(directory, settings={"shared_buffers": "nonsense"})
    with pytest.raises(EvidenceUnavailable, match="shared_buffers"):
        await server.start()
    assert not server.owned


async def test_no_binaries_is_a_settings_error(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAY_PG_BIN", str(directory / "nowhere"))
    with pytest.raises(SettingsError, match="does not run"):
        await EmbeddedPostgres(directory / "db").start()


@pytest.mark.slow
async def test_a_killed_server_is_started_again_by_its_owner(victim: EmbeddedPostgres) -> None:
    connection = await asyncpg.connect(**victim.dsn_kwargs())
    first = victim.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    assert victim._process is not None
    await asyncio.to_thread(victim._process.wait)
    await victim.ensure_running()
    assert victim.pid != first
    assert await victim.attach()
    connection.terminate()


@pytest.mark.slow
async def test_an_attached_process_takes_over_when_the_owner_goes(victim: EmbeddedPostgres) -> None:
    attached = await attach_or_start(victim.directory, settings=FAST)
    await attached.ensure_running()
    before = attached.owned
    await victim.stop()
    await attached.ensure_running()
    assert (before, attached.owned) == (False, True)
    assert await attached.attach()
    await attached.stop()


_OWNER = """
import asyncio, sys
from pathlib import Path
from gateway.storage.embedded import attach_or_start
async def main():
    server = await attach_or_start(Path(sys.argv[1]), settings={"fsync": "off"})
    print(server.pid, flush=True)
    await asyncio.sleep(600)
asyncio.run(main())
"""


@pytest.mark.slow
@pytest.mark.parametrize("setpriv", [True, False], ids=["goes with its owner", "orphan taken over"])
async def test_kill_9_of_the_owning_process(directory: Path, setpriv: bool, tmp_path: Path) -> None:
    environment = {**os.environ, "GATEWAY_PG_BIN": str(find_binaries())}
    if not setpriv:
        (tmp_path / "bin").mkdir()
        for tool in filter(None, (shutil.which("unshare"), shutil.which("true"))):
            (tmp_path / "bin" / Path(tool).name).symlink_to(tool)
        environment["PATH"] = str(tmp_path / "bin")
    owner = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _OWNER, str(directory), stdout=subprocess.PIPE, env=environment
    )
    assert owner.stdout is not None
    first = int(await owner.stdout.readline())
    owner.kill()
    await owner.wait()
    server = await attach_or_start(directory, settings=FAST)
    assert server.owned
    assert server.pid != first
    assert await server.attach()
    assert not _is_running(first)
    await server.stop()


def _is_running(pid: int) -> bool:
    """A zombie is not: in a container nobody may be there to collect it."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def _names(directory: Path, pattern: str) -> list[str]:
    return sorted(path.name for path in directory.glob(pattern))


def _mode(path: Path) -> int:
    return path.stat().st_mode & 0o777
