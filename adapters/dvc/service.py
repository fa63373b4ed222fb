"""The endpoints of the portal as an information system."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from pathlib import Path

from structlog.typing import FilteringBoundLogger

from adapters.dvc.dossiers import deliver_result, dossiers_of, enter, find_dossier, own_dossier, tell_state
from adapters.dvc.inbox import Notification, inbox_of, notify
from adapters.dvc.seed import CITIZENS, VERSION, invented
from adapters.people.identifiers import parse_personal_number
from adapters.sdk import Adapter, Call, Connection, Effect, Endpoint, JsonObject, Pool, seed_once

_YEARS = range(2000, 2200)


def parse_moment(text: str) -> datetime:
    """ISO 8601 with a zone, in this or the last century; ValueError otherwise."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None or moment.year not in _YEARS:
        raise ValueError("a moment has a time zone, and lies in the years of electronic dossiers")
    return moment


async def send_notification(call: Call, connection: Connection) -> JsonObject:
    """To a person who takes part in the sender's own dossier; whoever has no account will not see it before opening one."""
    body = call.body
    await own_dossier(connection, call, body["dossier"])
    notification = Notification(
        person_id=str(body["person_id"]),
        dossier=body["dossier"],
        kind=body["kind"],
        at=body["at"],
        role=body.get("role"),
        count=body.get("count"),
        answer_by=body.get("answer_by"),
    )
    has_account = "select true from dvc.account where person_id = $1"
    return {
        "id": await notify(connection, notification),
        "has_account": bool(await connection.fetchval(has_account, notification.person_id)),
    }


async def _procedures(pool: Pool, _: Call) -> JsonObject:
    rows = await pool.fetch("select * from dvc.procedure order by code")
    return {
        "items": [
            {
                "code": row["code"],
                "title": {"vi": row["title_vi"], "en": row["title_en"]},
                "agency": {"vi": row["agency_vi"], "en": row["agency_en"]},
                "days": row["days"],
            }
            for row in rows
        ]
    }


def _endpoints(pool: Pool) -> tuple[Endpoint | Effect, ...]:
    return (
        Endpoint("GET", "/v1/procedures", partial(_procedures, pool)),
        Effect("POST", "/v1/dossiers", enter, messages=True),
        Endpoint("GET", "/v1/dossiers/{number}", partial(find_dossier, pool)),
        Effect("POST", "/v1/dossiers/{number}/states", tell_state, messages=True),
        Effect("POST", "/v1/dossiers/{number}/results", deliver_result, messages=True),
        Effect("POST", "/v1/notifications", send_notification, messages=True),
        Endpoint("GET", "/v1/persons/{id}/dossiers", partial(dossiers_of, pool)),
        Endpoint("GET", "/v1/persons/{id}/notifications", partial(inbox_of, pool)),
    )


def build_adapter(citizens: int = CITIZENS) -> Adapter:
    """The portal with invented accounts and dossiers of the first citizens, made when its database is still empty."""

    async def prepare(pool: Pool, log: FilteringBoundLogger) -> None:
        await seed_once(pool, VERSION, partial(invented, citizens), log)

    return Adapter(
        name="dvc",
        folder=Path(__file__).parent,
        endpoints=_endpoints,
        formats={"vn-personal-number": parse_personal_number, "date-time": parse_moment},
        prepare=prepare,
    )
