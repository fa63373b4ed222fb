"""The endpoints of the population register, and the adapter that holds them together."""

from __future__ import annotations

from pathlib import Path

from structlog.typing import FilteringBoundLogger

from adapters.dancu.changes import record_death, register_residence, remove_residence
from adapters.dancu.load import load_population
from adapters.dancu.newborns import issue_number
from adapters.dancu.source import PopulationSource
from adapters.dancu.verification import Claim, check_claim
from adapters.people.generator import CITIZENS
from adapters.people.identifiers import parse_household_code, parse_person_name, parse_personal_number
from adapters.people.model import Address, Person
from adapters.sdk import Adapter, Call, Effect, Endpoint, JsonObject, NotFound, Pool


class PopulationService:
    def __init__(self, source: PopulationSource) -> None:
        self._source = source

    async def person(self, call: Call) -> JsonObject:
        person = await self._source.person(call.path["id"])
        if person is None:
            raise NotFound("Không có công dân mang số định danh này (no citizen has this number)")
        return person_record(person)

    async def verify(self, call: Call) -> JsonObject:
        body = call.body
        claim = Claim(body.get("full_name"), body.get("birth_date"), body.get("address"))
        results = check_claim(claim, await self._source.person(body["id"]))
        return {"results": {attribute: verdict.value for attribute, verdict in results.items()}}

    async def household(self, call: Call) -> JsonObject:
        household = await self._source.household(call.path["code"])
        if household is None:
            raise NotFound("Không có hộ mang mã này (no household has this code)")
        return {
            "code": household.code,
            "address": _address(household.address),
            "members": [{"id": m.id, "full_name": m.full_name, "relation": m.relation} for m in household.members],
            "as_of": household.as_of.isoformat(),
        }


def person_record(person: Person) -> JsonObject:
    return {
        "id": person.id,
        "full_name": person.full_name,
        "sex": person.sex.value,
        "birth_date": person.birth_date.isoformat(),
        "birth_place": person.birth_place,
        "nationality": person.nationality,
        "ethnicity": person.ethnicity,
        "religion": person.religion,
        "marital_status": person.marital_status,
        "residence": {"permanent": _address(person.permanent), "current": _address(person.current)},
        "household_code": person.household_code,
        "father_id": person.father_id,
        "mother_id": person.mother_id,
        "spouse_id": person.spouse_id,
        "status": person.status,
        "death_date": None if person.death_date is None else person.death_date.isoformat(),
        "previous_ids": list(person.previous_ids),
        "as_of": person.as_of.isoformat(),
    }


def _address(address: Address) -> JsonObject:
    return {
        "line": address.line,
        "commune": address.commune,
        "province": address.province,
        "text": address.text,
    }


def _endpoints(pool: Pool) -> tuple[Endpoint | Effect, ...]:
    service = PopulationService(PopulationSource(pool))
    return (
        Endpoint("GET", "/v1/persons/{id}", service.person),
        Endpoint("POST", "/v1/verify", service.verify),
        Endpoint("GET", "/v1/households/{code}", service.household),
        Effect("POST", "/v1/newborns", issue_number),
        Effect("POST", "/v1/residence-registrations", register_residence),
        Effect("POST", "/v1/residence-removals", remove_residence),
        Effect("POST", "/v1/deaths", record_death),
    )


def build_adapter(citizens: int = CITIZENS) -> Adapter:
    """The adapter with a population of at least that many citizens, generated when its database is still empty."""

    async def prepare(pool: Pool, log: FilteringBoundLogger) -> None:
        await load_population(pool, citizens, log)

    return Adapter(
        name="dancu",
        folder=Path(__file__).parent,
        endpoints=_endpoints,
        formats={
            "vn-personal-number": parse_personal_number,
            "dancu-household": parse_household_code,
            "person-name": parse_person_name,
        },
        prepare=prepare,
    )
