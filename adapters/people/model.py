"""Records of the register as values, shared by the database and the generator."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from adapters.people.identifiers import PersonalNumber, Sex

ALIVE, DECEASED = "Còn sống", "Đã mất"
SINGLE, MARRIED, DIVORCED, WIDOWED = "Chưa kết hôn", "Đã kết hôn", "Ly hôn", "Góa"
HEAD = "Chủ hộ"


@dataclass(frozen=True, slots=True)
class Address:
    """Two levels of administration since July 2025: commune and province."""

    line: str
    commune: str
    province: str

    @property
    def text(self) -> str:
        return f"{self.line}, {self.commune}, {self.province}"


@dataclass(frozen=True, slots=True)
class Person:
    """`previous_ids`: nine-digit identity-card numbers that were replaced; `as_of`: the day the record was last confirmed."""

    number: PersonalNumber
    full_name: str
    birth_date: date
    birth_place: str
    nationality: str
    ethnicity: str
    religion: str | None
    marital_status: str
    permanent: Address
    current: Address
    household_code: str | None
    father_id: str | None
    mother_id: str | None
    spouse_id: str | None
    status: str
    death_date: date | None
    previous_ids: tuple[str, ...]
    as_of: date

    @property
    def id(self) -> str:
        return str(self.number)

    @property
    def sex(self) -> Sex:
        return self.number.sex


@dataclass(frozen=True, slots=True)
class Member:
    """`relation`: to the head of the household, in Vietnamese; the head comes first."""

    id: str
    full_name: str
    relation: str


@dataclass(frozen=True, slots=True)
class Household:
    code: str
    address: Address
    members: tuple[Member, ...]
    as_of: date
