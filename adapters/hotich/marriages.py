"""Entries of marriages. Rule: both are of age (law 52/2014, article 8: men 20, women 18) and neither is married."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from adapters.hotich.book import MARRIAGE, next_number
from adapters.people import today
from adapters.people.identifiers import Sex
from adapters.sdk import Call, Conflict, Connection, JsonObject, Refused

_AGE = {Sex.MALE: 20, Sex.FEMALE: 18}
_MARRIED = """
    select true from hotich.marriage where ended_on is null and (husband_id = any($1) or wife_id = any($1))
"""
_DEAD = "select true from hotich.death where person_id = any($1)"
_ENTER = """
    insert into hotich.marriage (number, registered_on, office, husband_id, husband_name, wife_id, wife_name)
    values ($1, $2, $3, $4, $5, $6, $7) returning *
"""


async def register_marriage(call: Call, connection: Connection) -> JsonObject:
    husband, wife = call.body["husband"], call.body["wife"]
    for spouse, sex in ((husband, Sex.MALE), (wife, Sex.FEMALE)):
        spouse["id"].verify_holder(sex=sex, birth_date=spouse["birth_date"])
        if _years(spouse["birth_date"], today()) < _AGE[sex]:
            raise Refused("Chưa đủ tuổi kết hôn (too young to marry)", code="too_young")
    number = await next_number(connection, MARRIAGE, today())  # from here on no other marriage is entered
    both = [str(husband["id"]), str(wife["id"])]
    if await connection.fetchval(_DEAD, both):
        raise Conflict("Có người đã mất (one of them is deceased)", code="deceased")
    if await connection.fetchval(_MARRIED, both):
        raise Conflict("Có người đang có vợ, có chồng (one of them is married)", code="already_married")
    row = await connection.fetchrow(
        _ENTER, number, today(), call.body["office"], both[0], husband["full_name"], both[1], wife["full_name"]
    )
    return marriage_record(row)


def _years(birth: date, day: date) -> int:
    return day.year - birth.year - ((day.month, day.day) < (birth.month, birth.day))


def marriage_record(row: Mapping[str, Any]) -> dict[str, object]:
    return {
        "number": row["number"],
        "registered_on": row["registered_on"].isoformat(),
        "office": row["office"],
        "husband_id": row["husband_id"],
        "husband_name": row["husband_name"],
        "wife_id": row["wife_id"],
        "wife_name": row["wife_name"],
        "ended_on": None if row["ended_on"] is None else row["ended_on"].isoformat(),
    }
