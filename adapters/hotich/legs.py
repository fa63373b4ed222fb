"""The civil-status register's legs of linked procedures: the entry with its certified copy; its child's number, and a new copy."""

from __future__ import annotations

from functools import partial

from adapters.hotich.births import birth_record, enter_birth, enter_number
from adapters.hotich.copies import certify
from adapters.hotich.deaths import death_record, enter_death
from adapters.hotich.notices import BIRTH, CLIENT, DEATH, Notices
from adapters.hotich.signing import Registrar
from adapters.people.identifiers import parse_person_name, parse_personal_number
from adapters.sdk import Connection, MalformedCall
from adapters.sdk.delivery.agency import Agency, needed, needed_date
from adapters.sdk.delivery.legs import Done, LegRequest, Returned

ROAD = "http://127.0.10.3:8080"

_DIFFERS = "THONG-TIN-KHONG-KHOP"
_LAW = {"birth": "LUAT-HOTICH-2014-D16", "death": "LUAT-HOTICH-2014-D34"}
_UNSIGNED = Returned("THIEU-CHU-KY-SO", "CV-4040-BYT-BH")


async def registration(registrar: Registrar, notices: Notices, connection: Connection, asked: LegRequest) -> Done:
    match asked.procedure:
        case "birth":
            return await _birth(registrar, notices, connection, asked)
        case "death":
            return await _death(registrar, notices, connection, asked)
        case _:
            raise MalformedCall("Thủ tục không thuộc hộ tịch (no such procedure here)")


async def _birth(registrar: Registrar, notices: Notices, connection: Connection, asked: LegRequest) -> Done:
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
    record = birth_record(await enter_birth(connection, entry, notices, BIRTH))
    copy = await certify(connection, registrar, str(record["number"]), str(mother))
    shown = {name: value for name, value in record.items() if value is not None and name != "child_id"}
    return Done({**shown, "copy_number": copy["copy_number"]})


async def certificate(registrar: Registrar, connection: Connection, asked: LegRequest) -> Done:
    """The number that the child was given goes back into the entry; the copy that carries it is what the family keeps."""
    number = needed(asked.documents["registration"], "number")
    child = parse_personal_number(needed(asked.documents["identifier"], "id"))
    await enter_number(connection, number, child)
    copy = await certify(connection, registrar, number, str(child))
    return Done({"number": number, "id": str(child), "copy_number": copy["copy_number"]})


async def _death(registrar: Registrar, notices: Notices, connection: Connection, asked: LegRequest) -> Done:
    form, notice = asked.form, asked.documents["notice"]
    person = parse_personal_number(asked.persons.get("deceased", ""))
    entry = {
        "office": needed(form, "office"),
        "notice_number": needed(notice, "number"),
        "person_id": person,
        "full_name": parse_person_name(needed(form, "full_name")),
        "death_date": needed_date(form, "death_date"),
        "death_place": needed(form, "death_place"),
        "declarant_id": parse_personal_number(needed(form, "claimant_id")),
    }
    record = death_record(await enter_death(connection, entry, notices, DEATH))
    copy = await certify(connection, registrar, str(record["number"]), str(person))
    named = {"number": record["number"], "death_date": record["death_date"], "id": str(person)}
    return Done({**named, "copy_number": copy["copy_number"]})


def agency(registrar: Registrar, notices: Notices) -> Agency:
    """With the registrar that signs the copies, and the notices that bear declarations out."""
    return Agency(
        client=CLIENT,
        listen="127.0.10.3:9001",
        road=ROAD,
        work={
            "registration": partial(registration, registrar, notices),
            "certificate": partial(certificate, registrar),
        },
        reasons={
            "notice_not_signed": _UNSIGNED,
            "birth_differs": Returned(_DIFFERS, _LAW["birth"]),
            "death_differs": Returned(_DIFFERS, _LAW["death"]),
        },
    )
