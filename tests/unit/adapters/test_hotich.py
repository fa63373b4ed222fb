"""The civil-status register over real HTTP and a real database: entries, their numbers, certified copies."""

import asyncio
import base64
import hashlib
import json
from collections.abc import AsyncIterator, Awaitable
from datetime import UTC, date, datetime
from typing import Any

import pytest

from adapters.hotich import births, build_adapter
from adapters.hotich.notices import ConfirmedBirth
from adapters.hotich.signing import verify_copy
from adapters.people import today
from adapters.people.example import PERSONS
from adapters.people.generator import generate
from adapters.sdk import Problem
from adapters.sdk.testkit import Served, served
from tests.support.databases import Content, register_of
from tests.support.hospital import Ministry, notices
from tests.support.registrar import documents_authority, registrar

SIZE = 60
FATHER, MOTHER, DAUGHTER, SON, CHILD = (p.id for p in PERSONS)
BIRTH = {
    "notice_number": "CS-79001-2026-000815",
    "child_name": "Nguyễn Gia Bảo",
    "sex": "Nam",
    "birth_date": "2026-10-20",
    "birth_place": "Bệnh viện Đa khoa Long Thạnh",
    "ethnicity": "Kinh",
    "mother_id": DAUGHTER,
    "declarant_id": DAUGHTER,
    "office": "UBND Phường Tân Lập",
}
DEATH = {
    "notice_number": "BT-79001-2026-000102",
    "person_id": FATHER,
    "full_name": "Nguyễn Văn Hòa",
    "death_date": "2026-10-20",
    "death_place": "Bệnh viện Đa khoa Long Thạnh",
    "declarant_id": MOTHER,
    "office": "UBND Phường Tân Lập",
}
WEDDING = {
    "husband": {"id": SON, "full_name": "Nguyễn Đức Minh", "birth_date": "2004-02-29"},
    "wife": {"id": "999302000912", "full_name": "Trần Thu Hà", "birth_date": "2002-05-01"},
    "office": "UBND Phường Tân Lập",
}
NUMBERED = "/v1/births/{number}/personal-number"


@pytest.fixture
def ministry() -> Ministry:
    return Ministry()


@pytest.fixture
def source_content() -> Content:
    return register_of(build_adapter(registrar(), notices(), SIZE), SIZE)


@pytest.fixture
async def book(source_pool: Any, ministry: Ministry) -> AsyncIterator[Served]:
    async with served(build_adapter(registrar(), notices(ministry), SIZE), source_pool) as opened:
        yield opened


async def entries(book: Served, person: str) -> list[tuple[str, str]]:
    found = await book.get("/v1/persons/{id}/entries", id=person)
    return [(entry["kind"], entry["role"]) for entry in found.body["items"]]


async def test_the_invented_entries_are_about_the_same_people(book: Served) -> None:
    for person in generate(SIZE).persons[:25]:
        found = {kind for kind, _ in await entries(book, person.id)}
        assert ("birth" in found) or person.birth_date.year < 2000
        assert ("death" in found) == (person.death_date is not None)
    marriages = await book.pool.fetchval("select count(*) from hotich.marriage")
    assert marriages == sum(p.spouse_id is not None for p in generate(SIZE).persons) / 2
    assert await entries(book, FATHER) == [
        ("marriage", "husband"), ("birth", "father"), ("birth", "father"), ("birth", "father"),
    ]  # fmt: skip


async def test_a_birth_is_entered_once_and_numbered(book: Served) -> None:
    entered = await book.post("/v1/births", BIRTH, key="birth")
    assert (entered.status, entered.body["child_id"]) == (201, None)
    assert entered.body["registered_on"] == today().isoformat()
    assert await book.post("/v1/births", BIRTH, key="birth") == entered
    assert (await book.post("/v1/births", BIRTH)).outcome == (409, "already_registered")

    number = entered.body["number"]
    numbered = await book.post(NUMBERED, {"id": "999226000017"}, number=number)
    assert (numbered.status, numbered.body["child_id"]) == (201, "999226000017")
    assert (await book.post(NUMBERED, {"id": "999226000017"}, number=number)).status == 201
    assert (await book.get("/v1/births/{number}", number=number)).body["child_id"] == "999226000017"
    for other, problem in (("999226000018", "already_numbered"), ("999326000017", "inconsistent_identifier")):
        assert (await book.post(NUMBERED, {"id": other}, number=number)).code == problem
    second = await book.post("/v1/births", BIRTH | {"notice_number": "CS-79001-2026-000816"})
    assert (await book.post(NUMBERED, {"id": "999226000017"}, number=second.body["number"])).code == "already_numbered"


async def test_numbers_of_a_book_have_no_gaps(book: Served) -> None:
    """Also when calls come together and some of them are refused."""
    posts = [BIRTH | {"notice_number": f"CS-79001-2026-{n % 4:06}"} for n in range(8)]
    answers = await asyncio.gather(*(book.post("/v1/births", body, key=n) for n, body in enumerate(posts)))
    assert sorted(a.status for a in answers) == [201] * 4 + [409] * 4
    year = f"KS-{today().year}-"
    rows = await book.pool.fetch("select number from hotich.birth where number like $1 order by number", year + "%")
    assert [row["number"] for row in rows] == [f"{year}{n:06}" for n in range(1, len(rows) + 1)]


async def test_nothing_is_held_while_the_ministry_is_asked(book: Served, ministry: Ministry) -> None:
    ministry.pool = book.pool
    assert [(await book.post("/v1/births", BIRTH)).status, (await book.post("/v1/deaths", DEATH)).status] == [201, 201]
    assert ministry.held == [0, 0]


async def test_nobody_is_asked_about_what_cannot_be(book: Served, ministry: Ministry) -> None:
    posts = (("/v1/births", BIRTH | {"birth_date": "2999-01-01"}), ("/v1/deaths", DEATH | {"declarant_id": FATHER}))
    assert [(await book.post(path, body)).status for path, body in posts] == [422, 422]
    assert ministry.asked == []


async def test_one_notice_is_entered_once_at_the_change_of_year(book: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    """One office writes on 31 December, the other after midnight: two books, one notice."""
    old, new = date(2026, 12, 31), date(2027, 1, 1)
    body = BIRTH | {"birth_date": date(2026, 10, 20)}
    async with book.pool.acquire() as first, book.pool.acquire() as second:
        transaction = first.transaction()
        await transaction.start()
        monkeypatch.setattr(births, "today", lambda: old)
        entered = await births.enter_birth(first, ConfirmedBirth(body))
        monkeypatch.setattr(births, "today", lambda: new)

        async def late() -> str:
            async with second.transaction():
                return str((await births.enter_birth(second, ConfirmedBirth(body)))["number"])

        async with asyncio.TaskGroup() as group:
            waiting = group.create_task(refused(late()))
            await asyncio.sleep(0.2)
            assert not waiting.done(), "it waits for the other book"
            await transaction.commit()
    assert (entered["number"][:7], waiting.result()) == ("KS-2026", "already_registered")


async def refused(doing: Awaitable[object]) -> str:
    with pytest.raises(Problem) as raised:
        await doing
    return raised.value.code


async def test_a_death_ends_the_marriage_and_comes_once(book: Served) -> None:
    entered = await book.post("/v1/deaths", DEATH)
    assert (entered.status, entered.body["person_id"]) == (201, FATHER)
    for change in ({}, {"notice_number": "BT-79001-2026-000103"}):
        assert (await book.post("/v1/deaths", DEATH | change)).outcome == (409, "already_registered")
    marriage = (await book.get("/v1/persons/{id}/entries", id=FATHER)).body["items"][0]["number"]
    assert (await book.get("/v1/marriages/{number}", number=marriage)).body["ended_on"] == "2026-10-20"


async def test_nobody_is_married_twice(book: Served) -> None:
    entered = await book.post("/v1/marriages", WEDDING, key="wedding")
    assert (entered.status, entered.body["husband_id"], entered.body["ended_on"]) == (201, SON, None)
    assert await book.post("/v1/marriages", WEDDING, key="wedding") == entered
    other = WEDDING | {"wife": {"id": "999301000913", "full_name": "Lê Thu Hà", "birth_date": "2001-05-01"}}
    assert (await book.post("/v1/marriages", other)).outcome == (409, "already_married")


REFUSED = {
    "born tomorrow": ("/v1/births", BIRTH | {"birth_date": "2999-01-01"}, 422, "future_date"),
    "no notice": ("/v1/births", BIRTH | {"notice_number": ""}, 400, "malformed_request"),
    "died tomorrow": ("/v1/deaths", DEATH | {"death_date": "2999-01-01"}, 422, "future_date"),
    "died before birth": ("/v1/deaths", DEATH | {"death_date": "1950-01-01"}, 422, "impossible_date"),
    "declares the own death": ("/v1/deaths", DEATH | {"declarant_id": FATHER}, 422, "impossible_declarant"),
    "too young": (
        "/v1/marriages",
        WEDDING | {"husband": {"id": CHILD, "full_name": "Nguyễn Minh Khôi", "birth_date": "2015-09-05"}},
        422,
        "too_young",
    ),
    "two women": ("/v1/marriages", WEDDING | {"husband": WEDDING["wife"]}, 422, "inconsistent_identifier"),
    "married already": (
        "/v1/marriages",
        WEDDING | {"husband": {"id": FATHER, "full_name": "Nguyễn Văn Hòa", "birth_date": "1970-05-19"}},
        409,
        "already_married",
    ),
    "a copy about somebody else": (
        "/v1/copies",
        {"registration": "KS-2015-000001", "person_id": SON},
        404,
        "not_found",
    ),
    "a copy of a copy": ("/v1/copies", {"registration": "TL-2015-000001", "person_id": SON}, 404, "not_found"),
    "a copy of nothing": ("/v1/copies", {"registration": "KS-15", "person_id": SON}, 422, "invalid_identifier"),
}


@pytest.mark.parametrize(("path", "body", "status", "code"), REFUSED.values(), ids=REFUSED.keys())
async def test_refused_fail(book: Served, path: str, body: dict[str, Any], status: int, code: str) -> None:
    assert (await book.post(path, body)).outcome == (status, code)


async def test_a_certified_copy(book: Served) -> None:
    entry = next(
        e["number"]
        for e in (await book.get("/v1/persons/{id}/entries", id=CHILD)).body["items"]
        if e["role"] == "child"
    )
    asked = {"registration": entry, "person_id": CHILD}
    copy = await book.post("/v1/copies", asked, key="copy")
    assert copy.status == 201
    document = base64.b64decode(copy.body["document"])
    assert hashlib.sha256(document).hexdigest() == copy.body["document_sha256"]
    verify_copy(document, copy.body["signature"], documents_authority().identity.certificate, datetime.now(UTC))
    said = json.loads(document)
    assert (said["copy_number"], said["entry"]["child_name"]) == (copy.body["copy_number"], "Nguyễn Minh Khôi")
    assert copy.body["persons"] == [CHILD, MOTHER, FATHER]

    assert await book.post("/v1/copies", asked, key="copy") == copy
    again = await book.get("/v1/copies/{number}", number=copy.body["copy_number"])
    assert again.body.items() <= copy.body.items()
    assert (await book.post("/v1/copies", asked)).body["copy_number"] != copy.body["copy_number"]


@pytest.mark.parametrize("kind", ["births", "marriages", "deaths", "copies"])
async def test_no_such_entry_fail(book: Served, kind: str) -> None:
    path = f"/v1/{kind}/{{number}}"
    assert (await book.get(path, number="KS-1999-999999")).outcome == (404, "not_found")
    assert (await book.get(path, number="KS-1")).outcome == (422, "invalid_identifier")


async def test_nobody_is_in_the_log(book: Served) -> None:
    entered = await book.post("/v1/births", BIRTH)
    await book.post("/v1/births", BIRTH)
    await book.get("/v1/births/{number}", number=entered.body["number"])
    await book.get("/v1/persons/{id}/entries", id=FATHER)
    told = [FATHER, DAUGHTER, "Gia Bảo", "CS-79001", "2026-10-20", "Long Thạnh", entered.body["number"]]
    assert [word for word in told if word in book.log] == []
    assert [line["event"] for line in book.lines] == ["call"] * 4
