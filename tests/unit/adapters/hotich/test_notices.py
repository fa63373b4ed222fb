"""What a register makes of the hospital's notice: only a facility's own signed word bears an entry out."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import pytest

from adapters.hotich.notices import BIRTH as LINKED
from adapters.hotich.notices import DIRECT, BirthNotice, DeathNotice, Notices, judged, read_notice
from adapters.people.example import PERSONS
from adapters.people.identifiers import Sex
from adapters.sdk import Problem
from adapters.yte.notices import print_notice
from gateway.trust.authority import Authority, create_root, named, validity
from tests.support.hospital import SINCE, Ministry, a_birth, a_death, facilities, facility_key, notices, signed

FATHER, MOTHER, DAUGHTER, SON, _ = PERSONS
CS, BT = "CS-79001-2026-000815", "BT-79001-2026-000102"
NOW = datetime.now(UTC)
BIRTH: dict[str, Any] = {
    "notice_number": CS,
    "sex": "Nam",
    "birth_date": date(2026, 10, 20),
    "mother_id": DAUGHTER.number,
}
DEATH: dict[str, Any] = {
    "notice_number": BT,
    "person_id": FATHER.number,
    "full_name": FATHER.full_name,
    "death_date": date(2026, 10, 20),
}


def test_a_signed_notice_is_read() -> None:
    assert judged(signed(a_birth(father_name="Nguyễn Đức Minh", father_id=SON.id)), facilities(), NOW) == BirthNotice(
        "79001", CS, date(2026, 10, 20), Sex.MALE, DAUGHTER.id, SON.id
    )
    assert judged(signed(a_death()), facilities(), NOW) == DeathNotice(
        "79001", BT, date(2026, 10, 20), FATHER.full_name, FATHER.id
    )


@pytest.mark.parametrize("born", ["2026-10-19T17:00:00+00:00", "2026-10-20T23:59:59+07:00"])
def test_a_day_is_a_day_in_vietnam(born: str) -> None:
    notice = print_notice(a_birth()).replace(b"2026-10-20T08:30:00+07:00", born.encode())
    read = read_notice(notice)
    assert isinstance(read, BirthNotice)
    assert read.born_on == date(2026, 10, 20)


def stranger() -> Authority:
    return Authority(create_root(named("Nobody's"), validity(SINCE, years=1)), lambda _: None)


UNSIGNED: dict[str, Callable[[], bytes | None]] = {
    "unsigned": lambda: print_notice(a_birth()),
    "altered": lambda: signed(a_birth()).replace(b"3200", b"3300"),
    "another authority": lambda: signed(a_birth(), facility_key("79001", stranger())),
    "another facility's key": lambda: signed(a_birth(), facility_key("79002")),
    "under another number": lambda: signed(a_birth("CS-79001-2026-000816")),
    "signed and no notice": lambda: signed(a_birth()).replace(b"<SO>", b"<SO_>").replace(b"</SO>", b"</SO_>"),
    "no XML": lambda: b"{}",
    "nothing": lambda: b"",
}


@pytest.mark.parametrize("document", UNSIGNED.values(), ids=UNSIGNED.keys())
async def test_what_no_facility_signed_bears_nothing_out(document: Callable[[], bytes | None]) -> None:
    ministry = Ministry()
    ministry.sent[CS] = document()
    assert await refused(ministry, BIRTH) == ("notice_not_signed", [])


async def refused(ministry: Ministry, declared: dict[str, Any]) -> tuple[str, list[str]]:
    found = notices(ministry)
    confirm = found.confirm_birth if "mother_id" in declared else found.confirm_death
    with pytest.raises(Problem) as raised:
        await confirm(declared, None)
    return raised.value.code, [fault.pointer for fault in raised.value.errors]


@pytest.mark.parametrize(
    ("declared", "code", "fields"),
    [
        (BIRTH | {"sex": "Nữ"}, "birth_differs", ["/sex"]),
        (BIRTH | {"birth_date": date(2026, 10, 21)}, "birth_differs", ["/birth_date"]),
        (BIRTH | {"mother_id": MOTHER.number, "sex": "Nữ"}, "birth_differs", ["/sex", "/mother_id"]),
        (BIRTH | {"notice_number": "CS-1"}, "unknown_notice", []),
        (BIRTH | {"notice_number": "CS-79001-2026-000999"}, "unknown_notice", []),
        (BIRTH | {"notice_number": BT}, "unknown_notice", []),
        (DEATH | {"notice_number": CS}, "unknown_notice", []),
        (DEATH | {"person_id": SON.number}, "death_differs", ["/person_id"]),
        (DEATH | {"full_name": "Nguyễn Văn Hoà"}, "death_differs", ["/full_name"]),
        (DEATH | {"death_date": date(2026, 10, 19)}, "death_differs", ["/death_date"]),
    ],
)
async def test_what_differs_is_named(declared: dict[str, Any], code: str, fields: list[str]) -> None:
    ministry = Ministry()
    ministry.sent["CS-79001-2026-000999"] = None
    assert await refused(ministry, declared) == (code, fields)


@pytest.mark.parametrize(
    ("in_notice", "declared", "differs"),
    [(None, None, False), (None, FATHER, False), (SON, None, False), (SON, SON, False), (SON, FATHER, True)],
)
async def test_a_father(in_notice: Any, declared: Any, differs: bool) -> None:
    """Who is named by one side only is for the law of parentage; two different ones are a difference."""
    ministry = Ministry()
    father = {} if in_notice is None else {"father_name": in_notice.full_name, "father_id": in_notice.id}
    ministry.sent[CS] = signed(a_birth(**father))
    birth = BIRTH | ({} if declared is None else {"father_id": declared.number})
    if differs:
        assert await refused(ministry, birth) == ("birth_differs", ["/father_id"])
    else:
        await notices(ministry).confirm_birth(birth, None)


async def test_nobody_is_asked_for_another_purpose() -> None:
    sources = {DIRECT: Ministry(), LINKED: Ministry()}
    found = Notices(sources, facilities())
    for purpose in (None, "DVC-GIAI-QUYET-HO-SO", LINKED):
        await found.confirm_birth(BIRTH, purpose)
    assert [len(source.asked) for source in sources.values()] == [2, 1]
