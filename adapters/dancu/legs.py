"""The population register's legs of linked procedures. The rules are those of its own endpoints, which are called here."""

from __future__ import annotations

from adapters.dancu.changes import record_death, register_residence, remove_residence
from adapters.dancu.newborns import issue_number
from adapters.people import today
from adapters.people.identifiers import parse_household_code, parse_person_name, parse_personal_number
from adapters.sdk import Conflict, Connection
from adapters.sdk.delivery.agency import Agency, needed, needed_date, own_call
from adapters.sdk.delivery.legs import Done, LegRequest, Undone

_HOUSEHOLD = "select household_code from dancu.household_member where person_id = $1"


async def identifier(connection: Connection, asked: LegRequest) -> Done:
    """A number for the child of the registration; mother and father are those of the entry."""
    entry = asked.documents["registration"]
    body = {
        "birth_registration": needed(entry, "number"),
        "full_name": parse_person_name(needed(entry, "child_name")),
        "sex": needed(entry, "sex"),
        "birth_date": needed_date(entry, "birth_date"),
        "birth_place": needed(entry, "birth_place"),
        "ethnicity": needed(entry, "ethnicity"),
        "mother_id": parse_personal_number(asked.persons.get("mother", "")),
    }
    if "father" in asked.persons:
        body["father_id"] = parse_personal_number(asked.persons["father"])
    return Done({"id": (await issue_number(own_call(body), connection))["id"]})


async def residence(connection: Connection, asked: LegRequest) -> Done | Undone:
    """Into the household that the applicants name. Householder and owner have consented: without that this leg is not asked for."""
    child = parse_personal_number(needed(asked.documents["identifier"], "id"))
    if asked.action == "undo":
        if await connection.fetchval(_HOUSEHOLD, str(child)) is not None:
            moved = {"id": child, "reason": "moved", "effective_on": today()}
            await remove_residence(own_call(moved), connection)
        return Undone()
    body = {
        "id": child,
        "household_code": parse_household_code(needed(asked.form, "household_code")),
        "relation": needed(asked.form, "relation"),
        "householder_consent": asked.dossier_id,
        "registered_on": today(),
    }
    registered = await register_residence(own_call(body), connection)
    return Done({"id": str(child), "household_code": registered["household_code"]})


async def residence_removal(connection: Connection, asked: LegRequest) -> Done:
    """The death is recorded first, unless the register knew of it."""
    entry = asked.documents["registration"]
    person = parse_personal_number(asked.persons.get("deceased", ""))
    died = needed_date(entry, "death_date")
    try:
        async with connection.transaction():
            death = {"id": person, "death_date": died, "death_registration": needed(entry, "number")}
            await record_death(own_call(death), connection)
    except Conflict as e:
        if e.code != "already_deceased":
            raise
    removed = {"id": person, "reason": "deceased", "effective_on": today()}
    return Done(
        {"id": str(person), "household_code": (await remove_residence(own_call(removed), connection))["household_code"]}
    )


AGENCY = Agency(
    client="VN/GOV/G01/dancu",
    listen="127.0.10.1:9001",
    road="http://127.0.10.1:8080",
    work={"identifier": identifier, "residence": residence, "residence_removal": residence_removal},
)
