"""The hospital's notice behind a declaration: fetched from the ministry of health, its signature judged, its content compared.

Rule: nothing is entered in the book that the facility's signed notice does not bear out, and only this module makes the values that
the book takes. The numbers beside the document are the ministry's; what counts here stands in the document, under the signature
of the facility that it names. The ministry is asked before the entry is begun: nobody waits for it with the book in his hand.

  1. fetch    by number, through our own security server: recorded for the persons whom the notice names
  2. judge    signed as a whole, by the facility that it names, with a certificate of the facilities' authority
  3. read     the form of facilities' data (decision 130/QĐ-BYT)
  4. compare  with the declaration; the planned name is no promise: parents may choose another
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, TypeAlias

from cryptography.x509.oid import NameOID

from adapters.people import VIETNAM
from adapters.people.identifiers import Sex, parse_personal_number
from adapters.sdk import InvalidIdentifier, Refused
from adapters.sdk.problems import FieldProblem
from adapters.sdk.signedxml import DocumentRejected, TrustList, VerifiedDocument, verify_document
from adapters.sdk.sources import RecordSource, RoadSource
from adapters.sdk.tls import Tls
from adapters.sdk.xmltree import NotXml, parse_tree

DIRECT, BIRTH, DEATH = "HOTICH-DANG-KY", "LIEN-THONG-KHAI-SINH", "LIEN-THONG-KHAI-TU"
"""For what a notice is asked for: an office registers by itself, or in a linked procedure."""

CLIENT, SERVICE = "VN/GOV/G15/hotich", "VN/GOV/G18/yte/notices"

OLDEST = timedelta(days=366)
"""A notice that was signed longer ago is a matter for an officer."""

_NUMBER = re.compile(r"(?:CS|BT)-[0-9]{5}-[0-9]{4}-[0-9]{6}")


@dataclass(frozen=True, slots=True)
class BirthNotice:
    """`born_on`: the day in Vietnam; a father only when the mother named one."""

    facility: str
    number: str
    born_on: date
    sex: Sex
    mother_id: str
    father_id: str | None


@dataclass(frozen=True, slots=True)
class DeathNotice:
    """`died_on`: the day in Vietnam."""

    facility: str
    number: str
    died_on: date
    full_name: str
    person_id: str


Notice: TypeAlias = BirthNotice | DeathNotice


@dataclass(frozen=True, slots=True)
class ConfirmedBirth:
    """`declared`: the birth that the notice bears out."""

    declared: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class ConfirmedDeath:
    """`declared`: the death that the notice bears out."""

    declared: Mapping[str, Any] = field(repr=False)


class Notices:
    """`sources`: by purpose, where notices are asked for; `facilities`: whose certificates count; `clock`: with its zone."""

    def __init__(
        self,
        sources: Mapping[str, RecordSource],
        facilities: TrustList,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._sources = sources
        self._facilities = facilities
        self._clock = clock

    async def confirm_birth(self, birth: Mapping[str, Any], purpose: str | None) -> ConfirmedBirth:
        """Refused: `unknown_notice`, `notice_not_signed`, `birth_differs`; SourceUnavailable when nobody can say."""
        notice = await self._fetched(birth["notice_number"], purpose)
        if not isinstance(notice, BirthNotice):
            raise _unknown()
        father = birth.get("father_id")
        differs = {
            "/sex": birth["sex"] != notice.sex.value,
            "/birth_date": birth["birth_date"] != notice.born_on,
            "/mother_id": str(birth["mother_id"]) != notice.mother_id,
            "/father_id": None not in (father, notice.father_id) and str(father) != notice.father_id,
        }
        _refuse(differs, "birth_differs")
        return ConfirmedBirth(birth)

    async def confirm_death(self, death: Mapping[str, Any], purpose: str | None) -> ConfirmedDeath:
        """Refused: `unknown_notice`, `notice_not_signed`, `death_differs`; SourceUnavailable when nobody can say."""
        notice = await self._fetched(death["notice_number"], purpose)
        if not isinstance(notice, DeathNotice):
            raise _unknown()
        differs = {
            "/person_id": str(death["person_id"]) != notice.person_id,
            "/full_name": death["full_name"] != notice.full_name,
            "/death_date": death["death_date"] != notice.died_on,
        }
        _refuse(differs, "death_differs")
        return ConfirmedDeath(death)

    async def _fetched(self, number: str, purpose: str | None) -> Notice:
        if not _NUMBER.fullmatch(number):
            raise _unknown()
        source = self._sources.get(purpose or DIRECT, self._sources[DIRECT])
        found = await source.find(number)
        if found is None:
            raise _unknown()
        notice = judged(_decoded(found.get("document")), self._facilities, self._clock())
        if notice.number != number:
            raise _not_signed()
        return notice


def ask_for_notices(road: str, tls: Tls | None, facilities: TrustList) -> Notices:
    """`road`: the client proxy of our security server; `tls`: for an https one."""
    purposes = (DIRECT, BIRTH, DEATH)
    sources = {p: RoadSource(road, CLIENT, SERVICE, "/v1/notices/", p, tls=tls) for p in purposes}
    return Notices(sources, facilities)


def judged(document: bytes, facilities: TrustList, now: datetime) -> Notice:
    """The notice that a facility signed; Refused `notice_not_signed` for everything else."""
    try:
        verified = verify_document(document, facilities, at=now, oldest=OLDEST)
        notice = read_notice(document)
    except (DocumentRejected, ValueError) as e:
        raise _not_signed() from e
    if notice.facility not in _facilities_of(verified):
        raise _not_signed()
    return notice


def read_notice(document: bytes) -> Notice:
    """ValueError for what is no birth or death notice. What stands in it besides is the hospital's own business."""
    try:
        root = parse_tree(document)
    except NotXml as e:
        raise ValueError("not XML") from e

    def text(tag: str) -> str | None:
        found = root.findall(tag)
        if len(found) > 1 or any(len(e) or not e.text for e in found):
            raise ValueError("an element stands twice, or holds no text")
        return found[0].text if found else None

    def needed(tag: str) -> str:
        value = text(tag)
        if value is None:
            raise ValueError("an element is missing")
        return value

    named = {"facility": needed("MA_CSKCB"), "number": needed("SO")}
    match root.tag:
        case "GIAY_CHUNG_SINH":
            father = text("SO_DINH_DANH_CHA")
            return BirthNotice(
                **named,
                born_on=_day(needed("NGAY_GIO_SINH")),
                sex=Sex(needed("GIOI_TINH_CON")),
                mother_id=_person(needed("SO_DINH_DANH_ME")),
                father_id=None if father is None else _person(father),
            )
        case "GIAY_BAO_TU":
            return DeathNotice(
                **named,
                died_on=_day(needed("NGAY_GIO_TU_VONG")),
                full_name=needed("HO_TEN"),
                person_id=_person(needed("SO_DINH_DANH")),
            )
        case _:
            raise ValueError("not a birth or death notice")


def _day(text: str) -> date:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("a moment has a time zone")
    try:
        return moment.astimezone(VIETNAM).date()
    except OverflowError as e:
        raise ValueError("no such moment") from e


def _person(text: str) -> str:
    try:
        return str(parse_personal_number(text))
    except InvalidIdentifier as e:
        raise ValueError("no personal number") from e


def _facilities_of(verified: VerifiedDocument) -> set[str | bytes]:
    return {a.value for a in verified.certificate.subject.get_attributes_for_oid(NameOID.SERIAL_NUMBER)}


def _decoded(text: str | None) -> bytes:
    try:
        return binascii.a2b_base64((text or "").encode(), strict_mode=True)
    except ValueError:
        return b""  # which nobody signed


def _refuse(differs: Mapping[str, bool], code: str) -> None:
    fields = [pointer for pointer, does in differs.items() if does]
    if fields:
        raise Refused(
            "Thông tin khai khác với giấy của cơ sở y tế (the declaration differs from the hospital's notice)",
            code=code,
            errors=[FieldProblem(pointer, "khác với giấy (not as in the notice)") for pointer in fields],
        )


def _unknown() -> Refused:
    return Refused("Không có giấy mang số này (there is no such notice)", code="unknown_notice")


def _not_signed() -> Refused:
    return Refused("Giấy không có chữ ký số hợp lệ (the notice is not validly signed)", code="notice_not_signed")
