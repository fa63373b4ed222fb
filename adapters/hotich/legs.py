"""The civil-status register's legs of linked procedures: the entry with its certified copy; its child's number, and a new copy."""

from __future__ import annotations

from functools import partial
from typing import Any

from adapters.hotich.births import birth_record, confirm_birth, enter_birth, enter_number
from adapters.hotich.copies import certify
from adapters.hotich.deaths import confirm_death, death_record, enter_death
from adapters.hotich.notices import BIRTH, CLIENT, DEATH, ConfirmedBirth, ConfirmedDeath, Notices
from adapters.hotich.signing import Registrar
from adapters.people.identifiers import parse_person_name, parse_personal_number
from adapters.sdk import Connection, MalformedCall
from adapters.sdk.delivery.agency import Agency, needed, needed_date
from adapters.sdk.delivery.legs import Done, LegRequest, PreparedWork, Returned

ROAD = "http://127.0.10.3:8080"

_DIFFERS = "THONG-TIN-KHONG-KHOP"
_LAW = {"birth": "LUAT-HOTICH-2014-D16", "death": "LUAT-HOTICH-2014-D34"}
_UNSIGNED = Returned("THIEU-CHU-KY-SO", "CV-4040-BYT-BH")


def registration(registrar: Registrar, notices: Notices) -> PreparedWork[ConfirmedBirth | ConfirmedDeath]:
    """The hospital's notice first, then the entry and its copy."""

    async def confirm(asked: LegRequest) -> ConfirmedBirth | ConfirmedDeath:
        match asked.procedure:
            case "birth":
                return await confirm_birth(notices, _birth(asked), BIRTH)
            case "death":
                return await confirm_death(notices, _death(asked), DEATH)
            case _:
                raise MalformedCall("Thủ tục không thuộc hộ tịch (no such procedure here)")

    async def enter(connection: Connection, _: LegRequest, confirmed: ConfirmedBirth | ConfirmedDeath) -> Done:
        match confirmed:
            case ConfirmedBirth():
                return await _enter_birth(registrar, connection, confirmed)
            case ConfirmedDeath():
                return await _enter_death(registrar, connection, confirmed)

    return PreparedWork(confirm, enter)


def _birth(asked: LegRequest) -> dict[str, Any]:
    form, notice = asked.form, asked.documents["notice"]
    mother = parse_personal_number(asked.persons.get("mother", ""))
    entry = {
        "office": needed(form, "office"),
        "notice_number": needed(notice, "number"),
        "child_name": parse_person_name(needed(form, "child_name")),
        "sex": needed(form, "sex"),
        "birth_date": needed_date(form, "birth_date"),
        "birth_place": needed(form, "birth_place"),
        "ethnicity": needed(form, "ethnicity"),
        "mother_id": mother,
        "declarant_id": mother,
    }
    if "father" in asked.persons:
        entry["father_id"] = parse_personal_number(asked.persons["father"])
    return entry


async def _enter_birth(registrar: Registrar, connection: Connection, birth: ConfirmedBirth) -> Done:
    record = birth_record(await enter_birth(connection, birth))
    copy = await certify(connection, registrar, str(record["number"]), str(record["mother_id"]))
    shown = {name: value for name, value in record.items() if value is not None and name != "child_id"}
    return Done({**shown, "copy_number": copy["copy_number"]})


async def certificate(registrar: Registrar, connection: Connection, asked: LegRequest) -> Done:
    """The number that the child was given goes back into the entry; the copy that carries it is what the family keeps."""
    number = needed(asked.documents["registration"], "number")
    child = parse_personal_number(needed(asked.documents["identifier"], "id"))
    await enter_number(connection, number, child)
    copy = await certify(connection, registrar, number, str(child))
    return Done({"number": number, "id": str(child), "copy_number": copy["copy_number"]})


def _death(asked: LegRequest) -> dict[str, Any]:
    form, notice = asked.form, asked.documents["notice"]
    return {
        "office": needed(form, "office"),
        "notice_number": needed(notice, "number"),
        "person_id": parse_personal_number(asked.persons.get("deceased", "")),
        "full_name": parse_person_name(needed(form, "full_name")),
        "death_date": needed_date(form, "death_date"),
        "death_place": needed(form, "death_place"),
        "declarant_id": parse_personal_number(needed(form, "claimant_id")),
    }


async def _enter_death(registrar: Registrar, connection: Connection, death: ConfirmedDeath) -> Done:
    record = death_record(await enter_death(connection, death))
    person = str(record["person_id"])
    copy = await certify(connection, registrar, str(record["number"]), person)
    named = {"number": record["number"], "death_date": record["death_date"], "id": person}
    return Done({**named, "copy_number": copy["copy_number"]})


def agency(registrar: Registrar, notices: Notices) -> Agency:
    """With the registrar that signs the copies, and the notices that bear declarations out."""
    return Agency(
        client=CLIENT,
        listen="127.0.10.3:9001",
        road=ROAD,
        work={
            "registration": registration(registrar, notices),
            "certificate": partial(certificate, registrar),
        },
        reasons={
            "notice_not_signed": _UNSIGNED,
            "birth_differs": Returned(_DIFFERS, _LAW["birth"]),
            "death_differs": Returned(_DIFFERS, _LAW["death"]),
        },
    )
