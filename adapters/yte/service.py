"""Notices are taken in as they were sent, once each, and given out by their number; with an application they open a dossier."""

from __future__ import annotations

import binascii
from base64 import b64encode
from datetime import UTC, datetime
from pathlib import Path

from structlog.typing import FilteringBoundLogger

from adapters.people.identifiers import parse_personal_number
from adapters.sdk import Adapter, Call, Conflict, Connection, Effect, Endpoint, JsonObject, NotFound, Pool, Refused
from adapters.sdk.delivery import bootstrap_delivery
from adapters.yte.notices import parse_notice, parse_notice_number
from adapters.yte.openings import post_opening

_PERSONS = ("mother_id", "father_id", "deceased_id")
_TAKE = """
    insert into yte.notice (number, kind, facility, mother_id, father_id, deceased_id, document)
    values ($1, $2, $3, $4, $5, $6, $7) on conflict do nothing returning true
"""


async def take_notice(call: Call, connection: Connection) -> JsonObject:
    """Numbers of persons stand beside the document, where the citizens' log finds them; they must be those inside."""
    document = _decoded(call.body["document"])
    notice = parse_notice(document)
    beside = {name: str(call.body[name]) for name in _PERSONS if name in call.body}
    if beside != notice.persons:
        raise Refused(
            "Số định danh khác với số trong giấy (the numbers are not those of the notice)", code="other_persons"
        )
    persons = (notice.persons.get(name) for name in _PERSONS)
    if not await connection.fetchval(_TAKE, notice.number, notice.KIND, notice.facility, *persons, document):
        raise Conflict("Số giấy đã được dùng (another notice has this number)", code="number_used")
    if "application" in call.body:
        await post_opening(connection, notice, call.body["application"], datetime.now(UTC))
    return {"number": notice.number, "kind": notice.KIND}


def _decoded(text: str) -> bytes:
    try:
        return binascii.a2b_base64(text.encode(), strict_mode=True)
    except ValueError:
        return b""  # which is no notice


def _endpoints(pool: Pool) -> tuple[Endpoint | Effect, ...]:
    async def notice(call: Call) -> JsonObject:
        row = await pool.fetchrow("select * from yte.notice where number = $1", call.path["number"])
        if row is None:
            raise NotFound("Không có giấy mang số này (no notice has this number)")
        return {
            "number": row["number"],
            "kind": row["kind"],
            "facility": row["facility"],
            "received_at": row["received_at"].isoformat(),
            "document": b64encode(row["document"]).decode(),
            **{name: row[name] for name in _PERSONS if row[name] is not None},
        }

    return Effect("POST", "/v1/notices", take_notice), Endpoint("GET", "/v1/notices/{number}", notice)


def build_adapter() -> Adapter:
    """`openings.send_openings` has to run beside it."""

    async def prepare(pool: Pool, _: FilteringBoundLogger) -> None:
        await bootstrap_delivery(pool)

    return Adapter(
        name="yte",
        folder=Path(__file__).parent,
        endpoints=_endpoints,
        formats={"vn-personal-number": parse_personal_number, "yte-notice": parse_notice_number},
        prepare=prepare,
        max_body=1024 * 1024,
    )
