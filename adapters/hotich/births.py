"""Entries of births. Rule: one birth notice, one entry, as the notice says; the child's number is added once it has been issued."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from adapters.hotich.book import BIRTH, lock_book, next_number, not_in_the_future
from adapters.hotich.notices import ConfirmedBirth, Notices
from adapters.people import today
from adapters.people.identifiers import PersonalNumber, Sex
from adapters.sdk import Call, Conflict, Connection, JsonObject, NotFound, Prepared

_ENTER = """
    insert into hotich.birth (number, registered_on, office, notice_number, child_name, sex, birth_date, birth_place, ethnicity,
        mother_id, father_id, declarant_id)
    values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) returning *
"""
_NOTICE = "select true from hotich.birth where notice_number = $1"


def register_birth(notices: Notices) -> Prepared[ConfirmedBirth]:
    """The effect, with the notices that bear declarations out."""

    async def confirm(call: Call) -> ConfirmedBirth:
        return await confirm_birth(notices, call.body, call.road.purpose)

    async def register(_: Call, connection: Connection, birth: ConfirmedBirth) -> JsonObject:
        return birth_record(await enter_birth(connection, birth))

    return Prepared(confirm, register)


async def confirm_birth(notices: Notices, birth: Mapping[str, Any], purpose: str | None) -> ConfirmedBirth:
    """Refused when the birth cannot be, there is no such notice, or it says otherwise; SourceUnavailable when nobody can say."""
    not_in_the_future(today(), birth["birth_date"])
    return await notices.confirm_birth(birth, purpose)


async def enter_birth(connection: Connection, confirmed: ConfirmedBirth) -> Mapping[str, Any]:
    """The new entry. Conflict when the notice has one."""
    birth, day = confirmed.declared, today()
    number = await next_number(connection, BIRTH, day)  # from here on no other birth is entered
    if await connection.fetchval(_NOTICE, birth["notice_number"]):
        raise Conflict("Giấy chứng sinh này đã được đăng ký (this notice was registered)", code="already_registered")
    row: Mapping[str, Any] = await connection.fetchrow(
        _ENTER, number, day, birth["office"], birth["notice_number"], birth["child_name"], birth["sex"],
        birth["birth_date"], birth["birth_place"], birth["ethnicity"], str(birth["mother_id"]),
        _text(birth.get("father_id")), str(birth["declarant_id"]),
    )  # fmt: skip
    return row


async def add_number(call: Call, connection: Connection) -> JsonObject:
    return birth_record(await enter_number(connection, call.path["number"], call.body["id"]))


async def enter_number(connection: Connection, number: str, child: PersonalNumber) -> Mapping[str, Any]:
    """The entry with the child's personal number, which must fit its sex and birth year."""
    await lock_book(connection, BIRTH)
    row = await connection.fetchrow("select * from hotich.birth where number = $1 for update", number)
    if row is None:
        raise NotFound("Không có đăng ký mang số này (no entry has this number)")
    child.verify_holder(sex=Sex(row["sex"]), birth_date=row["birth_date"])
    known = await connection.fetchval("select number from hotich.birth where child_id = $1", str(child))
    if row["child_id"] not in (None, str(child)) or known not in (None, number):
        raise Conflict(
            "Khai sinh hoặc số này đã gắn với số khác (entry or number belong elsewhere)", code="already_numbered"
        )
    changed = "update hotich.birth set child_id = $2 where number = $1 returning *"
    entry: Mapping[str, Any] = await connection.fetchrow(changed, number, str(child))
    return entry


def birth_record(row: Mapping[str, Any]) -> dict[str, object]:
    return {
        "number": row["number"],
        "registered_on": _day(row["registered_on"]),
        "office": row["office"],
        "child_name": row["child_name"],
        "sex": row["sex"],
        "birth_date": _day(row["birth_date"]),
        "birth_place": row["birth_place"],
        "ethnicity": row["ethnicity"],
        "child_id": row["child_id"],
        "mother_id": row["mother_id"],
        "father_id": row["father_id"],
    }


def _day(day: date) -> str:
    return day.isoformat()


def _text(number: PersonalNumber | None) -> str | None:
    return None if number is None else str(number)
