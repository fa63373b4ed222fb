"""Certified electronic copies (trích lục). Rule: what is signed is kept byte for byte and given out as it is.

A copy is asked for about a person who stands in the entry: its number alone opens nothing. The same entry may be copied many times,
each copy with a number of its own; the same request (idempotency key) gives the same copy.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from adapters.hotich.births import birth_record
from adapters.hotich.book import BIRTH, COPY, DEATH, MARRIAGE, next_number
from adapters.hotich.deaths import death_record
from adapters.hotich.marriages import marriage_record
from adapters.hotich.signing import Registrar
from adapters.people import today
from adapters.sdk import Call, Connection, JsonObject, NotFound, Pool

MEDIA_TYPE = "application/json"

_TITLES = {
    BIRTH: "Trích lục khai sinh (bản sao)",
    MARRIAGE: "Trích lục kết hôn (bản sao)",
    DEATH: "Trích lục khai tử (bản sao)",
}
_ENTRIES: Mapping[str, tuple[str, Callable[[Mapping[str, Any]], dict[str, object]], tuple[str, ...]]] = {
    BIRTH: ("select * from hotich.birth where number = $1", birth_record, ("child_id", "mother_id", "father_id")),
    MARRIAGE: ("select * from hotich.marriage where number = $1", marriage_record, ("husband_id", "wife_id")),
    DEATH: ("select * from hotich.death where number = $1", death_record, ("person_id",)),
}
_KEEP = """
    insert into hotich.copy (copy_number, registration, document, signature, persons, issued_on)
    values ($1, $2, $3, $4, $5, $6) returning *
"""


def issue_copy(registrar: Registrar) -> Callable[[Call, Connection], Awaitable[JsonObject]]:
    """The effect, with the registrar that signs."""

    async def issue(call: Call, connection: Connection) -> JsonObject:
        row = await certify(connection, registrar, call.body["registration"], str(call.body["person_id"]))
        return copy_record(row)

    return issue


async def certify(connection: Connection, registrar: Registrar, registration: str, person: str) -> Mapping[str, Any]:
    """The kept copy. NotFound when there is no such entry, or the person does not stand in it."""
    kind = registration.partition("-")[0]
    if kind not in _ENTRIES:
        raise _nothing()
    sql, record, roles = _ENTRIES[kind]
    entry = await connection.fetchrow(sql, registration)
    persons = [] if entry is None else [entry[role] for role in roles if entry[role] is not None]
    if person not in persons:
        raise _nothing()
    number = await next_number(connection, COPY, today())
    document = _document(number, kind, record(entry))
    signature = registrar.sign(document, datetime.now(UTC))
    row: Mapping[str, Any] = await connection.fetchrow(
        _KEEP, number, registration, document, signature, persons, today()
    )
    return row


async def find_copy(pool: Pool, call: Call) -> JsonObject:
    row = await pool.fetchrow("select * from hotich.copy where copy_number = $1", call.path["number"])
    if row is None:
        raise NotFound("Không có bản sao mang số này (no copy has this number)")
    return copy_record(row)


def _document(number: str, kind: str, entry: Mapping[str, object]) -> bytes:
    """UTF-8 JSON, members in this order, which is also the order on paper."""
    content = {"title": _TITLES[kind], "copy_number": number, "issued_on": today().isoformat(), "entry": dict(entry)}
    return json.dumps(content, ensure_ascii=False, indent=1).encode()


def _nothing() -> NotFound:
    return NotFound("Không có đăng ký này về người này (no such entry about this person)")


def copy_record(row: Mapping[str, Any]) -> dict[str, object]:
    return {
        "copy_number": row["copy_number"],
        "registration": row["registration"],
        "issued_on": row["issued_on"].isoformat(),
        "persons": list(row["persons"]),
        "media_type": MEDIA_TYPE,
        "document": base64.b64encode(row["document"]).decode(),
        "document_sha256": hashlib.sha256(row["document"]).hexdigest(),
        "signature": row["signature"],
    }
