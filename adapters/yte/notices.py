"""Birth and death notices (giấy chứng sinh, giấy báo tử) as values, and their XML.

The form follows the health-insurance data of facilities (decision 130/QĐ-BYT): capital letters, no namespace, the facility's
signature in CHUKYDONVI at the end. A notice has one spelling: every element once, in this order, with text and nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import ClassVar, TypeAlias

from lxml import etree

from adapters.people.identifiers import Sex, parse_person_name, parse_personal_number
from adapters.sdk import InvalidIdentifier, MalformedCall
from adapters.sdk.xmltree import NotXml, parse_tree

SIGNATURE = "CHUKYDONVI"
_NUMBER = re.compile(r"(?:CS|BT)-[0-9]{5}-[0-9]{4}-[0-9]{6}")
_FACILITY = re.compile(r"999[0-9]{2}")


@dataclass(frozen=True, slots=True)
class BirthNotice:
    """`born_at`: with time zone; `weight`: grams; a father only when the mother names one."""

    ROOT: ClassVar[str] = "GIAY_CHUNG_SINH"
    KIND: ClassVar[str] = "birth"
    TAGS: ClassVar[tuple[str, ...]] = (
        "MA_CSKCB", "SO", "NGAY_GIO_SINH", "GIOI_TINH_CON", "CAN_NANG_CON", "TEN_DU_KIEN", "HO_TEN_ME", "SO_DINH_DANH_ME",
        "HO_TEN_CHA", "SO_DINH_DANH_CHA",
    )  # fmt: skip

    facility: str
    number: str
    born_at: datetime
    sex: Sex
    weight: int
    planned_name: str
    mother_name: str
    mother_id: str
    father_name: str | None
    father_id: str | None

    @property
    def persons(self) -> Mapping[str, str]:
        """Numbers by the names that the service's messages use."""
        father = {} if self.father_id is None else {"father_id": self.father_id}
        return {"mother_id": self.mother_id, **father}


@dataclass(frozen=True, slots=True)
class DeathNotice:
    """`died_at`: with time zone. The cause of death is nobody's business here."""

    ROOT: ClassVar[str] = "GIAY_BAO_TU"
    KIND: ClassVar[str] = "death"
    TAGS: ClassVar[tuple[str, ...]] = ("MA_CSKCB", "SO", "NGAY_GIO_TU_VONG", "HO_TEN", "SO_DINH_DANH")

    facility: str
    number: str
    died_at: datetime
    deceased_name: str
    deceased_id: str

    @property
    def persons(self) -> Mapping[str, str]:
        """Numbers by the names that the service's messages use."""
        return {"deceased_id": self.deceased_id}


Notice: TypeAlias = BirthNotice | DeathNotice


def parse_notice_number(text: str) -> str:
    """`CS-99901-2026-000001`; InvalidIdentifier otherwise."""
    if not _NUMBER.fullmatch(text):
        raise InvalidIdentifier("Số giấy có dạng CS-99901-2026-000001 (a notice number looks like that)")
    return text


def print_notice(notice: Notice) -> bytes:
    """The unsigned XML, ready for `signing.sign_notice`."""
    root = etree.Element(notice.ROOT, Id=notice.number)
    for tag, field in zip(notice.TAGS, fields(notice), strict=True):
        value = getattr(notice, field.name)
        if value is not None:
            etree.SubElement(root, tag).text = _text(value)
    etree.SubElement(root, SIGNATURE)
    return etree.tostring(root, encoding="UTF-8", xml_declaration=True)


def _text(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else value.value if isinstance(value, Sex) else str(value)


def parse_notice(document: bytes) -> Notice:
    """A notice, signed or not: what is in CHUKYDONVI is not looked at. MalformedCall when it is none."""
    try:
        root = parse_tree(document)
        found = _children(root)
        if root.tag == BirthNotice.ROOT:
            return _birth(found)
        if root.tag == DeathNotice.ROOT:
            return _death(found)
    except (NotXml, ValueError, KeyError, InvalidIdentifier) as e:
        raise _malformed() from e
    raise _malformed()


def _malformed() -> MalformedCall:
    return MalformedCall(
        "Không phải giấy chứng sinh hoặc giấy báo tử (not a birth or death notice)", code="malformed_notice"
    )


def _children(root: etree._Element) -> dict[str, str]:
    """The texts by tag; ValueError when something stands twice, out of order, or is not text."""
    known = BirthNotice.TAGS if root.tag == BirthNotice.ROOT else DeathNotice.TAGS
    tags = [str(child.tag) for child in root if child.tag != SIGNATURE]
    if tags != [tag for tag in known if tag in tags] or [c.tag for c in root].count(SIGNATURE) > 1:
        raise ValueError("an element is unknown, repeated or misplaced")
    return {str(c.tag): _leaf(c) for c in root if c.tag != SIGNATURE}


def _leaf(element: etree._Element) -> str:
    if len(element) or element.attrib or not element.text:
        raise ValueError("an element holds more than text, or nothing")
    return element.text


def _birth(found: Mapping[str, str]) -> BirthNotice:
    father = found.get("SO_DINH_DANH_CHA"), found.get("HO_TEN_CHA")
    if (father[0] is None) != (father[1] is None):
        raise ValueError("half a father")
    return BirthNotice(
        facility=_facility(found["MA_CSKCB"]),
        number=parse_notice_number(found["SO"]),
        born_at=_moment(found["NGAY_GIO_SINH"]),
        sex=Sex(found["GIOI_TINH_CON"]),
        weight=_weight(found["CAN_NANG_CON"]),
        planned_name=parse_person_name(found["TEN_DU_KIEN"]),
        mother_name=parse_person_name(found["HO_TEN_ME"]),
        mother_id=_person(found["SO_DINH_DANH_ME"]),
        father_name=None if father[1] is None else parse_person_name(father[1]),
        father_id=None if father[0] is None else _person(father[0]),
    )


def _death(found: Mapping[str, str]) -> DeathNotice:
    return DeathNotice(
        facility=_facility(found["MA_CSKCB"]),
        number=parse_notice_number(found["SO"]),
        died_at=_moment(found["NGAY_GIO_TU_VONG"]),
        deceased_name=parse_person_name(found["HO_TEN"]),
        deceased_id=_person(found["SO_DINH_DANH"]),
    )


def _person(text: str) -> str:
    return str(parse_personal_number(text))


def _facility(text: str) -> str:
    if not _FACILITY.fullmatch(text):
        raise ValueError("no facility of this project")
    return text


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("a moment has a time zone")
    return moment


def _weight(text: str) -> int:
    if not re.fullmatch(r"[1-9][0-9]{2,3}", text, re.ASCII):
        raise ValueError("no weight of a newborn in grams")
    return int(text)
