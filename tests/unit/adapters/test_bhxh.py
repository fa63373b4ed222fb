"""Social insurance over real HTTP and a real database: look-ups, pages, cards, one payment for one death."""

import asyncio
import inspect
from collections.abc import AsyncIterator
from datetime import date
from typing import Any

import pytest

from adapters.bhxh import build_adapter
from adapters.bhxh.benefits import REFERENCE_VND, Paid, paid_until, survivors_vnd
from adapters.bhxh.cards import child_until
from adapters.bhxh.numbers import parse_cursor, print_cursor
from adapters.bhxh.seed import invented
from adapters.bhxh.service import build_adapter as bhxh
from adapters.dancu.service import build_adapter as dancu
from adapters.hotich.service import build_adapter as hotich
from adapters.people.example import PERSONS
from adapters.people.generator import CITIZENS, generate
from adapters.sdk.testkit import Served, served
from tests.support.databases import Content, register_of

SIZE = 40
FATHER, MOTHER, DAUGHTER, SON, CHILD = (p.id for p in PERSONS)
NOBODY = "999199000000"
BABY = {
    "id": "999226000900",
    "full_name": "Nguyễn Gia Bảo",
    "sex": "Nam",
    "birth_date": "2026-10-20",
    "group": "TE",
    "facility": "Trạm y tế phường Tân Lập",
}
CLAIM = {
    "deceased_id": FATHER,
    "claimant_id": MOTHER,
    "death_date": "2026-10-20",
    "death_registration": "KT-2026-000102",
}
CARDS, BENEFITS = "/v1/health-cards", "/v1/death-benefits"


@pytest.fixture
def source_content() -> Content:
    return register_of(build_adapter(SIZE), SIZE)


@pytest.fixture
async def insurance(source_pool: Any) -> AsyncIterator[Served]:
    async with served(build_adapter(SIZE), source_pool) as opened:
        yield opened


async def test_every_citizen_is_known_as_documented(insurance: Served) -> None:
    """The same persons as the population register's; a history read by pages is the whole history."""
    numbers = set()
    for person in generate(SIZE).persons:
        record = await insurance.get("/v1/participants/{id}", id=person.id)
        assert (record.status, record.body["full_name"]) == (200, person.full_name)
        numbers.add(record.body["insurance_number"])
        whole = (await insurance.get("/v1/participants/{id}/contributions", "?limit=100", id=person.id)).body
        assert whole["next"] is None
        assert await _pages(insurance, person.id, 2) == whole["items"]
        assert sorted(whole["items"], key=lambda p: p["from_month"]) == whole["items"]
    assert len(numbers) == len(generate(SIZE).persons)


async def _pages(insurance: Served, number: str, limit: int) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    cursor: str | None = ""
    while cursor is not None:
        query = f"?limit={limit}" + (f"&cursor={cursor}" if cursor else "")
        page = (await insurance.get("/v1/participants/{id}/contributions", query, id=number)).body
        assert len(page["items"]) <= limit
        found += page["items"]
        cursor = page["next"]
    return found


async def test_a_read_page_stays_when_a_period_is_added(insurance: Served) -> None:
    path = "/v1/participants/{id}/contributions"
    first = (await insurance.get(path, "?limit=3", id=FATHER)).body
    await insurance.pool.execute(
        "insert into bhxh.contribution select insurance_number, max(position) + 1, '1994-01-01', '1994-02-01', 'x', 1"
        " from bhxh.contribution join bhxh.insured using (insurance_number) where person_id = $1 group by 1",
        FATHER,
    )
    assert (await insurance.get(path, "?limit=3", id=FATHER)).body == first
    assert (await _pages(insurance, FATHER, 3))[-1]["employer"] == "x"


@pytest.mark.parametrize(
    ("template", "query", "number", "outcome"),
    [
        ("/v1/participants/{id}", "", NOBODY, (404, "not_found")),
        ("/v1/participants/{id}", "", "12", (422, "invalid_identifier")),
        ("/v1/participants/{id}/contributions", "", NOBODY, (404, "not_found")),
        ("/v1/participants/{id}/contributions", "?limit=0", FATHER, (400, "malformed_request")),
        ("/v1/participants/{id}/contributions", "?limit=101", FATHER, (400, "malformed_request")),
        ("/v1/participants/{id}/contributions", "?cursor=5", FATHER, (400, "malformed_request")),
        ("/v1/health-cards/{id}", "", NOBODY, (404, "not_found")),
        ("/v1/death-benefits/{id}", "", FATHER, (404, "not_found")),
    ],
)
async def test_a_look_up_refused_fail(
    insurance: Served, template: str, query: str, number: str, outcome: tuple[int, str]
) -> None:
    assert (await insurance.get(template, query, id=number)).outcome == outcome


async def test_a_newborn_gets_a_card_once(insurance: Served) -> None:
    issued = await insurance.post(CARDS, BABY, key="card")
    assert issued.status == 201
    assert issued.body["card_number"] == f"TE199{issued.body['insurance_number']}"
    assert (issued.body["valid_from"], issued.body["valid_to"]) == ("2026-10-20", "2032-10-19")
    assert await insurance.post(CARDS, BABY, key="card") == issued
    assert (await insurance.post(CARDS, BABY)).outcome == (409, "card_exists")
    found = await insurance.get("/v1/health-cards/{id}", id=BABY["id"])
    assert found.body.items() <= issued.body.items()
    assert (await insurance.get("/v1/participants/{id}", id=BABY["id"])).body["status"] == "Chưa tham gia"


async def test_cards_asked_for_at_once_are_one(insurance: Served) -> None:
    answers = await asyncio.gather(*(insurance.post(CARDS, BABY, key=n) for n in range(5)))
    assert sorted(a.status for a in answers) == [201, 409, 409, 409, 409]


@pytest.mark.parametrize(
    ("change", "outcome"),
    [
        ({"sex": "Nữ"}, (422, "inconsistent_identifier")),
        ({"birth_date": "2025-10-20"}, (422, "inconsistent_identifier")),
        ({"birth_date": "2999-10-20"}, (422, "future_date")),
        ({"id": CHILD, "birth_date": "2015-09-05"}, (422, "not_eligible")),
        ({"id": CHILD, "birth_date": "2015-09-05", "group": "GD"}, (409, "differs_from_record")),
        ({"group": "HT"}, (400, "malformed_request")),
        ({"facility": ""}, (400, "malformed_request")),
    ],
)
async def test_a_card_refused_fail(insurance: Served, change: dict[str, Any], outcome: tuple[int, str]) -> None:
    assert (await insurance.post(CARDS, BABY | change)).outcome == outcome


async def test_one_death_is_paid_once(insurance: Served) -> None:
    decided = await insurance.post(BENEFITS, CLAIM, key="claim")
    assert (decided.status, decided.body["funeral_vnd"]) == (201, 10 * REFERENCE_VND)
    assert decided.body["survivors_vnd"] > 0
    assert await insurance.post(BENEFITS, CLAIM, key="claim") == decided
    answers = await asyncio.gather(
        *(insurance.post(BENEFITS, CLAIM | {"claimant_id": DAUGHTER}, key=n) for n in range(4))
    )
    assert {a.outcome for a in answers} == {(409, "already_claimed")}
    assert await insurance.pool.fetchval("select count(*) from bhxh.death_benefit") == 1
    found = await insurance.get("/v1/death-benefits/{id}", id=FATHER)
    assert found.body.items() <= decided.body.items()
    assert (await insurance.get("/v1/participants/{id}", id=FATHER)).body["status"] == "Đã mất"
    assert (await insurance.get("/v1/health-cards/{id}", id=FATHER)).code == "not_found"
    assert (
        await insurance.post(BENEFITS, CLAIM | {"deceased_id": MOTHER, "claimant_id": SON})
    ).code == "registration_used"


@pytest.mark.parametrize(
    ("change", "outcome"),
    [
        ({"deceased_id": NOBODY}, (422, "not_insured")),
        ({"deceased_id": CHILD}, (422, "not_eligible")),
        ({"death_date": "2999-01-01"}, (422, "future_date")),
        ({"death_date": "1960-01-01"}, (422, "impossible_date")),
        ({"claimant_id": FATHER}, (422, "impossible_claimant")),
    ],
)
async def test_a_claim_refused_fail(insurance: Served, change: dict[str, Any], outcome: tuple[int, str]) -> None:
    assert (await insurance.post(BENEFITS, CLAIM | change)).outcome == outcome
    assert await insurance.pool.fetchval("select count(*) from bhxh.death_benefit") == 0


async def test_nobody_is_in_the_log(insurance: Served) -> None:
    await insurance.get("/v1/participants/{id}", id=FATHER)
    await insurance.post(CARDS, BABY)
    await insurance.post(BENEFITS, CLAIM | {"death_date": "1960-01-01"})
    told = [FATHER, MOTHER, BABY["id"], "Gia Bảo", "KT-2026", "2026-10-20", "Trạm", "99000000"]
    assert [word for word in told if word in insurance.log] == []
    assert [line["event"] for line in insurance.lines] == ["call"] * 3


def test_a_smaller_seed_begins_a_larger_one() -> None:
    small, large = invented(50), invented(300)
    for few, many in zip(small, large, strict=True):
        assert list(few.records) == list(many.records)[: len(few.records)]


def test_every_citizen_of_the_population_register_is_known() -> None:
    """By the registers' defaults, which are what runs: the same people, not the first of them."""
    insured, _, _ = invented(200)
    assert {row[1] for row in insured.records} == {person.id for person in generate(200).persons}
    sizes = [inspect.signature(build).parameters["citizens"].default for build in (bhxh, dancu, hotich)]
    assert sizes == [CITIZENS] * 3


@pytest.mark.parametrize(
    ("death", "paid"),
    [
        (date(2026, 3, 31), Paid(15, 11 * 10 + 4 * 20)),
        (date(2025, 6, 1), Paid(6, 60)),
        (date(2024, 12, 31), Paid(0, 0)),
    ],
)
def test_months_count_up_to_the_death(death: date, paid: Paid) -> None:
    assert paid_until([(date(2025, 1, 1), date(2025, 11, 1), 10), (date(2025, 12, 1), None, 20)], death) == paid


@pytest.mark.parametrize(
    ("paid", "vnd"), [(Paid(0, 0), 0), (Paid(12, 120), 30), (Paid(24, 240), 40), (Paid(35, 350), 40)]
)
def test_survivors(paid: Paid, vnd: int) -> None:
    assert survivors_vnd(paid) == vnd


@pytest.mark.parametrize(
    ("birth", "until"),
    [
        (date(2020, 10, 20), date(2026, 10, 19)),
        (date(2020, 3, 1), date(2026, 9, 30)),
        (date(2020, 2, 29), date(2026, 9, 30)),
        (date(2020, 10, 1), date(2026, 9, 30)),
    ],
)
def test_a_childs_card_holds_to_school(birth: date, until: date) -> None:
    assert child_until(birth) == until


@pytest.mark.parametrize("text", ["", "5", "YWZ0ZXI6", "YWZ0ZXI6NQ==", "YWZ0ZXI6MDU", "\u00e9", "YWZ0ZXI6LTE", "%%%%"])
def test_what_is_no_cursor_fail(text: str) -> None:
    with pytest.raises(ValueError):
        parse_cursor(text)


@pytest.mark.parametrize("position", [0, 1, 99, 123456])
def test_a_cursor_comes_back(position: int) -> None:
    assert parse_cursor(print_cursor(position)) == position
