"""Numbers for newborns, residence and death in the population register, over real HTTP and a real database."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest

from adapters.dancu import build_adapter
from adapters.people.example import PERSONS
from adapters.people.identifiers import Sex, parse_personal_number
from adapters.sdk.testkit import Served, key_of, served
from tests.support.databases import Content, register_of

FATHER, MOTHER, DAUGHTER, SON, CHILD = (p.id for p in PERSONS)
HOME = "H99900000001"
BABY = {
    "birth_registration": "KS-2026-000900",
    "full_name": "Nguyễn Gia Bảo",
    "sex": "Nam",
    "birth_date": "2026-10-20",
    "birth_place": "Phường Tân Lập, Thành phố Vân Hải",
    "ethnicity": "Kinh",
    "mother_id": DAUGHTER,
}
MOVE_IN = {
    "household_code": HOME,
    "relation": "Cháu",
    "householder_consent": "XN-2026-000231",
    "registered_on": "2026-10-22",
}


async def members(register: Served) -> list[tuple[str, str]]:
    household = await register.get("/v1/households/{code}", code=HOME)
    return [(m["id"], m["relation"]) for m in household.body["members"]]


async def person(register: Served, number: str) -> Mapping[str, Any]:
    return (await register.get("/v1/persons/{id}", id=number)).body


@pytest.fixture
def source_content() -> Content:
    return register_of(build_adapter(1), 1)


@pytest.fixture
async def register(source_pool: Any) -> AsyncIterator[Served]:
    async with served(build_adapter(1), source_pool) as opened:
        yield opened


async def test_a_child_gets_a_number_and_a_home(register: Served) -> None:
    issued = await register.post("/v1/newborns", BABY)
    assert (issued.status, issued.body["birth_registration"]) == (201, "KS-2026-000900")
    number = parse_personal_number(issued.body["id"])
    assert (number.province, number.sex, number.birth_year) == ("999", Sex.MALE, 2026)

    record = await person(register, str(number))
    mother = await person(register, DAUGHTER)
    assert (record["full_name"], record["mother_id"], record["household_code"]) == ("Nguyễn Gia Bảo", DAUGHTER, None)
    assert record["residence"] == mother["residence"]

    home = await register.post("/v1/residence-registrations", {"id": str(number), **MOVE_IN})
    assert (home.status, home.body["address"]["line"]) == (201, "Số 12, đường Hoa Sữa")
    assert (await members(register))[-1] == (str(number), "Cháu")
    record = await person(register, str(number))
    assert (record["household_code"], record["residence"]["current"]) == (HOME, home.body["address"])


async def test_one_birth_one_number(register: Served) -> None:
    """The same key answers the same; another key for the same birth is refused, also when all come at once."""
    first = await register.post("/v1/newborns", BABY, key="birth 1")
    assert await register.post("/v1/newborns", BABY, key="birth 1") == first
    problem = await register.post("/v1/newborns", BABY, key="birth 2")
    assert problem.outcome == (409, "already_issued")

    another = BABY | {"birth_registration": "KS-2026-000901"}
    answers = await asyncio.gather(*(register.post("/v1/newborns", another, key=f"other {n}") for n in range(5)))
    assert sorted(answer.status for answer in answers) == [201, 409, 409, 409, 409]
    assert await register.pool.fetchval("select count(*) from dancu.person where birth_date = '2026-10-20'") == 2


async def test_a_taken_number_is_drawn_again(register: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    draws = iter([61, 61, 62])
    monkeypatch.setattr("adapters.dancu.newborns.secrets.randbelow", lambda _: next(draws))
    given = [
        (await register.post("/v1/newborns", BABY | {"birth_registration": f"KS-2026-00000{n}"})).body["id"]
        for n in (1, 2)
    ]
    assert given == ["999226000061", "999226000062"]


NOBODY = "999199000000"
REFUSED = {
    # situation: (path, body, status, code)
    "born tomorrow": ("/v1/newborns", BABY | {"birth_date": "2999-01-01"}, 422, "future_date"),
    "unknown mother": ("/v1/newborns", BABY | {"mother_id": NOBODY}, 422, "impossible_parent"),
    "a man as mother": ("/v1/newborns", BABY | {"mother_id": SON}, 422, "impossible_parent"),
    "a woman as father": ("/v1/newborns", BABY | {"father_id": MOTHER}, 422, "impossible_parent"),
    "a child as father": (
        "/v1/newborns",
        BABY | {"father_id": CHILD, "birth_date": "2020-01-01"},
        422,
        "impossible_parent",
    ),
    "name in decomposed letters": (
        "/v1/newborns",
        BABY | {"full_name": "Nguye\u0302\u0303n"},
        400,
        "malformed_request",
    ),
    "lives elsewhere": ("/v1/residence-registrations", {"id": SON, **MOVE_IN}, 409, "already_member"),
    "unknown person moves in": ("/v1/residence-registrations", {"id": NOBODY, **MOVE_IN}, 422, "unknown_person"),
    "no consent": (
        "/v1/residence-registrations",
        {"id": SON, **MOVE_IN, "householder_consent": ""},
        400,
        "malformed_request",
    ),
    "removed as dead while alive": (
        "/v1/residence-removals",
        {"id": SON, "reason": "deceased", "effective_on": "2026-10-22"},
        409,
        "not_deceased",
    ),
    "died before birth": (
        "/v1/deaths",
        {"id": CHILD, "death_date": "2015-09-04", "death_registration": "KT-2026-000001"},
        422,
        "impossible_date",
    ),
    "dies tomorrow": (
        "/v1/deaths",
        {"id": CHILD, "death_date": "2999-01-01", "death_registration": "KT-2026-000001"},
        422,
        "future_date",
    ),
}


@pytest.mark.parametrize(("path", "body", "status", "code"), REFUSED.values(), ids=REFUSED.keys())
async def test_refused_fail(register: Served, path: str, body: dict[str, Any], status: int, code: str) -> None:
    assert (await register.post(path, body)).outcome == (status, code)
    assert (await members(register))[0] == (FATHER, "Chủ hộ")


async def test_a_householder_dies(register: Served) -> None:
    """Status, the widow, the household: she becomes its head; each step once."""
    death = {"id": FATHER, "death_date": "2026-10-20", "death_registration": "KT-2026-000102"}
    recorded = await register.post("/v1/deaths", death)
    assert (recorded.status, recorded.body["status"], recorded.body["death_date"]) == (201, "Đã mất", "2026-10-20")
    assert (await person(register, FATHER))["death_date"] == "2026-10-20"
    assert (await person(register, MOTHER))["marital_status"] == "Góa"
    removal = {"id": FATHER, "reason": "deceased", "effective_on": "2026-10-22"}
    removed = await register.post("/v1/residence-removals", removal)
    assert (removed.status, removed.body["household_code"]) == (201, HOME)
    assert await members(register) == [(MOTHER, "Chủ hộ"), (DAUGHTER, "Con"), (SON, "Con"), (CHILD, "Con")]

    assert (await register.post("/v1/deaths", death)).code == "already_deceased"
    assert (await register.post("/v1/residence-removals", removal)).code == "not_a_member"
    assert (await register.post("/v1/residence-registrations", {"id": FATHER, **MOVE_IN})).code == "deceased"
    other = {"id": MOTHER, "death_date": "2026-10-20", "death_registration": "KT-2026-000102"}
    assert (await register.post("/v1/deaths", other)).code == "registration_used"
    rows = await register.pool.fetch("select person_id, change from dancu.residence_change")
    assert [tuple(row) for row in rows] == [(FATHER, "deceased")]


async def test_the_last_member_leaves_and_the_household_is_empty(register: Served) -> None:
    for leaving in (FATHER, MOTHER, DAUGHTER, SON, CHILD):
        leaves = {"id": leaving, "reason": "moved", "effective_on": "2026-10-22"}
        assert (await register.post("/v1/residence-removals", leaves)).status == 201
    assert (await register.get("/v1/households/{code}", code=HOME)).code == "not_found"
    problem = await register.post("/v1/residence-registrations", {"id": SON, **MOVE_IN})
    assert problem.outcome == (422, "unknown_household")


async def test_nobody_is_in_the_log(register: Served) -> None:
    await register.post("/v1/newborns", BABY, key="one")
    await register.post("/v1/newborns", BABY, key="other")
    await register.post("/v1/deaths", {"id": SON, "death_date": "1990-01-01", "death_registration": "KT-2026-000007"})
    log = register.log
    assert [line["event"] for line in register.lines] == ["call"] * 3
    assert [
        word for word in (DAUGHTER, SON, "Gia Bảo", "KS-2026", "KT-2026", "2026-10-20", key_of("one")) if word in log
    ] == []
