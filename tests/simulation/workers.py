"""`python -m tests.simulation.workers`: a process that sends for some of the parties until it is killed. Orders come on stdin.

On the road through security servers it is the parties' information system as well: it listens to what comes for them.
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
import sys
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import structlog
import uvloop

from adapters.lienthong.ticker import Ticker
from adapters.sdk import build_app, open_pool
from adapters.sdk.delivery import DeliveryWorker, Outbox, Road, open_road
from adapters.sdk.delivery.judging import Patience
from adapters.sdk.server import listening, parse_listen
from tests.architecture.source import ROOT
from tests.simulation.inside import InsideRoad
from tests.simulation.notices import gate_adapter
from tests.simulation.parties import COORDINATOR, LossyRoad, Parties, open_parties
from tests.simulation.plan import Plan, make_plan

LEASE = timedelta(seconds=20)
_ATTEMPT_SECONDS = 15.0
_PATIENCE = Patience(first=timedelta(seconds=4), longest=timedelta(minutes=10))  # what is lost is not hammered at
_ON_ROAD = Patience(
    first=timedelta(seconds=2), longest=timedelta(seconds=15)
)  # few messages; what they need is down for seconds


@dataclass(frozen=True, slots=True)
class Orders:
    """`clients`: for whom it works. `dossiers`, `first`, `seed`: the plan, and how many of it go through security servers.
    `databases`: parameters by client, `notices` among them. `roads`: client proxies by client; empty: inside the process.
    `listens`: addresses by client; with `notices`: that of the service behind the gate."""

    clients: list[str]
    dossiers: int
    first: int
    seed: int
    databases: dict[str, Any]
    folder: str
    roads: dict[str, str]
    listens: dict[str, str]

    @property
    def on_road(self) -> bool:
        return bool(self.roads)

    def plan(self) -> Plan:
        of_road, of_bulk = make_plan(self.dossiers, self.seed).split(self.first)
        return of_road if self.on_road else of_bulk


class Worker:
    """A process that is started again whenever it ends."""

    def __init__(self, orders: Orders) -> None:
        self._orders = orders
        self._process: asyncio.subprocess.Process | None = None

    async def run(self) -> None:
        """Until cancelled."""
        try:
            while True:
                self._process = await asyncio.create_subprocess_exec(
                    *(sys.executable, "-m", "tests.simulation.workers"), stdin=asyncio.subprocess.PIPE, cwd=ROOT
                )
                assert self._process.stdin is not None
                self._process.stdin.write(json.dumps(asdict(self._orders)).encode() + b"\n")
                await self._process.stdin.drain()
                await self._process.wait()
                await asyncio.sleep(0.2)
        finally:
            self.kill()
            if self._process is not None:
                await self._process.wait()

    def kill(self) -> bool:
        running = self._process is not None and self._process.returncode is None
        if self._process is not None and running:
            self._process.kill()
        return running


async def main(orders: Orders) -> None:
    log = structlog.wrap_logger(
        structlog.PrintLogger(sys.stderr), wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL)
    )
    folder = Path(orders.folder)
    async with AsyncExitStack() as stack:
        databases = {client: orders.databases[client] for client in orders.databases if client != "notices"}
        parties = await open_parties(stack, databases, orders.plan(), folder)
        for client, address in orders.listens.items():
            if client == "notices":
                pool = await stack.enter_async_context(open_pool(orders.databases["notices"], "notices"))
                app = build_app(gate_adapter(folder / "notices"), pool, log)
            else:
                app = build_app(parties.adapter(client), parties.pools[client], log)
            await stack.enter_async_context(listening(app, *parse_listen(address)))
        group = await stack.enter_async_context(asyncio.TaskGroup())
        for client in orders.clients:
            pool = parties.pools[client]
            outbox = Outbox(
                pool, parties.clock, random.random, lease=LEASE, patience=_ON_ROAD if orders.on_road else _PATIENCE
            )
            road = LossyRoad(await _road(stack, orders, client, parties), parties)
            worker = DeliveryWorker(outbox, road, log, lanes=1, batch=40, poll=0.2)
            group.create_task(worker.run(pool))
        if COORDINATOR in orders.clients:
            ticker = Ticker(parties.pools[COORDINATOR], parties.desk, parties.clock, poll=1.0)
            group.create_task(ticker.run())
        await asyncio.Event().wait()


async def _road(stack: AsyncExitStack, orders: Orders, client: str, parties: Parties) -> Road:
    if not orders.on_road:
        return InsideRoad(client, parties)
    return await stack.enter_async_context(open_road(orders.roads[client], client, _ATTEMPT_SECONDS))


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(Orders(**json.loads(sys.stdin.readline()))))
