"""`python -m tests.simulation.workers`: a process that sends for some of the parties until it is killed. Orders come on stdin."""

from __future__ import annotations

import asyncio
import json
import logging
import random
import sys
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import structlog
import uvloop

from adapters.lienthong.ticker import Ticker
from adapters.sdk.delivery import DeliveryWorker, Outbox
from adapters.sdk.delivery.judging import Patience
from tests.simulation.parties import COORDINATOR, InsideRoad, open_parties
from tests.simulation.plan import make_plan

LEASE = timedelta(seconds=20)
_PATIENCE = Patience(first=timedelta(minutes=30), longest=timedelta(hours=2))  # what is lost is not hammered at


async def main(orders: dict[str, Any]) -> None:
    log = structlog.wrap_logger(
        structlog.PrintLogger(sys.stderr), wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR)
    )
    plan = make_plan(orders["dossiers"], orders["seed"])
    async with AsyncExitStack() as stack:
        parties = await open_parties(stack, orders["databases"], plan, Path(orders["folder"]))
        group = await stack.enter_async_context(asyncio.TaskGroup())
        for client in orders["clients"]:
            pool = parties.pools[client]
            outbox = Outbox(pool, parties.clock, random.random, lease=LEASE, patience=_PATIENCE)
            worker = DeliveryWorker(outbox, InsideRoad(client, parties), log, lanes=1, batch=40, poll=0.2)
            group.create_task(worker.run(pool))
        if COORDINATOR in orders["clients"]:
            ticker = Ticker(parties.pools[COORDINATOR], parties.desk, parties.clock, poll=1.0)
            group.create_task(ticker.run())


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(json.loads(sys.stdin.readline())))
