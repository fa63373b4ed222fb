"""Notices from strangers: any bytes give a notice or the one error; what is printed is read back."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from adapters.hotich.notices import read_notice
from adapters.people.identifiers import Sex
from adapters.sdk import MalformedCall
from adapters.yte.notices import BirthNotice, DeathNotice, Notice, parse_notice, print_notice

_names = st.sampled_from(["Nguyễn Thị Minh Anh", "Y Blăng", "Trần-Lê An", "K'Sor Hà"])
_numbers = st.integers(0, 10**9 - 1).map(lambda n: f"999{n:09}")
_moments = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1)).map(
    lambda t: t.replace(tzinfo=timezone(timedelta(hours=7)))
)
_facilities = st.integers(0, 99).map(lambda n: f"999{n:02}")


@st.composite
def notices(draw: st.DrawFn) -> Notice:
    facility, order = draw(_facilities), draw(st.integers(0, 999_999))
    if draw(st.booleans()):
        return DeathNotice(facility, f"BT-{facility}-2026-{order:06}", draw(_moments), draw(_names), draw(_numbers))
    father = (draw(_names), draw(_numbers)) if draw(st.booleans()) else (None, None)
    sex, weight = draw(st.sampled_from(Sex)), draw(st.integers(100, 9999))
    return BirthNotice(
        facility,
        f"CS-{facility}-2026-{order:06}",
        draw(_moments),
        sex,
        weight,
        draw(_names),
        draw(_names),
        draw(_numbers),
        *father,
    )


@given(notices())
def test_what_is_printed_is_read_back(notice: Notice) -> None:
    assert parse_notice(print_notice(notice)) == notice


@given(notices(), st.integers(0, 600), st.binary(max_size=6))
def test_any_bytes(notice: Notice, at: int, instead: bytes) -> None:
    printed = print_notice(notice)
    for data in (instead, printed[:at], printed[:at] + instead + printed[at + len(instead) :]):
        assert read(data) in (BirthNotice, DeathNotice, "malformed_notice")


@given(notices(), st.integers(0, 600), st.binary(max_size=6))
def test_any_bytes_at_the_register(notice: Notice, at: int, instead: bytes) -> None:
    """The civil-status register reads the same form by itself."""
    printed = print_notice(notice)
    whole = read_notice(printed)
    assert (whole.facility, whole.number) == (notice.facility, notice.number)
    for data in (instead, printed[:at], printed[:at] + instead + printed[at + len(instead) :]):
        try:
            assert read_notice(data).number
        except ValueError as e:
            assert type(e) is not UnicodeDecodeError  # noqa: PT017 - either outcome is right


def read(data: bytes) -> type[Notice] | str:
    try:
        return type(parse_notice(data))
    except MalformedCall as e:
        return e.code
