"""What other information systems may tell the coordinator. Each call is a message and is answered by its receipt.

Who may open, resubmit and withdraw is decided by the rights of the security server. Who may report an outcome is decided here: only
the agency whose leg it is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from adapters.lienthong.desk import Desk, Opening
from adapters.lienthong.model import Done, Event, Leg, NotPossible, Resubmitted, Returned, Undone, Withdrawn
from adapters.lienthong.reasons import BadReturn, Reasons, parse_reason
from adapters.sdk import (
    Adapter,
    Call,
    Connection,
    Effect,
    Endpoint,
    InvalidIdentifier,
    JsonObject,
    MalformedCall,
    Pool,
    Prepared,
    Problem,
)

_NUMBER = re.compile(r"[0-9]{12}")


class DossierService:
    def __init__(self, pool: Pool, desk: Desk, reasons: Reasons) -> None:
        self._pool = pool
        self._desk = desk
        self._reasons = reasons

    async def open(self, call: Call, connection: Connection) -> JsonObject:
        body = call.body
        opening = Opening(
            procedure=body["procedure"],
            province=body["province"],
            persons={part: str(number) for part, number in body["persons"].items()},
            consents={role: str(number) for role, number in body.get("consents", {}).items()},
            form=body["form"],
            document=body["document"],
            applicant=str(body["applicant"]) if "applicant" in body else None,
        )
        return {"dossier_id": await self._desk.open(connection, opening, _client(call))}

    async def status(self, call: Call) -> JsonObject:
        dossier, now = await self._desk.look(self._pool, call.path["dossier_id"])
        return {
            "dossier_id": dossier.id,
            "procedure": dossier.procedure,
            "status": dossier.status.value,
            "clock_until": dossier.clock_until.isoformat(),
            "legs": [_leg_state(leg, now) for leg in dossier.legs],
            "consents": [{"role": c.role, "status": c.status.value} for c in dossier.consents],
        }

    async def reported(self, call: Call) -> Done | Returned:
        """What the agency reports. A return without a listed reason is refused and counted, before anything is claimed."""
        if call.body["outcome"] == "done":
            return Done(call.path["leg"])
        try:
            return Returned(call.path["leg"], parse_reason(self._reasons, call.body.get("reason")))
        except BadReturn as e:
            await self._count(call, e)
            raise

    async def outcome(self, call: Call, connection: Connection, reported: Done | Returned) -> JsonObject:
        await self._check_agency(connection, call)
        match reported:
            case Done():
                document = call.body.get("document", {})
            case Returned():
                document = {"note": call.body["reason"].get("note", "")}
        return await self._event(connection, call, reported, document)

    async def undone(self, call: Call, connection: Connection) -> JsonObject:
        await self._check_agency(connection, call)
        return await self._event(connection, call, Undone(call.path["leg"]))

    async def resubmit(self, call: Call, connection: Connection) -> JsonObject:
        return await self._event(connection, call, Resubmitted(call.path["leg"]), call.body["form"])

    async def withdraw(self, call: Call, connection: Connection) -> JsonObject:
        if call.body["withdrawn"] is not True:
            raise MalformedCall("Rút hồ sơ phải được nói rõ (a withdrawal is said as such)")
        return await self._event(connection, call, Withdrawn())

    async def _event(
        self, connection: Connection, call: Call, event: Event, document: Mapping[str, Any] | None = None
    ) -> JsonObject:
        dossier_id = call.path["dossier_id"]
        try:
            dossier = await self._desk.happen(connection, dossier_id, event, _client(call), document)
        except NotPossible as e:
            raise Problem(
                "Hồ sơ không ở trạng thái cho phép việc này (the dossier is not in a state for this)",
                status=409,
                code=e.code,
            ) from e
        return {"dossier_id": dossier_id, "status": dossier.status.value}

    async def _check_agency(self, connection: Connection, call: Call) -> None:
        procedure = await connection.fetchval(
            "select procedure from lienthong.dossier where id = $1", call.path["dossier_id"]
        )
        leg = None if procedure is None else self._desk.definition(procedure).leg(call.path["leg"])
        if leg is None or leg.service is None or leg.client != str(call.road.client):
            raise Problem(
                "Chặng này không thuộc đơn vị gửi (this leg is not the sender's)", status=403, code="not_your_leg"
            )

    async def _count(self, call: Call, refused: BadReturn) -> None:
        """Once for each message, however often it is sent."""
        await self._pool.execute(
            "insert into lienthong.refused_return (sender, message_id, at, dossier, leg, cause, code)"
            " values ($1, $2, now(), $3, $4, $5, $6) on conflict do nothing",
            *(_client(call), call.idempotency_key or "-", call.path["dossier_id"], call.path["leg"]),
            *(refused.cause, refused.reason),
        )


def _leg_state(leg: Leg, now: datetime) -> JsonObject:
    return {
        "leg": leg.code,
        "status": leg.status.value,
        "stuck": leg.is_stuck(now),
        "since": None if leg.since is None else leg.since.isoformat(),
        "due": None if leg.due is None else leg.due.isoformat(),
        "ended": None if leg.ended is None else leg.ended.isoformat(),
        "reason": None if leg.reason is None else leg.reason.code,
    }


def parse_number(text: str) -> str:
    """A personal number, as far as the coordinator needs to know; whose it is, the agencies find out."""
    if not _NUMBER.fullmatch(text):
        raise InvalidIdentifier("Số định danh cá nhân có 12 chữ số (a personal number has 12 digits)")
    return text


def _client(call: Call) -> str:
    return "-" if call.road.client is None else str(call.road.client)


def build_adapter(desk: Desk, reasons: Reasons) -> Adapter:
    """What other information systems reach; the pages for people are in `web/`."""

    def endpoints(pool: Pool) -> tuple[Effect | Endpoint, ...]:
        service = DossierService(pool, desk, reasons)
        legs = "/v1/dossiers/{dossier_id}/legs/{leg}"
        return (
            Effect("POST", "/v1/dossiers", service.open, messages=True),
            Endpoint("GET", "/v1/dossiers/{dossier_id}", service.status),
            Effect("POST", f"{legs}/outcome", Prepared(service.reported, service.outcome), messages=True),
            Effect("POST", f"{legs}/undone", service.undone, messages=True),
            Effect("POST", f"{legs}/resubmission", service.resubmit, messages=True),
            Effect("POST", "/v1/dossiers/{dossier_id}/withdrawal", service.withdraw, messages=True),
        )

    formats = {"vn-personal-number": parse_number}
    return Adapter("lienthong", Path(__file__).parent, endpoints, formats=formats, max_body=1024 * 1024)
