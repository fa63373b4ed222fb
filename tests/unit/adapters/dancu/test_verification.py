import unicodedata
from dataclasses import replace
from datetime import date

import pytest

from adapters.dancu.verification import Claim, Verdict, check_claim
from adapters.people.example import PERSONS

WOMAN = PERSONS[2]
HOME = "Số 12, đường Hoa Sữa, Phường Tân Lập, Thành phố Vân Hải"
YES, NO, UNASKED = Verdict.MATCH, Verdict.NO_MATCH, Verdict.NOT_CHECKED


def verdict(claim: Claim) -> tuple[Verdict, Verdict, Verdict]:
    found = check_claim(claim, WOMAN)
    assert list(found) == ["full_name", "birth_date", "address"]
    return found["full_name"], found["birth_date"], found["address"]


NAMES = [
    ("Nguyễn Thị Minh Anh", YES),
    ("NGUYỄN THỊ MINH ANH", YES),
    ("  nguyễn\tthị \n minh  anh ", YES),
    (unicodedata.normalize("NFD", "Nguyễn Thị Minh Anh"), YES),
    (unicodedata.normalize("NFD", "NGUYỄN THỊ MINH ANH"), YES),
    ("Nguyen Thi Minh Anh", NO),
    ("Nguyễn Thi Minh Anh", NO),
    ("Nguyễn Thị Anh Minh", NO),
    ("Nguyễn Thị Minh", NO),
    ("NguyễnThịMinhAnh", NO),
    ("", NO),
]


@pytest.mark.parametrize(("name", "expected"), NAMES)
def test_names(name: str, expected: Verdict) -> None:
    assert verdict(Claim(name, None, None)) == (expected, UNASKED, UNASKED)


ADDRESSES = [
    (HOME, YES),
    ("số 12 ,đường hoa sữa,phường tân lập,  thành phố vân hải", YES),
    ("Số 7, phố Cây Đa, Phường An Khánh Tây, Thành phố Long Thạnh", YES),  # current residence
    ("Số 12, đường Hoa Sữa", NO),
    ("Số 7, phố Cây Đa, Phường Tân Lập, Thành phố Vân Hải", NO),  # half of each
]


@pytest.mark.parametrize(("address", "expected"), ADDRESSES)
def test_addresses(address: str, expected: Verdict) -> None:
    assert verdict(Claim(None, None, address)) == (UNASKED, UNASKED, expected)


def test_birth_dates() -> None:
    assert verdict(Claim(None, date(2000, 8, 17), None)) == (UNASKED, YES, UNASKED)
    assert verdict(Claim(None, date(2000, 8, 18), None)) == (UNASKED, NO, UNASKED)


def test_an_unknown_number_looks_like_wrong_data() -> None:
    claim = Claim("Nguyễn Thị Minh Anh", date(2000, 8, 17), None)
    other = replace(WOMAN, full_name="Lê Thu Hà", birth_date=date(2000, 1, 1))
    assert (
        check_claim(claim, None) == check_claim(claim, other) == {"full_name": NO, "birth_date": NO, "address": UNASKED}
    )
    assert set(check_claim(Claim(None, None, None), None).values()) == {UNASKED}
