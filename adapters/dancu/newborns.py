"""Personal numbers for newborns. Rule: one birth registration, one number; a number is never given twice.

The first six digits follow from sex and birth date, the last six are random, as decree 137/2015 has it. Two calls that draw the
same number meet at the table's primary key: one of them draws again.
"""

from __future__ import annotations

import secrets
from typing import Any

from adapters.people import today
from adapters.people.identifiers import PersonalNumber, Sex, personal_number
from adapters.people.model import ALIVE, SINGLE
from adapters.sdk import Call, Conflict, Connection, JsonObject, Refused

_DRAWS = 50  # with nine of ten numbers of a year taken, one call in two hundred would fail
_PARENT = """
    select sex, birth_date, death_date, permanent_line, permanent_commune, permanent_province,
           current_line, current_commune, current_province
    from dancu.person where id = $1
"""
_BORN = """
    insert into dancu.person
        (id, full_name, sex, birth_date, birth_place, nationality, ethnicity, marital_status,
         permanent_line, permanent_commune, permanent_province, current_line, current_commune, current_province,
         father_id, mother_id, status, as_of)
    values ($1, $2, $3, $4, $5, 'Việt Nam', $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)
    on conflict (id) do nothing returning true
"""


async def issue_number(call: Call, connection: Connection) -> JsonObject:
    """The child is written into the register with the mother's addresses; a household comes with its residence registration."""
    body = call.body
    if body["birth_date"] > today():
        raise Refused("Ngày sinh ở tương lai (the birth date is in the future)", code="future_date")
    issued = "select true from dancu.issued_number where birth_registration = $1"
    await connection.execute("select pg_advisory_xact_lock(hashtextextended($1, 1))", body["birth_registration"])
    if await connection.fetchval(issued, body["birth_registration"]):
        raise Conflict("Khai sinh này đã được cấp số (this birth already has a number)", code="already_issued")
    mother = await _parent(connection, body["mother_id"], Sex.FEMALE, body)
    if "father_id" in body:
        await _parent(connection, body["father_id"], Sex.MALE, body)
    number = await _written(connection, body, mother)
    await connection.execute(
        "insert into dancu.issued_number (birth_registration, person_id) values ($1, $2)",
        body["birth_registration"],
        str(number),
    )
    return {"id": str(number), "birth_registration": body["birth_registration"], "issued_on": today().isoformat()}


async def _parent(connection: Connection, number: PersonalNumber, sex: Sex, body: Any) -> Any:
    """A mother is alive at the birth, a father ten months before at the latest; both were born long before."""
    row = await connection.fetchrow(_PARENT, str(number))
    born = body["birth_date"]
    could_be = row is not None and row["sex"] == sex.value and born.year - row["birth_date"].year >= 10
    if not could_be or (
        row["death_date"] is not None and (born - row["death_date"]).days > (300 if sex is Sex.MALE else 0)
    ):
        raise Refused("Cha hoặc mẹ không phù hợp (no such parent, or one that cannot be)", code="impossible_parent")
    return row


async def _written(connection: Connection, body: Any, mother: Any) -> PersonalNumber:
    sex, born = Sex(body["sex"]), body["birth_date"]
    home = [mother[f"{kind}_{part}"] for kind in ("permanent", "current") for part in ("line", "commune", "province")]
    father = body.get("father_id")
    for _ in range(_DRAWS):
        number = personal_number(sex, born.year, secrets.randbelow(1_000_000))
        taken = not await connection.fetchval(
            _BORN, str(number), body["full_name"], sex.value, born, body["birth_place"], body["ethnicity"], SINGLE, *home,
            None if father is None else str(father), str(body["mother_id"]), ALIVE, today(),
        )  # fmt: skip
        if not taken:
            return number
    raise Conflict(
        "Kho số của năm sinh này sắp hết (the numbers of this birth year are running out)", code="numbers_used_up"
    )
