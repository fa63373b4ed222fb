"""A pid in a file is not believed."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from gateway.storage.identity import Identity
from gateway.storage.leftover import clear_leftover

pytestmark = pytest.mark.skipif(not Path("/proc/self/cwd").exists(), reason="needs /proc")


async def test_a_recycled_pid_is_not_stopped_and_does_not_block_the_start(tmp_path: Path) -> None:
    pidfile = tmp_path / "postmaster.pid"
    pidfile.write_text(f"{os.getpid()}\n{tmp_path}\n")  # after a restart of a container this is some process of ours
    await clear_leftover(tmp_path, Path("/nowhere"), Identity())
    assert not pidfile.exists()


async def test_a_dead_pid_is_left_to_postgresql(tmp_path: Path) -> None:
    ended = await asyncio.create_subprocess_exec("true")
    await ended.wait()
    pidfile = tmp_path / "postmaster.pid"
    pidfile.write_text(f"{ended.pid}\n")
    await clear_leftover(tmp_path, Path("/nowhere"), Identity())
    assert pidfile.exists()  # its shared memory key lets PostgreSQL see children that are still alive


async def test_an_orphan_in_the_directory_is_asked_to_go(tmp_path: Path) -> None:
    program = "import signal, time; signal.signal(signal.SIGINT, signal.SIG_DFL); print(flush=True); time.sleep(600)"
    orphan = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, cwd=tmp_path, stdout=asyncio.subprocess.PIPE
    )
    assert orphan.stdout is not None
    await orphan.stdout.readline()  # its signals are set, whatever we inherited
    (tmp_path / "postmaster.pid").write_text(f"{orphan.pid}\n")
    await clear_leftover(tmp_path, Path("/nowhere"), Identity())
    assert await orphan.wait() == -signal.SIGINT
