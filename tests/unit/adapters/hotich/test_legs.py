"""The register's part in linked procedures: an entry and its certified copy, or a return that says what differs from the notice."""

from __future__ import annotations

import json
import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer

from adapters.hotich.legs import agency
from adapters.people.example import PERSONS
from adapters.sdk import bootstrap, build_app
from adapters.sdk.delivery.agency import leg_adapter
from adapters.sdk.delivery.legs import bootstrap_legs
from adapters.sdk.problems import SourceUnavailable
from adapters.yte.notices import print_notice
from tests.architecture.source import ROOT
from tests.support.databases import Content, adapters_content
from tests.support.hospital import Ministry, a_birth, notices
from tests.support.registrar import registrar

FATHER, MOTHER, DAUGHTER, SON, _ = (person.id for person in PERSONS)
CS, BT = "CS-79001-2026-000815", "BT-79001-2026-000102"
BIRTH: dict[str, Any] = {
    "dossier_id": "999-KS-2026-000001",
    "procedure": "birth",
    "leg": "registration",
    "action": "do",
    "round": 1,
    "ask": 1,
    "province": "Thành phố Vân Hải",
    "persons": {"mother": DAUGHTER},
    "form": {
        "office": "UBND Phường Tân Lập",
        "child_name": "Nguyễn Gia Bảo",
        "sex": "Nam",
        "birth_date": "2026-10-20",
        "birth_place": "Bệnh viện Đa khoa Long Thạnh",
        "ethnicity": "Kinh",
    },
    "documents": {"notice": {"number": CS}},
}
DEATH = BIRTH | {
    "dossier_id": "999-KT-2026-000001",
    "procedure": "death",
    "persons": {"deceased": FATHER},
    "form": {
        "office": "UBND Phường Tân Lập",
        "full_name": "Nguyễn Văn Hòa",
        "death_date": "2026-10-20",
        "death_place": "Tại nhà",
        "claimant_id": MOTHER,
    },
    "documents": {"notice": {"number": BT}},
}


@pytest.fixture
def ministry() -> Ministry:
    return Ministry()


@pytest.fixture
def source_content() -> Content:
    async def schema(pool: Any) -> None:
        await bootstrap(pool, "hotich", (ROOT / "adapters/hotich/schema.sql").read_text("utf-8"))

    return adapters_content("hotich's legs", bootstrap_legs, schema)


@pytest.fixture
async def office(source_pool: Any, ministry: Ministry) -> AsyncIterator[TestClient[Any, Any]]:
    adapter = leg_adapter(agency(registrar(), notices(ministry)))
    async with TestClient(TestServer(build_app(adapter, source_pool))) as opened:
        yield opened


async def asked(office: TestClient[Any, Any], body: dict[str, Any], key: str | None = None) -> int:
    headers = {"X-Road-Client": "VN/GOV/G22/lienthong", "Idempotency-Key": key or str(uuid.uuid4())}
    path = f"/v1/dossiers/{body['dossier_id']}/legs/{body['leg']}"
    async with office.post(path, json=body, headers=headers) as answer:
        return answer.status


async def told(pool: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(await pool.fetchval("select body from delivery.outbox"))
    return found


@pytest.mark.parametrize("body", [BIRTH, DEATH], ids=["birth", "death"])
async def test_an_entry_and_its_copy(office: TestClient[Any, Any], source_pool: Any, body: dict[str, Any]) -> None:
    assert await asked(office, body) == 200
    outcome = await told(source_pool)
    assert outcome["outcome"] == "done"
    kept = await source_pool.fetchrow("select registration, copy_number from hotich.copy")
    assert (outcome["document"]["number"], outcome["document"]["copy_number"]) == tuple(kept)


async def test_the_childs_number_goes_back_into_the_entry_and_its_copy(
    office: TestClient[Any, Any], source_pool: Any
) -> None:
    await asked(office, BIRTH)
    entry = (await told(source_pool))["document"]
    await source_pool.execute("delete from delivery.outbox")
    given = {"registration": entry, "identifier": {"id": "999226000017"}}
    assert await asked(office, BIRTH | {"leg": "certificate", "documents": given}) == 200
    outcome = await told(source_pool)
    assert outcome["document"].items() >= {"number": entry["number"], "id": "999226000017"}.items()
    assert await source_pool.fetchval("select child_id from hotich.birth") == "999226000017"
    copies = await source_pool.fetch("select copy_number, document, persons from hotich.copy order by copy_number")
    assert [json.loads(copy["document"])["entry"]["child_id"] for copy in copies] == [None, "999226000017"]
    assert (copies[1]["copy_number"], copies[1]["persons"][0]) == (outcome["document"]["copy_number"], "999226000017")


@pytest.mark.parametrize(
    ("documents", "code"),
    [
        ({"registration": {"number": "KS-2026-999999"}, "identifier": {"id": "999226000017"}}, "THONG-TIN-KHONG-KHOP"),
        ({"identifier": {"id": "999326000017"}}, "THONG-TIN-KHONG-KHOP"),
        ({"identifier": {}}, "THONG-TIN-KHONG-KHOP"),
    ],
    ids=["no such entry", "a number of the other sex", "no number"],
)
async def test_a_number_that_does_not_fit_is_returned(
    office: TestClient[Any, Any], source_pool: Any, documents: dict[str, Any], code: str
) -> None:
    await asked(office, BIRTH)
    entry = (await told(source_pool))["document"]
    await source_pool.execute("delete from delivery.outbox")
    await asked(office, BIRTH | {"leg": "certificate", "documents": {"registration": entry} | documents})
    assert (await told(source_pool))["reason"]["code"] == code
    assert await source_pool.fetchval("select child_id from hotich.birth") is None


@pytest.mark.parametrize(
    ("body", "change", "reason"),
    [
        (BIRTH, {"sex": "Nữ"}, {"code": "THONG-TIN-KHONG-KHOP", "legal_reference": "LUAT-HOTICH-2014-D16"}),
        (DEATH, {"full_name": "Ai Đó"}, {"code": "THONG-TIN-KHONG-KHOP", "legal_reference": "LUAT-HOTICH-2014-D34"}),
    ],
    ids=["birth", "death"],
)
async def test_what_differs_is_returned(
    office: TestClient[Any, Any], source_pool: Any, body: dict[str, Any], change: dict[str, str], reason: Any
) -> None:
    """With a listed reason, its legal reference, and which field it is; nothing is entered."""
    assert await asked(office, body | {"form": body["form"] | change}) == 200
    outcome = await told(source_pool)
    assert outcome["outcome"] == "returned"
    assert outcome["reason"].items() >= reason.items()
    assert outcome["reason"]["note"] == f"/{next(iter(change))}: khác với giấy (not as in the notice)"
    for table in ("birth", "death", "copy", "book"):
        assert await source_pool.fetchval(f"select count(*) from hotich.{table}") == 0  # noqa: S608 - ours


async def test_an_unsigned_notice_is_returned(
    office: TestClient[Any, Any], source_pool: Any, ministry: Ministry
) -> None:
    ministry.sent[CS] = print_notice(a_birth())
    await asked(office, BIRTH)
    reason = {"code": "THIEU-CHU-KY-SO", "legal_reference": "CV-4040-BYT-BH", "note": ""}
    assert (await told(source_pool))["reason"] == reason


async def test_nothing_is_received_while_nobody_can_say(
    office: TestClient[Any, Any], source_pool: Any, ministry: Ministry
) -> None:
    """The leg comes again; asked again after it was told, the register asks the ministry no more."""
    ministry.away = SourceUnavailable()
    assert await asked(office, BIRTH) == 503
    assert await source_pool.fetchval("select count(*) from delivery.leg") == 0
    ministry.away = None
    assert [await asked(office, BIRTH), await asked(office, BIRTH | {"ask": 2})] == [200, 200]
    assert ministry.asked == [CS, CS]
    assert (await told(source_pool))["outcome"] == "done"


@pytest.mark.parametrize("body", [BIRTH, DEATH], ids=["birth", "death"])
async def test_nothing_is_held_while_the_ministry_is_asked(
    office: TestClient[Any, Any], source_pool: Any, ministry: Ministry, body: dict[str, Any]
) -> None:
    ministry.pool = source_pool
    assert await asked(office, body) == 200
    assert (len(ministry.asked), ministry.held) == (1, [0])


async def test_a_delivery_that_comes_again_meets_no_ministry(
    office: TestClient[Any, Any], source_pool: Any, ministry: Ministry
) -> None:
    """Its answer was lost on the way; by now the ministry is away, or has withdrawn the notice."""
    key = str(uuid.uuid4())
    assert await asked(office, BIRTH, key) == 200
    ministry.away = SourceUnavailable()
    assert await asked(office, BIRTH, key) == 200
    assert (len(ministry.asked), await source_pool.fetchval("select count(*) from hotich.birth")) == (1, 1)
