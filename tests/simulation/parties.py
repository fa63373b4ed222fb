"""Coordinator and agencies as they are, over databases of their own. The road between them is a call inside the process."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from adapters.lienthong.definition import load_definitions
from adapters.lienthong.desk import Desk
from adapters.lienthong.reasons import load_reasons
from adapters.lienthong.service import build_adapter
from adapters.sdk import Connection, Problem, RoadHeaders, bootstrap, open_pool
from adapters.sdk.delivery import bootstrap_delivery
from adapters.sdk.delivery.judging import Answer
from adapters.sdk.delivery.legs import Coordinator, Done, LegRequest, Returned, bootstrap_legs, take_leg
from adapters.sdk.delivery.outbox import Claim
from adapters.sdk.delivery.road import NoAnswer
from adapters.sdk.effects import request_digest
from adapters.sdk.web import Call, Effect, JsonObject, perform
from gateway.core.identifiers import parse_client_id
from tests.architecture.source import ROOT
from tests.simulation.plan import BAD_REASONS, GOOD_REASON, Plan

COORDINATOR, PORTAL = "VN/GOV/G22/lienthong", "VN/GOV/G22/dvc"
LEGS = {
    "VN/GOV/G15/hotich": ("registration", "certificate"),
    "VN/GOV/G01/dancu": ("identifier", "residence", "residence_removal"),
    "VN/GOV/G12/bhxh": ("insurance_card", "funeral_benefit"),
}
_LEG = "/v1/dossiers/{dossier_id}/legs/{leg}"
_LIFETIME = Coordinator(lifetime=timedelta(days=60))
_WORK = (
    "create table work (dossier_id text, leg text, action text, round int, plan int)"  # nothing forbids doubles here
)


class SharedClock:
    """The time of day, moved by a number in a file that all processes read."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def __call__(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=float(self._file.read_text("ascii") or 0))

    def advance(self, seconds: float) -> None:
        moved = self._file.with_suffix(".new")
        moved.write_text(str(float(self._file.read_text("ascii") or 0) + seconds), "ascii")
        moved.replace(self._file)


class Parties:
    """`repaired`: a file; while it is not there, what the plan calls lost does not arrive."""

    def __init__(self, pools: Mapping[str, Any], plan: Plan, clock: SharedClock, repaired: Path) -> None:
        self.pools = pools
        self.plan = plan
        self.clock = clock
        self._repaired = repaired
        self.desk = Desk(load_definitions(), clock)
        reasons = load_reasons(ROOT / "config" / "codes" / "return-reasons.yaml")
        endpoints = build_adapter(self.desk, reasons).endpoints(pools[COORDINATOR])
        self._coordinator = {endpoint.path: endpoint for endpoint in endpoints if isinstance(endpoint, Effect)}

    async def prepare(self) -> None:
        await bootstrap_delivery(self.pools[COORDINATOR])
        sql = (ROOT / "adapters" / "lienthong" / "schema.sql").read_text("utf-8")
        await bootstrap(self.pools[COORDINATOR], "lienthong", sql)
        for client in LEGS:
            await bootstrap_legs(self.pools[client])
            await self.pools[client].execute(_WORK)

    def is_lost(self, claim: Claim) -> bool:
        """A registration's outcome that the plan loses, as long as nothing is repaired."""
        if not claim.message.path.endswith("/registration/outcome") or self._repaired.exists():
            return False
        told = json.loads(claim.message.body)
        return told.get("document", {}).get("plan") in self.plan.lost

    async def arrive(self, target: str, template: str, call: Call) -> bytes:
        """What the adapter of `target` does with a call that its document allows. The answer, durable with its effect."""
        effect = self._coordinator[template] if target == COORDINATOR else self.agency(target)
        return await perform(self.pools[target], effect, call, request_digest(call.path, call.query, call.raw))

    def agency(self, client: str) -> Effect:
        """The one endpoint of an agency."""
        work = dict.fromkeys(LEGS[client], self._work)

        async def leg(call: Call, connection: Connection) -> JsonObject:
            return await take_leg(connection, call, work, _LIFETIME, self.clock())

        return Effect("POST", _LEG, leg, messages=True)

    async def _work(self, connection: Connection, asked: LegRequest) -> Done | Returned:
        number = asked.form["plan"]
        fate = self.plan.fates[number]
        row = (asked.dossier_id, asked.leg, asked.action, asked.round, number)
        await connection.execute("insert into work values ($1, $2, $3, $4, $5)", *row)
        if asked.leg == "registration" and fate.returned and asked.round == 1:
            reason = GOOD_REASON if fate.bad is None else BAD_REASONS[fate.bad]
            return Returned(reason["code"], reason["legal_reference"])
        return Done({"plan": number})


class InsideRoad:
    """What the two security servers do between two databases, without them."""

    def __init__(self, sender: str, parties: Parties) -> None:
        self._sender = sender
        self._parties = parties

    async def send(self, claim: Claim) -> Answer:
        if self._parties.is_lost(claim):
            raise NoAnswer("lost")
        message = claim.message
        pieces = message.path.split("/")
        call = Call(
            road=RoadHeaders(
                client=parse_client_id(self._sender), message_id=str(claim.attempt_id), purpose=message.purpose
            ),
            path={"dossier_id": pieces[3], "leg": pieces[5]},
            query={},
            body=json.loads(message.body),
            raw=message.body,
            idempotency_key=str(message.message_id),
        )
        template = "/".join([_LEG, *pieces[6:]])
        try:
            return Answer(200, await self._parties.arrive(message.service.rpartition("/")[0], template, call))
        except Problem as e:
            return Answer(e.status, e.body("-"))


async def open_parties(
    stack: AsyncExitStack, databases: Mapping[str, Mapping[str, Any]], plan: Plan, folder: Path
) -> Parties:
    pools = {
        client: await stack.enter_async_context(open_pool({**target, "max_size": 6}, "simulation"))
        for client, target in databases.items()
    }
    return Parties(pools, plan, SharedClock(folder / "clock"), folder / "repaired")
