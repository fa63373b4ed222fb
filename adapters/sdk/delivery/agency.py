"""What an agency of linked procedures runs beside its adapter: the service `legs` on a port of its own, a worker for its outbox.

Rule: the agency's own rules decide. A Problem that they raise undoes the work of the leg and becomes a return with a listed reason;
an error that nobody foresaw, or that passes (5xx), undoes the receipt too, so that the leg comes again. What the work needs of
other systems is fetched before the receipt's transaction begins (`PreparedWork`), and its problems mean the same.
"""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from typing import Any

from structlog.typing import FilteringBoundLogger

from adapters.sdk.delivery.legs import (
    Coordinator,
    Later,
    LegRequest,
    Outcome,
    PreparedWork,
    Returned,
    Work,
    bootstrap_legs,
    is_known,
    leg_request,
    take_leg,
)
from adapters.sdk.delivery.outbox import Outbox
from adapters.sdk.delivery.road import open_road
from adapters.sdk.delivery.worker import DeliveryWorker
from adapters.sdk.postgres import Connection, Pool
from adapters.sdk.problems import Conflict, InvalidIdentifier, MalformedCall, Problem
from adapters.sdk.road import RoadHeaders
from adapters.sdk.schema import parse_date
from adapters.sdk.server import listening, parse_listen
from adapters.sdk.tls import Tls, road_of
from adapters.sdk.web import Adapter, Call, Effect, JsonObject, Prepared, build_app

_FOLDER = Path(__file__).parent / "leg_service"
_NUMBER = re.compile(r"[0-9]{12}")
_LAW = "ND-118-2025"
DIFFERS = Returned("THONG-TIN-KHONG-KHOP", _LAW)
KNOWN_ALREADY = Returned("HO-SO-TRUNG", _LAW)


@dataclass(frozen=True, slots=True)
class Agency:
    """`client`: who sends outcomes, `VN/GOV/G15/hotich`; `road`: the client proxy of its security server; `listen`: of the service.

    `reasons`: what a problem's code means as a return; a conflict means that it was done before, anything else that data differ.
    The fields that a problem names become the note of the return. `tls`: for the listener, and for an https `road`."""

    client: str
    listen: str
    road: str
    work: Mapping[str, Work | PreparedWork[Any]]
    reasons: Mapping[str, Returned] = field(default_factory=dict)
    coordinator: Coordinator = field(default_factory=Coordinator)
    tls: Tls | None = None

    def connected(self, environment: Mapping[str, str]) -> Agency:
        """The same, with road and files as the environment says (`tls.road_of`)."""
        road, tls = road_of(environment, self.road)
        return replace(self, road=road, tls=tls)

    async def run(self, pool: Pool, log: FilteringBoundLogger) -> None:
        """`Adapter.beside`."""
        await bootstrap_legs(pool)
        host, port = parse_listen(self.listen)
        outbox = Outbox(pool, _now, random.random)
        async with (
            listening(build_app(leg_adapter(self), pool, log), host, port, self.tls),
            open_road(self.road, self.client, tls=self.tls) as road,
        ):
            await DeliveryWorker(outbox, road, log, lanes=2).run(pool)


def leg_adapter(agency: Agency) -> Adapter:
    """The service `legs`."""

    def endpoints(pool: Pool) -> tuple[Effect, ...]:
        leg = Prepared(partial(_received, agency, pool), partial(_taken, agency))
        return (Effect("POST", "/v1/dossiers/{dossier_id}/legs/{leg}", leg, messages=True),)

    return Adapter("legs", _FOLDER, endpoints, formats={"vn-personal-number": _number}, max_body=1024 * 1024)


def needed(given: Mapping[str, Any], name: str) -> str:
    """The text that a leg needs of a form or document; MalformedCall when it is not there."""
    value = given.get(name)
    if not isinstance(value, str) or not value or "\0" in value:
        raise MalformedCall("Hồ sơ thiếu thông tin cho chặng này (the dossier lacks what this leg needs)")
    return value


def needed_date(given: Mapping[str, Any], name: str) -> date:
    """The same for a day."""
    try:
        return parse_date(needed(given, name))
    except ValueError as e:
        raise MalformedCall("Ngày tháng không hợp lệ (no such date)") from e


def own_call(body: Mapping[str, Any]) -> Call:
    """A call of one of the agency's own effects, with values as its document would have parsed them."""
    return Call(RoadHeaders(), {}, {}, body)


@dataclass(frozen=True, slots=True)
class _Received:
    """`work`: what is left of it for the transaction; None for a leg that is known."""

    asked: LegRequest
    work: Work | None


async def _received(agency: Agency, pool: Pool, call: Call) -> _Received:
    asked = leg_request(call)
    work = agency.work.get(asked.leg)
    if work is None:
        raise MalformedCall("Cơ quan này không xử lý chặng đó (this agency has no such leg)", code="unknown_leg")
    if not isinstance(work, PreparedWork):
        return _Received(asked, work)
    if await is_known(pool, asked):
        return _Received(asked, None)
    try:
        return _Received(asked, await work.ready(asked))
    except Problem as e:
        return _Received(asked, partial(_only, _returned(e, agency.reasons)))


async def _taken(agency: Agency, _: Call, connection: Connection, received: _Received) -> JsonObject:
    work = None if received.work is None else partial(_by_its_rules, received.work, agency.reasons)
    return await take_leg(connection, received.asked, work, agency.coordinator, _now())


async def _only(returned: Returned, _: Connection, __: LegRequest) -> Returned:
    return returned


async def _by_its_rules(
    does: Work, reasons: Mapping[str, Returned], connection: Connection, asked: LegRequest
) -> Outcome | Later:
    try:
        async with connection.transaction():
            return await does(connection, asked)
    except Problem as e:
        return _returned(e, reasons)


def _returned(problem: Problem, reasons: Mapping[str, Returned]) -> Returned:
    """What a rule that was not met means for the dossier; a problem that passes is raised."""
    if isinstance(problem, MalformedCall):
        return DIFFERS
    if problem.status >= 500:
        raise problem
    returned = reasons.get(problem.code, KNOWN_ALREADY if isinstance(problem, Conflict) else DIFFERS)
    return replace(returned, note="; ".join(f"{fault.pointer}: {fault.detail}" for fault in problem.errors))


def _number(text: str) -> str:
    if not _NUMBER.fullmatch(text):
        raise InvalidIdentifier("Số định danh cá nhân có 12 chữ số (a personal number has 12 digits)")
    return text


def _now() -> datetime:
    return datetime.now(UTC)
