from dataclasses import replace
from datetime import date

import pytest

from adapters.people.identifiers import (
    PersonalNumber,
    Sex,
    parse_household_code,
    parse_personal_number,
    personal_number,
)
from adapters.sdk import InvalidIdentifier

GOOD = [
    # (text, province, century, sex, birth year, serial)
    ("999300000017", "999", 21, Sex.FEMALE, 2000, 17),
    ("999070000015", "999", 20, Sex.MALE, 1970, 15),
    ("001199123456", "001", 20, Sex.FEMALE, 1999, 123456),
    ("079200000000", "079", 21, Sex.MALE, 2000, 0),
    ("087499000001", "087", 22, Sex.MALE, 2199, 1),
    ("999500999999", "999", 22, Sex.FEMALE, 2100, 999999),
    ("999600000001", "999", 23, Sex.MALE, 2200, 1),
    ("999999000001", "999", 24, Sex.FEMALE, 2399, 1),
]

BAD = {
    "empty": "",
    "eleven digits": "99930000001",
    "thirteen digits": "9993000000170",
    "nine digits of an old card": "990000015",
    "letter": "99930000001a",
    "letter O for zero": "9993O0000017",
    "space inside": "999300 000017",
    "space before": " 999300000017",
    "newline after": "999300000017\n",
    "sign": "+99930000001",
    "dots": "999.300.000017",
    "full-width digits": "９９９３０００００００１７",
    "Arabic digits": "٩٩٩٣٠٠٠٠٠٠١٧",
    "superscript digit": "99930000001²",
    "NUL after": "999300000017\x00",
    "lone surrogate": "99930000001\ud800",
    "no such province": "000300000017",
    "quoted": "'999300000017'",
    "statement": "' or 1=1 --  ",
}


@pytest.mark.parametrize(("text", "province", "century", "sex", "year", "serial"), GOOD)
def test_reads_every_part(text: str, province: str, century: int, sex: Sex, year: int, serial: int) -> None:
    number = parse_personal_number(text)
    assert number == PersonalNumber(province, century, sex, year, serial)
    assert str(number) == text
    assert number.is_synthetic == (province == "999")


@pytest.mark.parametrize("text", BAD.values(), ids=BAD.keys())
def test_personal_number_fail(text: str) -> None:
    with pytest.raises(InvalidIdentifier) as refused:
        parse_personal_number(text)
    assert (refused.value.status, refused.value.code) == (422, "invalid_identifier")
    assert not text.strip() or text not in str(refused.value)


def test_makes_synthetic_numbers() -> None:
    assert str(personal_number(Sex.FEMALE, 2000, 17)) == "999300000017"
    assert str(personal_number(Sex.MALE, 1999, 5)) == "999099000005"


def test_holder_agrees() -> None:
    parse_personal_number("999300000017").verify_holder(sex=Sex.FEMALE, birth_date=date(2000, 12, 31))


@pytest.mark.parametrize(
    ("sex", "born"),
    [
        (Sex.MALE, date(2000, 8, 17)),
        (Sex.FEMALE, date(1999, 12, 31)),
        (Sex.FEMALE, date(2001, 1, 1)),
        (Sex.FEMALE, date(1900, 8, 17)),
    ],
    ids=["other sex", "year before", "year after", "other century"],
)
def test_holder_fail(sex: Sex, born: date) -> None:
    with pytest.raises(InvalidIdentifier) as refused:
        parse_personal_number("999300000017").verify_holder(sex=sex, birth_date=born)
    assert refused.value.code == "inconsistent_identifier"


def test_numbers_differ_by_every_part() -> None:
    number = parse_personal_number("999300000017")
    others = [replace(number, serial=18), replace(number, birth_year=2001), replace(number, sex=Sex.MALE)]
    assert {str(n) for n in [number, *others]} == {"999300000017", "999300000018", "999301000017", "999200000017"}


def test_household_code() -> None:
    assert str(parse_household_code("H99900000001")) == "H99900000001"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "H9990000001",
        "H999000000011",
        "h99900000001",
        "99900000001",
        "H00100000001",
        "H99900000001\n",
        "H999００００００01",
    ],
)
def test_household_code_fail(text: str) -> None:
    with pytest.raises(InvalidIdentifier) as refused:
        parse_household_code(text)
    assert (refused.value.status, refused.value.code) == (422, "invalid_identifier")
