"""Residence and death in the population register. Rule: each change leaves a row that says on what it rests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from adapters.people import today
from adapters.people.identifiers import PersonalNumber
from adapters.people.model import ALIVE, DECEASED, HEAD, MARRIED, WIDOWED
from adapters.sdk import Call, Conflict, Connection, JsonObject, Refused

OTHER = "Thành viên khác"
_SPOUSES = ("Vợ", "Chồng")
_HOLDS_FOR_BOTH = ("Con", "Cháu")  # of whoever is the head, husband or wife

_MEMBERS = """
    select m.person_id, m.relation, p.birth_date from dancu.household_member m join dancu.person p on p.id = m.person_id
    where m.household_code = $1 order by m.position
"""
_MOVE_IN = """
    update dancu.person set permanent_line = $2, permanent_commune = $3, permanent_province = $4,
        current_line = $2, current_commune = $3, current_province = $4, as_of = $5 where id = $1
"""
_CHANGE = """
    insert into dancu.residence_change (person_id, household_code, change, householder_consent, effective_on)
    values ($1, $2, $3, $4, $5)
"""


@dataclass(frozen=True, slots=True)
class Resident:
    id: str
    relation: str
    birth_date: date


def without(residents: Sequence[Resident], leaving: str) -> tuple[Resident, ...]:
    """Who stays, the head first. A head that leaves is followed by the spouse, or by the eldest."""
    staying = [r for r in residents if r.id != leaving]
    if not staying or staying[0].relation == HEAD:
        return tuple(staying)
    spouse = next((r for r in staying if r.relation in _SPOUSES), None)
    head = spouse or min(staying, key=lambda r: r.birth_date)
    others = [r for r in staying if r is not head]
    if spouse is None:
        others = [replace(r, relation=OTHER) for r in others]
    else:
        others = [r if r.relation in _HOLDS_FOR_BOTH else replace(r, relation=OTHER) for r in others]
    return (replace(head, relation=HEAD), *others)


async def register_residence(call: Call, connection: Connection) -> JsonObject:
    """Into a household whose head has agreed; the address becomes the household's."""
    body = call.body
    _not_later_than_today(body["registered_on"])
    person = await _person(connection, body["id"])
    if person["status"] != ALIVE:
        raise Conflict("Người này đã mất (this person is deceased)", code="deceased")
    code = str(body["household_code"])
    home = await connection.fetchrow("select * from dancu.household where code = $1 for update", code)
    members = await connection.fetch(_MEMBERS, code)
    if home is None or not members:
        raise Refused("Không có hộ mang mã này (no household has this code)", code="unknown_household")
    if await _household_of(connection, body["id"]) is not None:
        raise Conflict("Người này đang thuộc một hộ (this person belongs to a household)", code="already_member")
    await connection.execute(
        "insert into dancu.household_member (household_code, position, person_id, relation) values ($1, $2, $3, $4)",
        code, len(members) + 1, str(body["id"]), body["relation"],
    )  # fmt: skip
    place = (home["line"], home["commune"], home["province"])
    await connection.execute(_MOVE_IN, str(body["id"]), *place, today())
    await connection.execute("update dancu.household set as_of = $2 where code = $1", code, today())
    await connection.execute(
        _CHANGE, str(body["id"]), code, "registered", body["householder_consent"], body["registered_on"]
    )
    return {
        "id": str(body["id"]),
        "household_code": code,
        "relation": body["relation"],
        "address": {
            "line": home["line"],
            "commune": home["commune"],
            "province": home["province"],
            "text": ", ".join(place),
        },
        "registered_on": body["registered_on"].isoformat(),
    }


async def remove_residence(call: Call, connection: Connection) -> JsonObject:
    body = call.body
    _not_later_than_today(body["effective_on"])
    person = await _person(connection, body["id"])
    if body["reason"] == "deceased" and person["status"] != DECEASED:
        raise Conflict("Chưa ghi nhận người này đã mất (this person is not recorded as deceased)", code="not_deceased")
    code = await _household_of(connection, body["id"])
    if code is None:
        raise Conflict("Người này không thuộc hộ nào (this person belongs to no household)", code="not_a_member")
    await connection.execute("select 1 from dancu.household where code = $1 for update", code)
    residents = [Resident(*row) for row in await connection.fetch(_MEMBERS, code)]
    await connection.execute("delete from dancu.household_member where household_code = $1", code)
    await connection.executemany(
        "insert into dancu.household_member (household_code, position, person_id, relation) values ($1, $2, $3, $4)",
        [(code, at, r.id, r.relation) for at, r in enumerate(without(residents, str(body["id"])), start=1)],
    )
    await connection.execute("update dancu.household set as_of = $2 where code = $1", code, today())
    await connection.execute(_CHANGE, str(body["id"]), code, body["reason"], None, body["effective_on"])
    return {
        "id": str(body["id"]),
        "household_code": code,
        "reason": body["reason"],
        "effective_on": body["effective_on"].isoformat(),
    }


async def record_death(call: Call, connection: Connection) -> JsonObject:
    """Status and date; the spouse is widowed. The household is left by a removal of residence."""
    body = call.body
    _not_later_than_today(body["death_date"])
    person = await _person(connection, body["id"])
    if person["status"] == DECEASED:
        raise Conflict("Đã ghi nhận người này mất (this person is recorded as deceased)", code="already_deceased")
    if body["death_date"] < person["birth_date"]:
        raise Refused("Ngày mất trước ngày sinh (the death is before the birth)", code="impossible_date")
    known = "select true from dancu.death where death_registration = $1"
    if await connection.fetchval(known, body["death_registration"]):
        raise Conflict("Số đăng ký khai tử đã dùng (this registration was used)", code="registration_used")
    await connection.execute(
        "update dancu.person set status = $2, death_date = $3, as_of = $4 where id = $1",
        str(body["id"]), DECEASED, body["death_date"], today(),
    )  # fmt: skip
    await connection.execute(
        "update dancu.person set marital_status = $2, as_of = $3 where spouse_id = $1 and status = $4 and marital_status = $5",
        str(body["id"]), WIDOWED, today(), ALIVE, MARRIED,
    )  # fmt: skip
    await connection.execute(
        "insert into dancu.death (person_id, death_registration) values ($1, $2)",
        str(body["id"]),
        body["death_registration"],
    )
    return {"id": str(body["id"]), "status": DECEASED, "death_date": body["death_date"].isoformat()}


async def _person(connection: Connection, number: PersonalNumber) -> Any:
    """Locked until the end of the transaction, so that two changes of one person follow each other."""
    row = await connection.fetchrow("select * from dancu.person where id = $1 for update", str(number))
    if row is None:
        raise Refused("Không có công dân mang số định danh này (no citizen has this number)", code="unknown_person")
    return row


async def _household_of(connection: Connection, number: PersonalNumber) -> str | None:
    asked = "select household_code from dancu.household_member where person_id = $1"
    code: str | None = await connection.fetchval(asked, str(number))
    return code


def _not_later_than_today(day: date) -> None:
    if day > today():
        raise Refused("Ngày ở tương lai (the date is in the future)", code="future_date")
