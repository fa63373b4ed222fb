"""kill -9, as tests of faults use it: of a database alone, and of whoever takes part in an instance under load."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
from collections.abc import Sequence

from gateway.storage.embedded import EmbeddedPostgres
from tests.support.country import Country
from tests.support.load import Load


async def kill_database(server: EmbeddedPostgres) -> None:
    """Returns when it runs again."""
    assert server.pid is not None
    os.kill(server.pid, signal.SIGKILL)
    assert server._process is not None
    with contextlib.suppress(ChildProcessError):
        await asyncio.to_thread(server._process.wait)
    await server.ensure_running()


def kill(country: Country, victim: str) -> None:
    """A role by its name, or `postgresql`; unless it is dead already."""
    if victim == "postgresql":
        country.kill_postgres()
    elif country.running(victim):
        country.kill(victim)


async def kill_at_random(
    country: Country, load: Load, chance: random.Random, victims: Sequence[str], rounds: int
) -> None:
    """Two of them a round; ten calls are answered between rounds, and ten at the end."""
    for _ in range(rounds):
        await load.until_answered(10)
        await asyncio.sleep(chance.random() * 0.1)
        for victim in chance.sample(victims, 2):
            kill(country, victim)
            await asyncio.sleep(chance.random() * 0.3)
    await load.until_answered(10)
