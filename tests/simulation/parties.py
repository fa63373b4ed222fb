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
from adapters.lienthong.service import DossierService
from adapters.sdk import Connection, Problem, RoadHeaders, bootstrap, open_pool
from adapters.sdk.delivery import bootstrap_delivery
from adapters.sdk.delivery.judging import Answer
from adapters.sdk.delivery.legs import Coordinator, Done, LegRequest, Returned, bootstrap_legs, take_leg
from adapters.sdk.delivery.messages import json_body
from adapters.sdk.delivery.outbox import Claim
from adapters.sdk.delivery.road import NoAnswer
from adapters.sdk.web import Call
from gateway.core.identifiers import parse_client_id
from tests.architecture.source import ROOT
from tests.simulation.plan import BAD_REASONS, GOOD_REASON, Plan

COORDINATOR, PORTAL = "VN/GOV/G22/lienthong", "VN/GOV/G22/dvc"
LEGS = {
    "VN/GOV/G15/hotich": ("registration",),
    "VN/GOV/G01/dancu": ("identifier", "residence", "residence_removal"),
    "VN/GOV/G12/bhxh": ("insurance_card", "funeral_benefit"),
}
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
        self.service = DossierService(pools[COORDINATOR], self.desk, reasons)

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

    async def to_agency(self, client: str, call: Call) -> Mapping[str, object]:
        work = dict.fromkeys(LEGS[client], self._work)
        async with self.pools[client].acquire() as connection, connection.transaction():
            return await take_leg(connection, call, work, _LIFETIME, self.clock())

    async def _work(self, connection: Connection, asked: LegRequest) -> Done | Returned:
        number = asked.form["plan"]
        fate = self.plan.fates[number]
        row = (asked.dossier_id, asked.leg, asked.action, asked.round, number)
        await connection.execute("insert into work values ($1, $2, $3, $4, $5)", *row)
        if asked.leg == "registration" and fate.returned and asked.round == 1:
            reason = GOOD_REASON if fate.bad is None else BAD_REASONS[fate.bad]
            return Returned(reason["code"], reason["legal_reference"])
        return Done({"plan": number})

    async def to_coordinator(self, call: Call, path: str) -> Mapping[str, object]:
        return await (self.service.outcome(call) if path.endswith("/outcome") else self.service.undone(call))


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
        target = message.service.rpartition("/")[0]
        try:
            if target == COORDINATOR:
                receipt = await self._parties.to_coordinator(call, message.path)
            else:
                receipt = await self._parties.to_agency(target, call)
        except Problem as e:
            return Answer(e.status, e.body("-"))
        return Answer(200, json_body(receipt))


async def open_parties(
    stack: AsyncExitStack, databases: Mapping[str, Mapping[str, Any]], plan: Plan, folder: Path
) -> Parties:
    pools = {
        client: await stack.enter_async_context(open_pool({**target, "max_size": 6}, "simulation"))
        for client, target in databases.items()
    }
    return Parties(pools, plan, SharedClock(folder / "clock"), folder / "repaired")
