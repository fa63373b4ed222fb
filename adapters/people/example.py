"""The family that every population begins with, whatever its size: documents, tests and the demonstration show these people."""

from __future__ import annotations

from datetime import date

from adapters.people.identifiers import PersonalNumber, Sex, personal_number
from adapters.people.model import ALIVE, HEAD, MARRIED, SINGLE, Address, Household, Member, Person

_HOME = Address("Số 12, đường Hoa Sữa", "Phường Tân Lập", "Thành phố Vân Hải")
_LODGING = Address("Số 7, phố Cây Đa", "Phường An Khánh Tây", "Thành phố Long Thạnh")
_AS_OF = date(2026, 9, 15)
_CODE = "H99900000001"

_FATHER = personal_number(Sex.MALE, 1970, 15)
_MOTHER = personal_number(Sex.FEMALE, 1973, 34)
_DAUGHTER = personal_number(Sex.FEMALE, 2000, 17)  # 999300000017
_SON = personal_number(Sex.MALE, 2004, 58)
_CHILD = personal_number(Sex.MALE, 2015, 61)  # 999215000061


def _person(
    number: PersonalNumber,
    name: str,
    born: date,
    *,
    spouse: PersonalNumber | None = None,
    child: bool = False,
    current: Address = _HOME,
    cards: tuple[str, ...] = (),
) -> Person:
    return Person(
        number=number,
        full_name=name,
        birth_date=born,
        birth_place="Phường Tân Lập, Thành phố Vân Hải",
        nationality="Việt Nam",
        ethnicity="Kinh",
        religion=None,
        marital_status=SINGLE if spouse is None else MARRIED,
        permanent=_HOME,
        current=current,
        household_code=_CODE,
        father_id=str(_FATHER) if child else None,
        mother_id=str(_MOTHER) if child else None,
        spouse_id=None if spouse is None else str(spouse),
        status=ALIVE,
        death_date=None,
        previous_ids=cards,
        as_of=_AS_OF,
    )


PERSONS = (
    _person(_FATHER, "Nguyễn Văn Hòa", date(1970, 5, 19), spouse=_MOTHER, cards=("990000015",)),
    _person(_MOTHER, "Trần Thị Lan", date(1973, 11, 2), spouse=_FATHER, cards=("990000034",)),
    _person(_DAUGHTER, "Nguyễn Thị Minh Anh", date(2000, 8, 17), child=True, current=_LODGING),
    _person(_SON, "Nguyễn Đức Minh", date(2004, 2, 29), child=True),
    _person(_CHILD, "Nguyễn Minh Khôi", date(2015, 9, 5), child=True),
)

HOUSEHOLD = Household(
    _CODE,
    _HOME,
    tuple(
        Member(person.id, person.full_name, relation)
        for person, relation in zip(PERSONS, (HEAD, "Vợ", "Con", "Con", "Con"), strict=True)
    ),
    _AS_OF,
)
