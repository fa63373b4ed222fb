"""Coordinator and agencies as they are, over databases of their own; between them a road that loses what the plan says."""

from __future__ import annotations

import asyncio
import json
import mmap
import struct
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from adapters.lienthong.definition import load_definitions
from adapters.lienthong.desk import Desk
from adapters.lienthong.reasons import load_reasons
from adapters.lienthong.service import build_adapter
from adapters.sdk import Adapter, Connection, Pool, bootstrap, open_pool
from adapters.sdk.delivery import Road, bootstrap_delivery
from adapters.sdk.delivery.judging import Answer
from adapters.sdk.delivery.legs import Coordinator, Done, LegRequest, Returned, bootstrap_legs, leg_request, take_leg
from adapters.sdk.delivery.outbox import Claim
from adapters.sdk.delivery.road import NoAnswer
from adapters.sdk.postgres import source_errors
from adapters.sdk.problems import SourceUnavailable
from adapters.sdk.web import Call, Effect, JsonObject
from tests.architecture.source import ROOT
from tests.simulation.plan import BAD_REASONS, GOOD_REASON, Plan

COORDINATOR, PORTAL = "VN/GOV/G22/lienthong", "VN/GOV/G22/dvc"
DEFINITIONS = load_definitions()
LEGS = {
    client: tuple(leg.code for found in DEFINITIONS.values() for leg in found.legs if leg.service == f"{client}/legs")
    for client in ("VN/GOV/G15/hotich", "VN/GOV/G01/dancu", "VN/GOV/G12/bhxh")
}
CLIENTS = (COORDINATOR, *LEGS)
LEG = "/v1/dossiers/{dossier_id}/legs/{leg}"
_LIFETIME = Coordinator(lifetime=timedelta(days=60))
_PATIENCE_SECONDS = 120.0
_WORK = (
    "create table work (dossier_id text, leg text, action text, round int, plan int)"  # nothing forbids doubles here
)

T = TypeVar("T")


class SharedClock:
    """The time of day, moved by a number of seconds in a file that all processes look at."""

    def __init__(self, file: Path) -> None:
        if not file.exists():
            file.write_bytes(bytes(8))
        with file.open("r+b") as opened:
            self._moved = mmap.mmap(opened.fileno(), 8)

    def __call__(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=struct.unpack("d", self._moved[:])[0])

    def advance(self, seconds: float) -> None:
        self._moved[:] = struct.pack("d", struct.unpack("d", self._moved[:])[0] + seconds)


class Parties:
    """`repaired`: a file; while it is not there, what the plan calls lost does not arrive."""

    def __init__(self, pools: Mapping[str, Pool], plan: Plan, clock: SharedClock, repaired: Path) -> None:
        self.pools = pools
        self.plan = plan
        self.clock = clock
        self._repaired = repaired
        self.desk = Desk(DEFINITIONS, clock)
        reasons = load_reasons(ROOT / "config" / "codes" / "return-reasons.yaml")
        self.coordinator = build_adapter(self.desk, reasons)

    @property
    def repaired(self) -> bool:
        return self._repaired.exists()

    async def prepare(self) -> None:
        await bootstrap_delivery(self.pools[COORDINATOR])
        sql = (ROOT / "adapters" / "lienthong" / "schema.sql").read_text("utf-8")
        await bootstrap(self.pools[COORDINATOR], "lienthong", sql)
        for client in LEGS:
            await bootstrap_legs(self.pools[client])
            await self.pools[client].execute(_WORK)

    def effects(self, client: str) -> Mapping[str, Effect]:
        """The endpoints of a party that change something, by template of their path."""
        endpoints = self.adapter(client).endpoints(self.pools[client])
        return {endpoint.path: endpoint for endpoint in endpoints if isinstance(endpoint, Effect)}

    def adapter(self, client: str) -> Adapter:
        """What a party offers to the others."""
        if client == COORDINATOR:
            return self.coordinator

        async def leg(call: Call, connection: Connection) -> JsonObject:
            return await take_leg(connection, leg_request(call), self._work, _LIFETIME, self.clock())

        folder = ROOT / "adapters" / "sdk" / "delivery" / "leg_service"
        return Adapter("legs", folder, lambda _: (Effect("POST", LEG, leg, messages=True),), formats={_NUMBER: str})

    async def _work(self, connection: Connection, asked: LegRequest) -> Done | Returned:
        number = asked.form["plan"]
        fate = self.plan.fates[number]
        row = (asked.dossier_id, asked.leg, asked.action, asked.round, number)
        await connection.execute("insert into work values ($1, $2, $3, $4, $5)", *row)
        if asked.leg == "registration" and fate.returned and asked.round == 1:
            reason = GOOD_REASON if fate.bad is None else BAD_REASONS[fate.bad]
            return Returned(reason["code"], reason["legal_reference"])
        return Done({"plan": number})


_NUMBER = "vn-personal-number"


class LossyRoad:
    """Another road, on which an outcome of a registration that the plan loses does not arrive as long as nothing is repaired."""

    def __init__(self, road: Road, parties: Parties) -> None:
        self._road = road
        self._parties = parties

    async def send(self, claim: Claim) -> Answer:
        if self._is_lost(claim):
            raise NoAnswer("lost")
        return await self._road.send(claim)

    def _is_lost(self, claim: Claim) -> bool:
        if not claim.message.path.endswith("/registration/outcome") or self._parties.repaired:
            return False
        told = json.loads(claim.message.body)
        return told.get("document", {}).get("plan") in self._parties.plan.lost


async def open_parties(
    stack: AsyncExitStack, databases: Mapping[str, Mapping[str, Any]], plan: Plan, folder: Path
) -> Parties:
    pools = {
        client: await stack.enter_async_context(open_pool({**target, "max_size": 6}, "simulation"))
        for client, target in databases.items()
    }
    return Parties(pools, plan, SharedClock(folder / "clock"), folder / "repaired")


async def persistently(job: Callable[[], Awaitable[T]]) -> T:
    """Its result, once the database answers: it is killed now and then, as others are."""
    async with asyncio.timeout(_PATIENCE_SECONDS):
        while True:
            try:
                async with source_errors():
                    return await job()
            except SourceUnavailable:
                await asyncio.sleep(0.25)
