"""`make run` for tests: a copy of the tree as a clone would have it, moved to a loopback network of its own, run as a user runs it.

Commands are those of the README, through `make` and `.venv/bin/python`; the virtual environment is the one the tests run in.
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
import sysconfig
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import asyncpg

from gateway.storage.embedded import EmbeddedPostgres
from tests.architecture.source import ROOT

READY_SECONDS = 60.0
_END_SECONDS = 60.0
_PROC = Path("/proc")


class Demo:
    """`prefix` goes before each command, e.g. to become another user; `python` is the interpreter behind `.venv/bin/python`."""

    def __init__(self, folder: Path, network: str, *, prefix: Sequence[str] = (), python: str = sys.executable) -> None:
        self.folder = folder
        self.network = network
        self._prefix = tuple(prefix)
        self._process: subprocess.Popen[bytes] | None = None
        self._output = folder / "output.txt"
        self._copy()
        self._environment(python)

    # --- the tree --------------------------------------------------------------------------------------------------

    def _copy(self) -> None:
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT,
            capture_output=True,
            check=True,
        )
        for name in filter(None, listed.stdout.decode().split("\0")):
            if name.startswith("tests/") or not (ROOT / name).is_file():
                continue
            target = self.folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(self._moved((ROOT / name).read_bytes()))
            target.chmod((ROOT / name).stat().st_mode)

    def _moved(self, data: bytes) -> bytes:
        """On other addresses, so that a demo that runs on this machine is not in the way."""
        one = self.network.rpartition(".")[0].encode()
        data = re.sub(rb"127\.0\.10\.(?=\d)", self.network.encode() + b".", data)
        return re.sub(rb"127\.0\.0\.1(?=:(?:91\d\d|8700))", one + b".0.1", data)

    def _environment(self, python: str) -> None:
        """`.venv` as `make` leaves it, without installing anything."""
        binaries = self.folder / ".venv" / "bin"
        binaries.mkdir(parents=True)
        wrapper = binaries / "python"
        packages = sysconfig.get_path("purelib")
        wrapper.write_text(f'#!/bin/sh\nPYTHONPATH={shlex.quote(packages)} exec {shlex.quote(python)} "$@"\n')
        wrapper.chmod(0o755)
        for stamp in (".python", ".run", ".dev"):
            (self.folder / ".venv" / stamp).touch()

    def readme(self) -> list[str]:
        """The commands of the README, one a line."""
        blocks = re.findall(r"```\n(.*?)```", (self.folder / "README.md").read_text("utf-8"), re.DOTALL)
        lines = [line for block in blocks for line in block.splitlines()]
        return [line.partition(" #")[0].strip() for line in lines if re.match(r"(make|curl|\.venv/bin/python) ", line)]

    # --- commands --------------------------------------------------------------------------------------------------

    def shell(self, command: str, timeout: float = 60.0) -> subprocess.CompletedProcess[str]:
        """A command as typed in the tree."""
        return subprocess.run(
            [*self._prefix, "sh", "-c", command],
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    def verify(self, message_id: str, server: str = "VN/GOV/G22/ss1") -> subprocess.CompletedProcess[str]:
        return self.shell(f".venv/bin/python -m gateway verify message --server {server} {message_id}")

    def start(self, command: str = ".venv/bin/python -m gateway demo", patience: float = READY_SECONDS) -> float:
        """Start it; seconds until its ready line. AssertionError with what it said when it ends before, or does not come up."""
        began = time.monotonic()
        with self._output.open("wb") as output:
            self._process = subprocess.Popen(
                [*self._prefix, "sh", "-c", f"exec {command}"],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        while not re.search(r"(?m)^ready in ", self.output):
            assert self._process.poll() is None, self.output
            assert time.monotonic() - began < patience, self.output
            time.sleep(0.05)
        return time.monotonic() - began

    @property
    def output(self) -> str:
        return self._output.read_text(errors="replace")

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def interrupt(self) -> int:
        """Ctrl-C: SIGINT to everything in the terminal's foreground. The exit status."""
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGINT)
        return self._process.wait(_END_SECONDS)

    def kill(self) -> None:
        """kill -9 of the supervisor alone."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def processes(self) -> dict[int, str]:
        """What works in the tree: our processes begin there, PostgreSQL's change into its data directory."""
        found = {}
        for entry in _PROC.iterdir():
            with suppress(OSError):
                if entry.name.isdecimal() and (entry / "cwd").readlink().is_relative_to(self.folder):
                    found[int(entry.name)] = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        return found

    def wait_until_gone(self) -> None:
        until = time.monotonic() + _END_SECONDS
        while found := self.processes():
            assert time.monotonic() < until, found
            time.sleep(0.05)

    def clean_up(self) -> None:
        """Nothing of it is left running."""
        if self.running:
            self.interrupt()
        for pid in self.processes():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    # --- what it wrote ---------------------------------------------------------------------------------------------

    def logs(self) -> dict[str, str]:
        files = [*(self.folder / "var" / "log").iterdir(), self.folder / "var" / "postgres" / "postgres.log"]
        return {file.name: file.read_text(errors="replace") for file in files}

    async def sql(self, database: str, statement: str, *arguments: Any) -> list[asyncpg.Record]:
        """As the owner of the tables, while it runs."""
        target = EmbeddedPostgres(self.folder / "var" / "postgres").dsn_kwargs(database)
        connection = await asyncpg.connect(**target)
        try:
            rows: list[Any] = await connection.fetch(statement, *arguments)
            return rows
        finally:
            await connection.close()
