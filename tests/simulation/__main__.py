"""`make simulate`: 20,000 dossiers, two roads, everything killed (SIGKILL) all the while, and the outcome held against the plan.

1. applicants open dossiers on both roads; every facility sends a notice through the signature gate
2. until nothing is under way but what the plan loses: bad reasons were refused, the gate's report is as planned
3. twelve days later (seven working days are over) the stuck list is the lost set
4. nothing is lost any more, and operators send the stuck dossiers again: everything ends, once
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from adapters.sdk import bootstrap, open_pool
from adapters.sdk.delivery import open_road
from gateway.app import demo
from gateway.storage.database import create_database
from gateway.storage.embedded import EmbeddedPostgres
from tests.simulation import checks, notices
from tests.simulation.course import People
from tests.simulation.inside import InsideRoad
from tests.simulation.instance import GATE, SERVERS, Instance
from tests.simulation.killing import Killer
from tests.simulation.parties import CLIENTS, COORDINATOR, LEGS, PORTAL, Parties, open_parties, persistently
from tests.simulation.plan import FACILITIES, Plan, make_facilities, make_plan
from tests.simulation.progress import Progress, verdict
from tests.simulation.workers import Orders, Worker
from tests.support.country import Country

# A commit is with the operating system before it is told, so what is killed loses nothing; only a machine that stops would.
_SETTINGS = {"fsync": "off", "max_wal_size": "1GB", "max_connections": "250", "shared_buffers": "256MB"}
_DAY = 86_400.0
_TAKEN = "select facility, count(*) as n from notice group by facility"


@dataclass(frozen=True, slots=True)
class Road:
    """One of the two: its name, and the people on it."""

    name: str
    people: People

    @property
    def parties(self) -> Parties:
        return self.people.parties


class Simulation:
    def __init__(self, chosen: argparse.Namespace, folder: Path) -> None:
        self._chosen = chosen
        self._folder = folder
        self._began = datetime.now(UTC)
        self._hospitals = notices.hospitals(self._began)
        self._server = EmbeddedPostgres(folder / "pg", settings=_SETTINGS)
        self._instance = Instance(folder, self._hospitals)
        self._rows: list[checks.Row] = []

    async def run(self) -> bool:
        """Whether every number holds."""
        await self._server.start()
        try:
            async with self._instance.running(self._server) as country:
                return await self._in(country)
        finally:
            await self._server.stop()

    async def _in(self, country: Country) -> bool:
        chosen = self._chosen
        of_road, of_bulk = make_plan(chosen.dossiers, chosen.seed).split(chosen.road)
        async with AsyncExitStack() as stack:
            facilities = notices.Facilities(
                self._instance, self._hospitals, make_facilities(chosen.facilities, chosen.seed)
            )
            databases = {name: await self._databases(name) for name in ("bulk", "road")}
            bulk = await self._parties(stack, databases["bulk"], of_bulk)
            on_road = await self._parties(stack, databases["road"], of_road)
            await self._prepare_gate(databases["road"])
            portal = await stack.enter_async_context(open_road(self._instance.road(PORTAL), PORTAL, seconds=15.0))
            roads = [
                Road("bulk", People(bulk, InsideRoad(PORTAL, bulk))),
                Road("road", People(on_road, portal)),
            ]
            workers = self._workers(databases)
            killer = Killer(self._victims(workers, country), chosen.kill_every, chosen.seed)
            progress = Progress(killer, partial(_state, roads, facilities))
            async with asyncio.TaskGroup() as group:
                background = [worker.run() for worker in workers.values()]
                tasks = [
                    group.create_task(job) for job in (*background, self._server.run(), killer.run(), progress.run())
                ]
                await self._course(roads, facilities, progress)
                await self._last_checks(roads, facilities, databases["road"], country, killer, progress)
                for task in tasks:
                    task.cancel()
        return verdict(self._rows, killer, progress.seconds)

    async def _databases(self, road: str) -> dict[str, dict[str, Any]]:
        """Parameters by client, and those of the service behind the gate."""
        found = {client: self._server.dsn_kwargs(f"{road}_{client.rpartition('/')[2]}") for client in CLIENTS}
        found["notices"] = self._server.dsn_kwargs(f"{road}_notices")
        for target in found.values():
            await create_database(target)
        return found

    async def _parties(self, stack: AsyncExitStack, databases: Mapping[str, dict[str, Any]], plan: Plan) -> Parties:
        parties = await open_parties(stack, {client: databases[client] for client in CLIENTS}, plan, self._folder)
        await parties.prepare()
        return parties

    async def _prepare_gate(self, databases: Mapping[str, dict[str, Any]]) -> None:
        async with open_pool(databases["notices"], "notices") as pool:
            await bootstrap(pool, "notices", notices.SCHEMA)

    def _workers(self, databases: Mapping[str, dict[str, dict[str, Any]]]) -> dict[str, Worker]:
        """Two processes for the bulk, two for the road, one for the service behind the gate."""
        chosen, instance = self._chosen, self._instance
        common = {"dossiers": chosen.dossiers, "first": chosen.road, "seed": chosen.seed, "folder": str(self._folder)}
        shares = {"coordinator": [COORDINATOR], "agencies": list(LEGS)}
        roads = {client: instance.road(client) for client in CLIENTS}
        orders = {}
        for name, clients in shares.items():
            orders[f"bulk {name}"] = Orders(clients, **common, databases=databases["bulk"], roads={}, listens={})
            listens = {client: instance.listens(client) for client in clients}
            orders[f"road {name}"] = Orders(
                clients, **common, databases=databases["road"], roads=roads, listens=listens
            )
        gate = {"notices": instance.listens(GATE)}
        orders["gate service"] = Orders([], **common, databases=databases["road"], roads=roads, listens=gate)
        return {name: Worker(found) for name, found in orders.items()}

    def _victims(self, workers: Mapping[str, Worker], country: Country) -> dict[str, Callable[[], bool]]:
        servers = {f"server {member}": partial(_kill_server, country, member) for member in SERVERS}
        ours = {name: worker.kill for name, worker in workers.items()}
        return {**ours, **servers, "postgresql": partial(_kill_postgres, self._server)}

    async def _course(self, roads: list[Road], facilities: notices.Facilities, progress: Progress) -> None:
        async with asyncio.TaskGroup() as group:
            first = [group.create_task(road.people.open_all()) for road in roads]
            first.append(group.create_task(facilities.send_all()))
            while not all(task.done() for task in first):
                await _round(roads)
        progress.say("all dossiers opened, all notices sent")
        await _until_quiet(roads)
        for road in roads:
            self._rows += await persistently(partial(checks.bad_reasons_refused, road.parties, road.name))
        roads[0].parties.clock.advance(12 * _DAY)
        for road in roads:
            self._rows += await persistently(partial(checks.stuck_is_lost, road.parties, road.name))
        (self._folder / "repaired").touch()
        asked = [await road.people.ask_again() for road in roads]
        progress.say(f"{sum(asked)} stuck dossiers sent again")
        await _until_quiet(roads)

    async def _last_checks(
        self,
        roads: list[Road],
        facilities: notices.Facilities,
        databases: Mapping[str, dict[str, Any]],
        country: Country,
        killer: Killer,
        progress: Progress,
    ) -> None:
        while killer.spared:  # a short course is over before everybody's turn came
            await asyncio.sleep(1.0)
        for road in roads:
            self._rows += await persistently(partial(checks.all_recovered, road.parties, road.name))
        async with AsyncExitStack() as stack:
            logs = {member: await stack.enter_async_context(country.log_of(member)) for member in SERVERS}
            self._rows += await persistently(partial(checks.exchanges_logged, roads[1].parties, logs))
            pool = await stack.enter_async_context(open_pool(databases["notices"], "notices"))
            taken = {row["facility"]: row["n"] for row in await persistently(partial(pool.fetch, _TAKEN))}
        totals, reported = await notices.report(self._instance, self._began)
        self._rows += checks.facilities_match(facilities.causes, totals, reported, taken)
        progress.say("everything is held against the plan")


def _kill_server(country: Country, member: str) -> bool:
    running = country.running(member)
    if running:
        country.kill(member)
    return running


def _kill_postgres(server: EmbeddedPostgres) -> bool:
    if server.pid is not None:
        with suppress(ProcessLookupError):
            os.kill(server.pid, signal.SIGKILL)
            return True
    return False


async def _round(roads: list[Road]) -> int:
    """How much there was to do on both."""
    busy = sum([await road.people.step() for road in roads])
    await asyncio.sleep(0.1 if busy else 0.5)
    return busy


async def _until_quiet(roads: list[Road]) -> None:
    """Nobody has anything to do and no message is under way, three times in a row."""
    quiet = 0
    while quiet < 3:
        quiet = 0 if await _round(roads) else quiet + 1


def _state(roads: list[Road], facilities: notices.Facilities) -> str:
    opened = ", ".join(f"{road.name} {road.people.opened:,}/{len(road.parties.plan.fates):,}" for road in roads)
    left = ", ".join(f"{road.name} {road.people.left:,}" for road in roads)
    return f"opened: {opened}; notices {facilities.sent:,}/{len(facilities.causes):,}; to do: {left}"


def main() -> int:
    parser = argparse.ArgumentParser(prog="make simulate ARGS=…", description=__doc__)
    parser.add_argument("--dossiers", type=int, default=20_000, help="(default: %(default)s)")
    parser.add_argument("--road", type=int, default=200, help="of them through security servers (default: %(default)s)")
    parser.add_argument("--facilities", type=int, default=FACILITIES, help="(default: %(default)s)")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32), help="the same seed, the same plan")
    parser.add_argument("--kill-every", type=float, default=10.0, help="seconds between kills (default: %(default)s)")
    chosen = parser.parse_args()
    print(f"seed {chosen.seed}", flush=True)
    demo._RESTART_AFTER = 0.2
    folder = Path(tempfile.mkdtemp(prefix="simulation-"))
    try:
        return 0 if asyncio.run(Simulation(chosen, folder).run()) else 1
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
