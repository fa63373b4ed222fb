"""Dossiers as their agencies tell of them. What the applicant has to know becomes a notification in the same transaction."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from adapters.dvc.catalogue import CLOSED, FINISHED, RESULT, RETURNED
from adapters.dvc.inbox import Notification, notify
from adapters.sdk import Call, Conflict, Connection, JsonObject, NotFound, Pool, Problem, Refused

_ENTER = """
    insert into dvc.dossier (number, agency, procedure, applicant_id, filed_at, due_at, state)
    values ($1, $2, $3, $4, $5, $6, 'received') on conflict do nothing returning true
"""
_STATE = """
    insert into dvc.state (dossier, position, state, at, step, agency, waiting_for, reason)
    select $1, coalesce(max(position), 0) + 1, $2, $3, $4, $5, $6, $7 from dvc.state where dossier = $1 returning position
"""
_RESULT = """
    insert into dvc.result (dossier, kind, reference, title, issued_by, at) values ($1, $2, $3, $4, $5, $6)
    on conflict do nothing returning true
"""
_OF = """
    select d.*, p.title_vi, p.title_en from dvc.dossier d join dvc.procedure p on p.code = d.procedure
    where applicant_id = $1 order by filed_at desc, number limit $2
"""
_ONE = """
    select d.*, p.title_vi, p.title_en from dvc.dossier d join dvc.procedure p on p.code = d.procedure where number = $1
"""
_MOST = 100


async def enter(call: Call, connection: Connection) -> JsonObject:
    body = call.body
    if not await connection.fetchval("select true from dvc.procedure where code = $1", body["procedure"]):
        raise Refused("Không có thủ tục này trong danh mục (no such procedure)", code="unknown_procedure")
    row = (body["number"], str(call.road.client), body["procedure"], str(body["applicant_id"]))
    if not await connection.fetchval(_ENTER, *row, body["filed_at"], body.get("due_at")):
        raise Conflict("Số hồ sơ đã có (this number is taken)", code="already_entered")
    position = await connection.fetchval(_STATE, body["number"], "received", body["filed_at"], None, None, "[]", None)
    return {"number": body["number"], "state": "received", "position": position}


async def tell_state(call: Call, connection: Connection) -> JsonObject:
    """The applicant is told of a return, with its reason, and of the end."""
    number, body = call.path["number"], call.body
    state, reason = body["state"], body.get("reason")
    if (state == "returned") != (reason is not None):
        raise Refused(
            "Lý do đi cùng việc trả hồ sơ (a return, and nothing else, has a reason)", code="reason_misplaced"
        )
    dossier = await own_dossier(connection, call, number)
    if dossier["state"] in CLOSED:
        raise Conflict("Hồ sơ đã kết thúc (the dossier is closed)", code="dossier_closed")
    position = await connection.fetchval(
        _STATE, number, state, body["at"], _json(body.get("step")), _json(body.get("agency")),
        _json(body.get("waiting_for", [])), _json(reason),
    )  # fmt: skip
    await connection.execute("update dvc.dossier set state = $2 where number = $1", number, state)
    if reason is not None:
        await _notify(connection, dossier, RETURNED, body["at"], reason["code"])
    if state == "finished":
        await _notify(connection, dossier, FINISHED, body["at"], None)
    return {"number": number, "state": state, "position": position}


async def deliver_result(call: Call, connection: Connection) -> JsonObject:
    number, body = call.path["number"], call.body
    dossier = await own_dossier(connection, call, number)
    row = (body["kind"], body["reference"], _json(body["title"]), _json(body["issued_by"]), body["at"])
    if not await connection.fetchval(_RESULT, number, *row):
        raise Conflict("Kết quả này đã được trả (this result was delivered)", code="already_delivered")
    await _notify(connection, dossier, RESULT, body["at"], body["reference"])
    return {"number": number, "kind": body["kind"], "reference": body["reference"]}


async def find_dossier(pool: Pool, call: Call) -> JsonObject:
    async with pool.acquire() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
        number = call.path["number"]
        row = await connection.fetchrow(_ONE, number)
        if row is None:
            raise _unknown()
        states = await connection.fetch("select * from dvc.state where dossier = $1 order by position", number)
        results = await connection.fetch("select * from dvc.result where dossier = $1 order by at, kind", number)
    return {
        **_summary(row),
        "applicant_id": row["applicant_id"],
        "states": [_state_record(state) for state in states],
        "results": [_result_record(result) for result in results],
    }


async def dossiers_of(pool: Pool, call: Call) -> JsonObject:
    """The newest first, at most a hundred."""
    return {"items": [_summary(row) for row in await pool.fetch(_OF, str(call.path["id"]), _MOST)]}


async def own_dossier(connection: Connection, call: Call, number: str) -> Mapping[str, Any]:
    """The dossier, locked: what is told of it comes one after the other. Only the agency that entered it goes on with it."""
    row: Mapping[str, Any] | None = await connection.fetchrow(
        "select * from dvc.dossier where number = $1 for update", number
    )
    if row is None:
        raise _unknown()
    if row["agency"] != str(call.road.client):
        raise Problem("Hồ sơ này của cơ quan khác (another agency's dossier)", status=403, code="not_your_dossier")
    return row


async def _notify(
    connection: Connection, dossier: Mapping[str, Any], kind: str, at: datetime, reference: str | None
) -> None:
    await notify(connection, Notification(dossier["applicant_id"], dossier["number"], kind, at, reference=reference))


def _summary(row: Mapping[str, Any]) -> dict[str, object]:
    return {
        "number": row["number"],
        "procedure": row["procedure"],
        "title": {"vi": row["title_vi"], "en": row["title_en"]},
        "agency": row["agency"],
        "filed_at": _moment(row["filed_at"]),
        "due_at": _moment(row["due_at"]),
        "state": row["state"],
    }


def _state_record(row: Mapping[str, Any]) -> dict[str, object]:
    words = {name: json.loads(row[name]) for name in ("step", "agency", "reason") if row[name] is not None}
    return {"state": row["state"], "at": _moment(row["at"]), "waiting_for": json.loads(row["waiting_for"]), **words}


def _result_record(row: Mapping[str, Any]) -> dict[str, object]:
    return {
        "kind": row["kind"],
        "reference": row["reference"],
        "title": json.loads(row["title"]),
        "issued_by": json.loads(row["issued_by"]),
        "at": _moment(row["at"]),
    }


def _json(value: object) -> str | None:
    return None if value is None else json.dumps(value, ensure_ascii=False)


def _moment(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()


def _unknown() -> NotFound:
    return NotFound("Không có hồ sơ mang số này (no dossier has this number)")
