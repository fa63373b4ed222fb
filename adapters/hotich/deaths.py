"""Entries of deaths. Rule: nobody dies twice, nobody without a notice; a marriage ends with the death."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from adapters.hotich.book import DEATH, next_number, not_in_the_future
from adapters.hotich.notices import ConfirmedDeath, Notices
from adapters.people import today
from adapters.sdk import Call, Conflict, Connection, JsonObject, Prepared, Refused

_ENTER = """
    insert into hotich.death (number, registered_on, office, notice_number, person_id, full_name, death_date, death_place,
        declarant_id)
    values ($1, $2, $3, $4, $5, $6, $7, $8, $9) returning *
"""
_KNOWN = "select true from hotich.death where person_id = $1 or notice_number = $2"
_WIDOW = "update hotich.marriage set ended_on = $2 where ended_on is null and (husband_id = $1 or wife_id = $1)"


def register_death(notices: Notices) -> Prepared[ConfirmedDeath]:
    """The effect, with the notices that bear declarations out."""

    async def confirm(call: Call) -> ConfirmedDeath:
        return await confirm_death(notices, call.body, call.road.purpose)

    async def register(_: Call, connection: Connection, death: ConfirmedDeath) -> JsonObject:
        return death_record(await enter_death(connection, death))

    return Prepared(confirm, register)


async def confirm_death(notices: Notices, death: Mapping[str, Any], purpose: str | None) -> ConfirmedDeath:
    """Refused when the death cannot be, there is no such notice, or it says otherwise; SourceUnavailable when nobody can say."""
    not_in_the_future(today(), death["death_date"])
    if death["person_id"].birth_year > death["death_date"].year:
        raise Refused("Ngày mất trước ngày sinh (the death is before the birth)", code="impossible_date")
    if death["declarant_id"] == death["person_id"]:
        raise Refused("Người mất không thể khai (the deceased cannot declare)", code="impossible_declarant")
    return await notices.confirm_death(death, purpose)


async def enter_death(connection: Connection, confirmed: ConfirmedDeath) -> Mapping[str, Any]:
    """The new entry. Conflict when the person, or the notice, has one."""
    death, day = confirmed.declared, today()
    number = await next_number(connection, DEATH, day)  # from here on no other death is entered
    person = str(death["person_id"])
    if await connection.fetchval(_KNOWN, person, death["notice_number"]):
        raise Conflict("Đã đăng ký khai tử (this death was registered)", code="already_registered")
    row: Mapping[str, Any] = await connection.fetchrow(
        _ENTER, number, day, death["office"], death["notice_number"], person, death["full_name"],
        death["death_date"], death["death_place"], str(death["declarant_id"]),
    )  # fmt: skip
    await connection.execute(_WIDOW, person, death["death_date"])
    return row


def death_record(row: Mapping[str, Any]) -> dict[str, object]:
    return {
        "number": row["number"],
        "registered_on": row["registered_on"].isoformat(),
        "office": row["office"],
        "person_id": row["person_id"],
        "full_name": row["full_name"],
        "death_date": row["death_date"].isoformat(),
        "death_place": row["death_place"],
    }
