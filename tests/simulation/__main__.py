"""`make simulate`: 20,000 dossiers, processes killed (SIGKILL) all the while, and the outcome held against the plan."""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import shutil
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from gateway.storage.database import create_database
from gateway.storage.embedded import EmbeddedPostgres
from tests.architecture.source import ROOT
from tests.simulation import checks
from tests.simulation.course import People
from tests.simulation.parties import COORDINATOR, LEGS, Parties, open_parties
from tests.simulation.plan import make_plan

# A commit is with the operating system before it is told, so what is killed loses nothing; only a machine that stops would.
_SETTINGS = {"fsync": "off", "full_page_writes": "off", "max_wal_size": "4GB"}
_DAY = 86_400.0
_LEFT = "select count(*) from delivery.outbox where state = 'waiting' and (leased_until > $1 or next_at <= $1)"


class Worker:
    """A process that is started again whenever it was killed."""

    def __init__(self, orders: dict[str, Any]) -> None:
        self._orders = orders
        self.process: asyncio.subprocess.Process | None = None
        self.kills = 0

    async def run(self) -> None:
        try:
            while True:
                self.process = await asyncio.create_subprocess_exec(
                    *(sys.executable, "-m", "tests.simulation.workers"), stdin=asyncio.subprocess.PIPE, cwd=ROOT
                )
                assert self.process.stdin is not None
                self.process.stdin.write(json.dumps(self._orders).encode() + b"\n")
                await self.process.stdin.drain()
                await self.process.wait()
        finally:
            if self.process is not None and self.process.returncode is None:
                self.process.kill()
                await self.process.wait()

    def kill(self) -> None:
        if self.process is not None and self.process.returncode is None:
            self.process.kill()
            self.kills += 1


async def kill_at_random(workers: list[Worker], every: float, seed: int) -> None:
    dice = random.Random(seed)
    while True:
        await asyncio.sleep(dice.uniform(every / 2, every * 3 / 2))
        dice.choice(workers).kill()


async def simulate(chosen: argparse.Namespace, folder: Path) -> None:
    plan = make_plan(chosen.dossiers, chosen.seed)
    (folder / "clock").write_text("0", "ascii")
    server = EmbeddedPostgres(folder / "postgres", settings=_SETTINGS)
    await server.start()
    try:
        databases = {client: server.dsn_kwargs(client.rpartition("/")[2]) for client in (COORDINATOR, *LEGS)}
        for target in databases.values():
            await create_database(target)
        async with AsyncExitStack() as stack:
            parties = await open_parties(stack, databases, plan, folder)
            await parties.prepare()
            common = {"dossiers": chosen.dossiers, "seed": chosen.seed, "databases": databases, "folder": str(folder)}
            shares = [[COORDINATOR], list(LEGS)]
            workers = [Worker({**common, "clients": clients}) for clients in shares]
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(worker.run()) for worker in workers]
                tasks.append(group.create_task(kill_at_random(workers, chosen.kill_every, chosen.seed)))
                await _course(parties, workers, folder)
                for task in tasks:
                    task.cancel()
    finally:
        await server.stop()


async def _course(parties: Parties, workers: list[Worker], folder: Path) -> None:
    began, people = time.monotonic(), People(parties)

    def say(words: str) -> None:
        kills = sum(worker.kills for worker in workers)
        print(f"{time.monotonic() - began:7.1f} s  {kills:3} kills  {words}", flush=True)

    say(checks.facilities_match(parties))
    async with asyncio.TaskGroup() as group:
        opening = group.create_task(people.open_all())
        while not opening.done():
            if not await people.step():
                await asyncio.sleep(0.5)
    say(f"{len(parties.plan.fates)} dossiers opened")
    await _until_quiet(parties, people, say)
    say(await checks.bad_reasons_refused(parties))
    parties.clock.advance(8 * _DAY)
    say(await checks.stuck_is_lost(parties))
    (folder / "repaired").touch()
    say(f"{await people.ask_again()} stuck dossiers sent again")
    await _until_quiet(parties, people, say)
    say(await checks.all_recovered(parties))


async def _until_quiet(parties: Parties, people: People, say: Any) -> None:
    """Nobody has anything to do and no message is due; what a killed process held is free again when its lease is over."""
    quiet, told = 0, time.monotonic()
    while quiet < 3:
        now = parties.clock()
        busy = await people.step() + sum([await pool.fetchval(_LEFT, now) for pool in parties.pools.values()])
        quiet = 0 if busy else quiet + 1
        if time.monotonic() - told > 30:
            told = time.monotonic()
            open_ones = await parties.pools[COORDINATOR].fetchval(
                "select count(*) from lienthong.dossier where status = 'open'"
            )
            say(f"{open_ones} dossiers open, {busy} things due")
        if not busy:
            await asyncio.sleep(0.5)


def main() -> int:
    parser = argparse.ArgumentParser(prog="make simulate ARGS=…", description=__doc__)
    parser.add_argument("--dossiers", type=int, default=20_000, help="(default: %(default)s)")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32), help="the same seed, the same plan")
    parser.add_argument("--kill-every", type=float, default=10.0, help="seconds between kills (default: %(default)s)")
    chosen = parser.parse_args()
    print(
        f"seed {chosen.seed}; messages go from database to database inside the processes, through no security server",
        flush=True,
    )
    folder, differing = Path(tempfile.mkdtemp(prefix="simulation-")), 0
    try:
        asyncio.run(simulate(chosen, folder))
    except* checks.Differs as found:
        for error in found.exceptions:
            print(f"DIFFERS: {error}", file=sys.stderr)
        differing = 1
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return differing


if __name__ == "__main__":
    sys.exit(main())
