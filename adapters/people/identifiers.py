"""How persons and households are written: personal numbers, household codes, names.

A personal number (số định danh cá nhân; decree 137/2015, article 13) has 12 digits:

    999 3 00 000017
    |   | |  six digits of order
    |   | last two digits of the birth year
    |   century and sex: 0/1 = 1900-1999 man/woman, 2/3 = 2000-2099, 4/5 = 2100-2199, 6/7 = 2200-2299, 8/9 = 2300-2399
    province or country of the birth registration; 999 is given to nobody and marks every number of this project
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import date
from enum import Enum

from adapters.sdk import InvalidIdentifier

SYNTHETIC_PROVINCE = "999"

_PERSON = re.compile(r"([0-9]{3})([0-9])([0-9]{2})([0-9]{6})")
_NAME = re.compile(r"[^\W\d_]+(?:[ '\-][^\W\d_]+)*")
_HOUSEHOLD = re.compile(r"H999[0-9]{8}")


class Sex(Enum):
    """Value: as the register writes it."""

    MALE = "Nam"
    FEMALE = "Nữ"


@dataclass(frozen=True, slots=True)
class PersonalNumber:
    """`century`: 20 for 1900-1999 and so on, as the decree counts; `serial`: 0-999999."""

    province: str
    century: int
    sex: Sex
    birth_year: int
    serial: int

    def __str__(self) -> str:
        digit = (self.century - 20) * 2 + (self.sex is Sex.FEMALE)
        return f"{self.province}{digit}{self.birth_year % 100:02}{self.serial:06}"

    @property
    def is_synthetic(self) -> bool:
        return self.province == SYNTHETIC_PROVINCE

    def verify_holder(self, *, sex: Sex, birth_date: date) -> None:
        """InvalidIdentifier when a person of this sex, born on this day, cannot have this number."""
        if (sex, birth_date.year) != (self.sex, self.birth_year):
            raise InvalidIdentifier(
                "Số định danh không khớp giới tính hoặc năm sinh (the number contradicts sex or birth year)",
                code="inconsistent_identifier",
            )


def parse_personal_number(text: str) -> PersonalNumber:
    """Exactly twelve ASCII digits; InvalidIdentifier otherwise. No spaces, no other digits: one person, one spelling.

    Any province code but 000 is taken: the official list changes with each merger and belongs into configuration.
    """
    if not (match := _PERSON.fullmatch(text)):
        raise InvalidIdentifier("Số định danh cá nhân gồm đúng 12 chữ số (a personal number has exactly 12 digits)")
    province, digit, year, serial = match.groups()
    if province == "000":
        raise InvalidIdentifier("Mã nơi đăng ký khai sinh không tồn tại (no such place of birth registration)")
    century = 20 + int(digit) // 2
    sex = Sex.FEMALE if int(digit) % 2 else Sex.MALE
    return PersonalNumber(province, century, sex, (century - 1) * 100 + int(year), int(serial))


def personal_number(sex: Sex, birth_year: int, serial: int) -> PersonalNumber:
    """A synthetic number for a person born in 1900-2399."""
    return PersonalNumber(SYNTHETIC_PROVINCE, birth_year // 100 + 1, sex, birth_year, serial)


@dataclass(frozen=True, slots=True)
class HouseholdCode:
    text: str

    def __str__(self) -> str:
        return self.text


def parse_person_name(text: str) -> str:
    """A name in its one spelling; ValueError otherwise: registers that spell one name in two ways cannot be compared.

    Unicode NFC, letters with single blanks, hyphens or apostrophes between them, at most 200 characters.
    """
    if len(text) > 200 or unicodedata.normalize("NFC", text) != text or not _NAME.fullmatch(text):
        raise ValueError("a name is letters in Unicode NFC with single blanks between words")
    return text


def parse_household_code(text: str) -> HouseholdCode:
    """`H999` and eight digits; InvalidIdentifier otherwise."""
    if not _HOUSEHOLD.fullmatch(text):
        raise InvalidIdentifier("Mã hộ gồm H999 và 8 chữ số (a household code is H999 and eight digits)")
    return HouseholdCode(text)
