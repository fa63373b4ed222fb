"""`make run`: the whole instance on loopback, each role its own process, under one supervisor.

Order: keys, database, trust, registry, adapters, witnesses, transparency log, security servers. A process that dies is started
again after a second; Ctrl-C stops all in the opposite order. Logs go to `var/log/<name>.log`.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from gateway.app.process import READY
from gateway.core.errors import SettingsError

_START_SECONDS = 180.0  # the first start invents a population, on any machine
_STOP_SECONDS = 20.0
_RESTART_AFTER = 1.0


@dataclass
class Child:
    """One supervised process: `python -m <arguments>`."""

    name: str
    arguments: Sequence[str]
    log: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    words: str = ""
    process: asyncio.subprocess.Process | None = None
    stopping: bool = False

    async def start(self) -> None:
        """Returns when the process has said READY; SettingsError with its last words when it ends or stays silent."""
        with self.log.open("ab") as log:
            began = log.tell()
            self.process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                *self.arguments,
                stdin=asyncio.subprocess.PIPE,  # its end tells the child that we are gone
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                start_new_session=True,  # Ctrl-C reaches only us
                env={**os.environ, **self.environment},
            )
        assert self.process.stdout is not None
        try:
            async with asyncio.timeout(_START_SECONDS):
                while line := (await self.process.stdout.readline()).decode(errors="replace"):
                    if line.startswith(READY):
                        self.words = line.removeprefix(READY).strip()
                        return
        except TimeoutError:
            self.process.kill()
        await self.process.wait()
        raise SettingsError(
            [f"{self.name} did not start: {words} ({self.log})" for words in _last_words(self.log, began)]
        )

    async def stop(self) -> None:
        self.stopping = True
        process = self.process
        if process is None or process.returncode is not None:
            return
        process.terminate()
        try:
            async with asyncio.timeout(_STOP_SECONDS):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()

    async def keep_running(self) -> None:
        """Start it again whenever it ends, until `stop`."""
        while self.process is not None:
            await self.process.wait()
            if self.stopping:
                return
            print(f"  {self.name} ended (exit {self.process.returncode}); starting it again", flush=True)
            await asyncio.sleep(_RESTART_AFTER)
            try:
                await self.start()
            except SettingsError as e:
                print(f"  {e.safe_detail}", flush=True)


@asynccontextmanager
async def supervise(groups: Sequence[Sequence[Child]]) -> AsyncIterator[None]:
    """Start the groups one after the other, the children of a group together; stop them in the opposite order."""
    started: list[Sequence[Child]] = []
    try:
        async with asyncio.TaskGroup() as keepers:
            for group in groups:
                started.append(group)
                await _start_together(group)
            tasks = [keepers.create_task(child.keep_running()) for group in groups for child in group]
            try:
                yield
            finally:
                for group in reversed(started):
                    await asyncio.gather(*(child.stop() for child in group))
                for task in tasks:
                    task.cancel()
    finally:
        for group in reversed(started):
            await asyncio.gather(*(child.stop() for child in group))


async def _start_together(group: Sequence[Child]) -> None:
    async with asyncio.TaskGroup() as starting:
        for child in group:
            starting.create_task(_start_one(child))


async def _start_one(child: Child) -> None:
    began = time.monotonic()
    await child.start()
    print(f"  {child.name:<18} {child.words}  ({time.monotonic() - began:.1f} s)", flush=True)


def _last_words(log: Path, began: int, lines: int = 15) -> list[str]:
    """What a role that does not start says, after its log lines (JSON objects)."""
    with log.open("rb") as file:
        file.seek(began)
        said = file.read().decode(errors="replace").splitlines()
    return [line for line in said if line.strip() and not line.startswith("{")][-lines:] or ["it does not say why"]
