"""SQL of the population register. Rule: identifiers come in parsed, records go out as values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from adapters.people.identifiers import HouseholdCode, PersonalNumber, parse_personal_number
from adapters.people.model import Address, Household, Member, Person
from adapters.sdk import Pool

_PERSON = """
    select p.*, m.household_code from dancu.person p
    left join dancu.household_member m on m.person_id = p.id where p.id = $1
"""
_HOUSEHOLD = """
    select h.*, p.id, p.full_name, m.relation from dancu.household h
    join dancu.household_member m on m.household_code = h.code join dancu.person p on p.id = m.person_id
    where h.code = $1 order by m.position
"""


class PopulationSource:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def person(self, number: PersonalNumber) -> Person | None:
        row = await self._pool.fetchrow(_PERSON, str(number))
        return None if row is None else _person(row)

    async def household(self, code: HouseholdCode) -> Household | None:
        rows = await self._pool.fetch(_HOUSEHOLD, str(code))
        if not rows:
            return None
        first = rows[0]
        return Household(
            first["code"],
            Address(first["line"], first["commune"], first["province"]),
            tuple(Member(row["id"], row["full_name"], row["relation"]) for row in rows),
            first["as_of"],
        )


def _person(row: Mapping[str, Any]) -> Person:
    return Person(
        number=parse_personal_number(row["id"]),
        full_name=row["full_name"],
        birth_date=row["birth_date"],
        birth_place=row["birth_place"],
        nationality=row["nationality"],
        ethnicity=row["ethnicity"],
        religion=row["religion"],
        marital_status=row["marital_status"],
        permanent=Address(row["permanent_line"], row["permanent_commune"], row["permanent_province"]),
        current=Address(row["current_line"], row["current_commune"], row["current_province"]),
        household_code=row["household_code"],
        father_id=row["father_id"],
        mother_id=row["mother_id"],
        spouse_id=row["spouse_id"],
        status=row["status"],
        death_date=row["death_date"],
        previous_ids=tuple(row["previous_ids"]),
        as_of=row["as_of"],
    )
