"""A coordinator and three stand-in agencies over real databases and HTTP; the road between them may be broken by a test."""

from __future__ import annotations

import io
import random
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime
from pathlib import Path
from textwrap import dedent
from typing import Any

from aiohttp.test_utils import TestClient, TestServer

from adapters import dvc, lienthong
from adapters.lienthong.definition import load_definitions
from adapters.lienthong.desk import Desk
from adapters.lienthong.portal import Portal
from adapters.lienthong.reasons import ListedReason, Reasons
from adapters.lienthong.service import build_adapter
from adapters.lienthong.ticker import Ticker
from adapters.sdk import Adapter, Call, Connection, Effect, JsonObject, bootstrap, build_app
from adapters.sdk.access import adapter_log
from adapters.sdk.delivery import DeliveryWorker, Outbox
from adapters.sdk.delivery.judging import Answer
from adapters.sdk.delivery.legs import (
    Coordinator,
    Done,
    Later,
    LegRequest,
    Outcome,
    Undone,
    bootstrap_legs,
    leg_request,
    take_leg,
)
from adapters.sdk.delivery.outbox import Claim, bootstrap_delivery
from adapters.sdk.delivery.road import NoAnswer
from adapters.sdk.workingdays import load_working_days
from tests.architecture.source import ROOT
from tests.support.databases import Content, Databases, adapters_content, register_of
from tests.support.delivery import Clock

_LIENTHONG = Path(lienthong.__file__).parent
_CITIZENS = 10  # of the portal
COORDINATOR = "VN/GOV/G22/lienthong"
PORTAL = "VN/GOV/G22/dvc"
LEGS = {
    "VN/GOV/G15/hotich": ("registration", "certificate"),
    "VN/GOV/G01/dancu": ("identifier", "residence", "residence_removal"),
    "VN/GOV/G12/bhxh": ("insurance_card", "funeral_benefit"),
}
HOLIDAYS = ROOT / "config" / "codes" / "holidays.yaml"
DEFINITIONS = load_definitions(calendar=load_working_days(HOLIDAYS))
MOTHER, FATHER, HOUSEHOLDER, OWNER = "999300000017", "999204000058", "999070000015", "999173000034"
REASONS: Reasons = {
    "THONG-TIN-KHONG-KHOP": ListedReason("Thông tin không khớp", "Data differ", frozenset({"ND-118-2025"}), None),
    "CHU-HO-KHONG-DONG-Y": ListedReason("Chủ hộ không đồng ý", "No consent", frozenset({"LUAT-CUTRU-2020-D22"}), None),
    "DOI-BAN-SAO-CAN-CUOC": ListedReason("Đòi bản sao căn cước", "A copy", frozenset({"ND-118-2025"}), "GOV/G01/dancu"),
}

_OPENAPI = """
    openapi: 3.0.3
    info: {title: legs, version: 1.0.0}
    paths:
      /v1/dossiers/{dossier_id}/legs/{leg}:
        post:
          parameters:
            - {name: dossier_id, in: path, required: true, schema: {type: string}}
            - {name: leg, in: path, required: true, schema: {type: string}}
            - {name: Idempotency-Key, in: header, required: true, schema: {type: string}}
          requestBody:
            content:
              application/json:
                schema:
                  type: object
                  additionalProperties: false
                  required: [dossier_id, procedure, leg, action, round, ask, province, persons, form, documents]
                  properties:
                    dossier_id: {type: string}
                    procedure: {type: string}
                    leg: {type: string}
                    action: {type: string, enum: [do, undo]}
                    round: {type: integer, minimum: 1}
                    ask: {type: integer, minimum: 1}
                    province: {type: string}
                    persons: {type: object}
                    form: {type: object}
                    documents: {type: object}
          responses: {}
"""
_MANIFEST = """
    name: agency
    title: An agency
    owner: GOV/T01
    synthetic: true
    service: VN/GOV/T01/agency/legs
    endpoints:
      POST /v1/dossiers/{dossier_id}/legs/{leg}: {action: {vi: Một chặng, en: A leg}, subjects: none}
"""
_SCHEMA = (
    "--- 1: work\ncreate table work (number serial, dossier_id text, leg text, action text, round int, given jsonb);\n"
)


class Agency:
    """`decide`: the outcome of a leg; None is an ordinary Done. Work leaves a row without constraints, so doubles would show."""

    def __init__(self, client: str, pool: Any, clock: Clock) -> None:
        self.client = client
        self.pool = pool
        self.clock = clock
        self.decide: Callable[[LegRequest], Outcome | Later | None] = lambda _: None

    async def work(self, connection: Connection, asked: LegRequest) -> Outcome | Later:
        await connection.execute(
            "insert into work (dossier_id, leg, action, round) values ($1, $2, $3, $4)",
            *(asked.dossier_id, asked.leg, asked.action, asked.round),
        )
        outcome = self.decide(asked)
        if outcome is not None:
            return outcome
        return Undone() if asked.action == "undo" else Done({"by": self.client, "leg": asked.leg})

    async def leg(self, call: Call, connection: Connection) -> JsonObject:
        return await take_leg(connection, leg_request(call), self.work, Coordinator(), self.clock())

    def adapter(self, folder: Path) -> Adapter:
        for name, text in (("openapi.yaml", _OPENAPI), ("manifest.yaml", _MANIFEST), ("schema.sql", _SCHEMA)):
            (folder / name).write_text(dedent(text), "utf-8")
        endpoint = Effect("POST", "/v1/dossiers/{dossier_id}/legs/{leg}", self.leg, messages=True)
        return Adapter("agency", folder, lambda _: (endpoint,))

    async def done(self) -> list[tuple[str, str, str]]:
        rows = await self.pool.fetch("select dossier_id, leg, action from work order by number")
        return [tuple(row) for row in rows]


class LinkedRoad:
    """`broken`: says of an attempt whether it is lost before it arrives ("lost"), after ("answer lost"), or not (None)."""

    def __init__(self, client: str, world: LinkedWorld) -> None:
        self._client = client
        self._world = world

    async def send(self, claim: Claim) -> Answer:
        how = self._world.broken(self._client, claim)
        if how == "lost":
            raise NoAnswer("network")
        message = claim.message
        named = (self._client, message.service, message.path, message.body, str(message.message_id))
        answer = await self._world.call(*named, attempt_id=str(claim.attempt_id), purpose=message.purpose or "none")
        if how == "answer lost":
            raise NoAnswer("network")
        return answer


class LinkedWorld:
    def __init__(self, clock: Clock, portal: Portal | None = None) -> None:
        self.clock = clock
        self.pools: dict[str, Any] = {}
        self.agencies: dict[str, Agency] = {}
        self.clients: dict[str, TestClient[Any, Any]] = {}
        self.workers: dict[str, DeliveryWorker] = {}
        self.broken: Callable[[str, Claim], str | None] = lambda _, __: None
        self.desk = Desk(DEFINITIONS, clock, portal)
        self.log = io.StringIO()

    @property
    def pool(self) -> Any:
        return self.pools[COORDINATOR]

    async def call(
        self,
        client: str,
        service: str,
        path: str,
        body: bytes,
        message_id: str,
        *,
        attempt_id: str = "-",
        purpose: str = "-",
    ) -> Answer:
        """As a security server passes it on."""
        headers = {
            "X-Road-Client": client,
            "X-Road-Service": service,
            "X-Road-Id": attempt_id,
            "Idempotency-Key": message_id,
            "Content-Type": "application/json",
            "Purpose-Code": purpose,
        }
        target = self.clients[service.rpartition("/")[0]]
        async with target.post(path, data=body, headers=headers) as answer:
            return Answer(answer.status, await answer.read())

    async def work(self) -> None:
        """Until no worker has anything that is due."""
        while any([await worker.step() for worker in self.workers.values()]):
            pass

    async def pass_time(self, days: float, *, step: float = 0.25) -> None:
        for _ in range(max(1, round(days / step))):
            self.clock.advance(step * 86400)
            while await Ticker(self.pool, self.desk, self.clock).step():
                pass
            await self.work()

    async def dossier(self, dossier_id: str) -> Mapping[str, Any]:
        found: Mapping[str, Any] = await self.pool.fetchrow("select * from lienthong.dossier where id = $1", dossier_id)
        return found


@asynccontextmanager
async def linked_world(
    databases: Databases, folder: Path, now: datetime | None = None, portal: Portal | None = None
) -> AsyncIterator[LinkedWorld]:
    """`portal`: with one, the real adapter of the portal is there too."""
    clock = Clock() if now is None else Clock(now)
    world = LinkedWorld(clock, portal)
    log = adapter_log("linked", world.log)
    async with AsyncExitStack() as stack:
        for client in (COORDINATOR, *LEGS, *([] if portal is None else [PORTAL])):
            _, pool = await stack.enter_async_context(databases.lend(_content(client)))
            world.pools[client] = pool
            world.clients[client] = TestClient(TestServer(build_app(_adapter(world, client, pool, folder), pool, log)))
            await world.clients[client].start_server()
            stack.push_async_callback(world.clients[client].close)
            outbox = Outbox(pool, clock, random.Random(1).random)
            world.workers[client] = DeliveryWorker(outbox, LinkedRoad(client, world), log, batch=8)
        yield world


def _content(client: str) -> Content:
    if client == PORTAL:
        return register_of(_portal(), _CITIZENS, bootstrap_delivery)
    if client == COORDINATOR:
        schema = (_LIENTHONG / "schema.sql").read_text("utf-8")
        return adapters_content("coordinator", bootstrap_delivery, lambda pool: bootstrap(pool, "lienthong", schema))
    return adapters_content("stand-in", bootstrap_legs, lambda pool: bootstrap(pool, "agency", _SCHEMA))


def _portal() -> Adapter:
    return dvc.build_adapter(_CITIZENS)


def _adapter(world: LinkedWorld, client: str, pool: Any, folder: Path) -> Adapter:
    if client == PORTAL:
        return _portal()
    if client == COORDINATOR:
        return build_adapter(world.desk, REASONS)
    agency = world.agencies[client] = Agency(client, pool, world.clock)
    own = folder / client.replace("/", "-")
    own.mkdir()
    return agency.adapter(own)
