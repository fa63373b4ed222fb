"""Numbers for newborns, residence and death in the population register, over real HTTP and a real database."""

import asyncio
import io
from collections.abc import AsyncIterator
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import pytest
from aiohttp.test_utils import TestClient, TestServer

from adapters.dancu import build_adapter
from adapters.people.example import PERSONS
from adapters.people.identifiers import Sex, parse_personal_number
from adapters.sdk import bootstrap, build_app
from adapters.sdk.access import adapter_log
from adapters.sdk.document import response_schema

ADAPTER = build_adapter(1)
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


def key_of(what: object) -> str:
    return str(uuid5(NAMESPACE_URL, str(what)))


class Register:
    def __init__(self, pool: Any) -> None:
        self.pool = pool
        self.log = io.StringIO()
        self.client: TestClient[Any, Any] = TestClient(
            TestServer(build_app(ADAPTER, pool, adapter_log("dancu", self.log)))
        )
        self._keys = 0

    async def post(self, path: str, body: object, key: str | None = None) -> tuple[int, dict[str, Any]]:
        """Every answer is as the document says."""
        self._keys += 1
        headers = {"Idempotency-Key": key_of(key or self._keys)}
        async with self.client.post(path, json=body, headers=headers) as answer:
            said: dict[str, Any] = await answer.json(content_type=None)
            response_schema(ADAPTER.folder, f"POST {path}", answer.status, ADAPTER.formats).check(said)
            return answer.status, said

    async def get(self, path: str) -> dict[str, Any]:
        async with self.client.get(path) as answer:
            found: dict[str, Any] = await answer.json(content_type=None)
            return found

    async def members(self) -> list[tuple[str, str]]:
        return [(m["id"], m["relation"]) for m in (await self.get(f"/v1/households/{HOME}"))["members"]]


@pytest.fixture
async def register(source_pool: Any) -> AsyncIterator[Register]:
    await bootstrap(source_pool, ADAPTER.name, (ADAPTER.folder / "schema.sql").read_text("utf-8"))
    assert ADAPTER.prepare is not None
    await ADAPTER.prepare(source_pool, adapter_log("dancu", io.StringIO()))
    opened = Register(source_pool)
    await opened.client.start_server()
    yield opened
    await opened.client.close()


async def test_a_child_gets_a_number_and_a_home(register: Register) -> None:
    status, issued = await register.post("/v1/newborns", BABY)
    assert (status, issued["birth_registration"]) == (201, "KS-2026-000900")
    number = parse_personal_number(issued["id"])
    assert (number.province, number.sex, number.birth_year) == ("999", Sex.MALE, 2026)

    record = await register.get(f"/v1/persons/{number}")
    mother = await register.get(f"/v1/persons/{DAUGHTER}")
    assert (record["full_name"], record["mother_id"], record["household_code"]) == ("Nguyễn Gia Bảo", DAUGHTER, None)
    assert record["residence"] == mother["residence"]

    status, home = await register.post("/v1/residence-registrations", {"id": str(number), **MOVE_IN})
    assert (status, home["address"]["line"]) == (201, "Số 12, đường Hoa Sữa")
    assert (await register.members())[-1] == (str(number), "Cháu")
    record = await register.get(f"/v1/persons/{number}")
    assert (record["household_code"], record["residence"]["current"]) == (HOME, home["address"])


async def test_one_birth_one_number(register: Register) -> None:
    """The same key answers the same; another key for the same birth is refused, also when all come at once."""
    first = await register.post("/v1/newborns", BABY, "birth-0001")
    assert await register.post("/v1/newborns", BABY, "birth-0001") == first
    status, problem = await register.post("/v1/newborns", BABY, "birth-0002")
    assert (status, problem["code"]) == (409, "already_issued")

    another = BABY | {"birth_registration": "KS-2026-000901"}
    answers = await asyncio.gather(*(register.post("/v1/newborns", another, f"other-{n:04}") for n in range(5)))
    assert sorted(status for status, _ in answers) == [201, 409, 409, 409, 409]
    assert await register.pool.fetchval("select count(*) from dancu.person where birth_date = '2026-10-20'") == 2


async def test_a_taken_number_is_drawn_again(register: Register, monkeypatch: pytest.MonkeyPatch) -> None:
    draws = iter([61, 61, 62])
    monkeypatch.setattr("adapters.dancu.newborns.secrets.randbelow", lambda _: next(draws))
    given = [
        (await register.post("/v1/newborns", BABY | {"birth_registration": f"KS-2026-00000{n}"}))[1]["id"]
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
async def test_refused_fail(register: Register, path: str, body: dict[str, Any], status: int, code: str) -> None:
    found, problem = await register.post(path, body)
    assert (found, problem["code"]) == (status, code)
    assert (await register.members())[0] == (FATHER, "Chủ hộ")


async def test_a_householder_dies(register: Register) -> None:
    """Status, the widow, the household: she becomes its head; each step once."""
    death = {"id": FATHER, "death_date": "2026-10-20", "death_registration": "KT-2026-000102"}
    status, recorded = await register.post("/v1/deaths", death)
    assert (status, recorded["status"], recorded["death_date"]) == (201, "Đã mất", "2026-10-20")
    assert (await register.get(f"/v1/persons/{FATHER}"))["death_date"] == "2026-10-20"
    assert (await register.get(f"/v1/persons/{MOTHER}"))["marital_status"] == "Góa"
    removal = {"id": FATHER, "reason": "deceased", "effective_on": "2026-10-22"}
    status, removed = await register.post("/v1/residence-removals", removal)
    assert (status, removed["household_code"]) == (201, HOME)
    assert await register.members() == [(MOTHER, "Chủ hộ"), (DAUGHTER, "Con"), (SON, "Con"), (CHILD, "Con")]

    assert (await register.post("/v1/deaths", death))[1]["code"] == "already_deceased"
    assert (await register.post("/v1/residence-removals", removal))[1]["code"] == "not_a_member"
    assert (await register.post("/v1/residence-registrations", {"id": FATHER, **MOVE_IN}))[1]["code"] == "deceased"
    other = {"id": MOTHER, "death_date": "2026-10-20", "death_registration": "KT-2026-000102"}
    assert (await register.post("/v1/deaths", other))[1]["code"] == "registration_used"
    rows = await register.pool.fetch("select person_id, change from dancu.residence_change")
    assert [tuple(row) for row in rows] == [(FATHER, "deceased")]


async def test_the_last_member_leaves_and_the_household_is_empty(register: Register) -> None:
    for person in (FATHER, MOTHER, DAUGHTER, SON, CHILD):
        leaves = {"id": person, "reason": "moved", "effective_on": "2026-10-22"}
        assert (await register.post("/v1/residence-removals", leaves))[0] == 201
    assert (await register.get(f"/v1/households/{HOME}"))["code"] == "not_found"
    status, problem = await register.post("/v1/residence-registrations", {"id": SON, **MOVE_IN})
    assert (status, problem["code"]) == (422, "unknown_household")


async def test_nobody_is_in_the_log(register: Register) -> None:
    await register.post("/v1/newborns", BABY, "one")
    await register.post("/v1/newborns", BABY, "other")
    await register.post("/v1/deaths", {"id": SON, "death_date": "1990-01-01", "death_registration": "KT-2026-000007"})
    log = register.log.getvalue()
    assert log.count('"event":"call"') == 3
    assert [
        word for word in (DAUGHTER, SON, "Gia Bảo", "KS-2026", "KT-2026", "2026-10-20", key_of("one")) if word in log
    ] == []
