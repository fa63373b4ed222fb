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
async def server(directory: Path) -> AsyncIterator[EmbeddedPostgres]:
    server = EmbeddedPostgres(directory, settings=FAST)
    await server.start()
    yield server
    await server.stop()


async def test_first_owns_the_rest_attach(server: EmbeddedPostgres) -> None:
    second = await attach_or_start(server.directory)
    assert (server.owned, second.owned, second.pid) == (True, False, None)
    await second.stop()  # nothing: it is not its server
    assert await server.attach()


async def test_a_second_owner_is_refused_and_harms_nobody(server: EmbeddedPostgres) -> None:
    with pytest.raises(EvidenceUnavailable, match="Another process is using"):
        await EmbeddedPostgres(server.directory).start()
    assert await server.attach()


async def test_what_is_on_disk_belongs_to_us_alone(server: EmbeddedPostgres) -> None:
    modes = {name: (server.directory / name).stat().st_mode & 0o777 for name in ("pg.password", "sock", "pgdata")}
    assert modes == {"pg.password": 0o600, "sock": 0o700, "pgdata": 0o700}
    assert not (server.directory / "pgdata.init").exists()


async def test_the_socket_asks_for_the_password(server: EmbeddedPostgres) -> None:
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(**{**server.dsn_kwargs(), "password": "guess"})


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
    await server.stop()


async def test_a_path_too_long_for_a_socket(directory: Path) -> None:
    deep = directory / ("d" * 60) / ("e" * 60)
    server = await attach_or_start(deep, settings=FAST)
    socket_directory = Path(server.dsn_kwargs()["host"])
    assert socket_directory.parent == Path(tempfile.gettempdir())
    assert socket_directory.stat().st_mode & 0o777 == 0o700
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
async def test_a_killed_server_is_started_again_by_its_owner(server: EmbeddedPostgres) -> None:
    connection = await asyncpg.connect(**server.dsn_kwargs())
    first = server.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    await _until(lambda: server._process is not None and server._process.poll() is not None)
    await server.ensure_running()
    assert server.pid != first
    assert await server.attach()
    connection.terminate()


@pytest.mark.slow
async def test_an_attached_process_takes_over_when_the_owner_goes(server: EmbeddedPostgres) -> None:
    attached = await attach_or_start(server.directory, settings=FAST)
    await attached.ensure_running()
    assert not attached.owned
    await server.stop()
    await attached.ensure_running()
    assert attached.owned
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
    assert not Path(f"/proc/{first}").exists()
    await server.stop()


async def _until(true: object) -> None:
    assert callable(true)
    async with asyncio.timeout(20):
        while not true():
            await asyncio.sleep(0.01)
