"""An agency beside its adapter: its own rules become outcomes, and a refused outcome can be corrected."""

from __future__ import annotations

import json
import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from aiohttp.test_utils import TestClient, TestServer

from adapters.sdk import Conflict, InvalidIdentifier, MalformedCall, Problem, Refused, build_app
from adapters.sdk.delivery.agency import Agency, leg_adapter, needed, needed_date
from adapters.sdk.delivery.legs import Coordinator, Done, LegRequest, Outcome, Returned, bootstrap_legs, correct
from tests.support.databases import Content, adapters_content
from tests.support.delivery import START

ASKED = {
    "dossier_id": "999-KS-2026-000001",
    "procedure": "birth",
    "leg": "registration",
    "action": "do",
    "round": 1,
    "ask": 1,
    "province": "x",
    "persons": {"mother": "999300000017"},
    "form": {},
    "documents": {},
}
KEY = ("999-KS-2026-000001", "registration", "do", 1)
NOT_ENTITLED = Returned("KHONG-DU-DIEU-KIEN", "LUAT-BHXH-2024")


class Office:
    def __init__(self) -> None:
        self.rule: Exception | None = None

    async def work(self, connection: Any, asked: LegRequest) -> Outcome:
        await connection.execute("insert into work values ($1)", asked.leg)
        if self.rule is not None:
            raise self.rule
        return Done({"number": "KS-2026-000001"})


@pytest.fixture
def office() -> Office:
    return Office()


@pytest.fixture
def source_content() -> Content:
    return adapters_content("agency", bootstrap_legs, lambda pool: pool.execute("create table work (leg text)"))


@pytest_asyncio.fixture
async def client(source_pool: Any, office: Office) -> AsyncIterator[TestClient[Any, Any]]:
    agency = Agency("VN/GOV/G15/hotich", "-", "-", {"registration": office.work}, {"not_eligible": NOT_ENTITLED})
    async with TestClient(TestServer(build_app(leg_adapter(agency), source_pool))) as opened:
        yield opened


async def asked(client: TestClient[Any, Any], **other: Any) -> tuple[int, dict[str, Any]]:
    body = {**ASKED, **other}
    headers = {"X-Road-Client": "VN/GOV/G22/lienthong", "Idempotency-Key": str(uuid.uuid4()), "Purpose-Code": "P"}
    path = f"/v1/dossiers/{ASKED['dossier_id']}/legs/{body['leg']}"
    async with client.post(path, json=body, headers=headers) as answer:
        return answer.status, await answer.json(content_type=None)


@pytest.mark.parametrize(
    ("problem", "code"),
    [
        (Conflict("x", code="already_registered"), "HO-SO-TRUNG"),
        (Refused("x", code="impossible_date"), "THONG-TIN-KHONG-KHOP"),
        (Refused("x", code="not_eligible"), "KHONG-DU-DIEU-KIEN"),
        (InvalidIdentifier("x"), "THONG-TIN-KHONG-KHOP"),
        (MalformedCall("x"), "THONG-TIN-KHONG-KHOP"),
    ],
    ids=lambda value: getattr(value, "code", None),
)
async def test_the_agencys_rules_become_returns(
    client: TestClient[Any, Any], source_pool: Any, office: Office, problem: Problem, code: str
) -> None:
    office.rule = problem
    assert (await asked(client))[1]["state"] == "told"
    row = await source_pool.fetchrow("select body, purpose from delivery.outbox")
    assert (json.loads(row["body"])["reason"]["code"], row["purpose"]) == (code, "P")
    assert await source_pool.fetchval("select count(*) from work") == 0, "what it did before is undone"


async def test_what_nobody_foresaw_is_not_received(
    client: TestClient[Any, Any], source_pool: Any, office: Office
) -> None:
    office.rule = ZeroDivisionError()
    assert (await asked(client))[0] == 500
    for table in ("select count(*) from adapter_effect", "select count(*) from delivery.leg"):
        assert await source_pool.fetchval(table) == 0
    office.rule = None
    assert (await asked(client))[1]["state"] == "told"


async def test_asked_again_it_answers_again_and_works_once(client: TestClient[Any, Any], source_pool: Any) -> None:
    assert (await asked(client))[1]["state"] == "told"
    await source_pool.execute("update delivery.outbox set state = 'delivered', settled_at = now()")
    assert (await asked(client, ask=2))[1]["state"] == "told_again"
    assert await source_pool.fetchval("select state from delivery.outbox") == "waiting"
    assert await source_pool.fetchval("select count(*) from work") == 1
    assert (await asked(client, leg="residence"))[0] == 400, "not a leg of this agency"
    assert (await asked(client, dossier_id="999-KS-2026-000002"))[0] == 400, "another dossier than the path names"


async def test_a_refused_outcome_is_corrected(client: TestClient[Any, Any], source_pool: Any, office: Office) -> None:
    office.rule = Refused("x", code="not_eligible")
    await asked(client)
    good = Returned("THONG-TIN-KHONG-KHOP", "ND-118-2025")
    async with source_pool.acquire() as connection, connection.transaction():
        assert not await correct(connection, KEY, good, Coordinator(), "VH-03", START), "it may still arrive"
    await source_pool.execute("update delivery.outbox set state = 'dead', settled_at = now(), cause = 'x'")
    async with source_pool.acquire() as connection, connection.transaction():
        assert await correct(connection, KEY, good, Coordinator(), "VH-03", START)
    rows = await source_pool.fetch("select state, body from delivery.outbox order by position")
    assert [r["state"] for r in rows] == ["set_aside", "waiting"]
    assert json.loads(rows[1]["body"])["reason"]["code"] == good.code
    assert await source_pool.fetchval("select who from delivery.action") == "VH-03"


def test_what_a_leg_needs() -> None:
    assert needed({"a": "x"}, "a") == "x"
    assert needed_date({"a": "2026-02-28"}, "a").day == 28
    for given in ({}, {"a": ""}, {"a": 1}, {"a": "\0"}):
        with pytest.raises(MalformedCall):
            needed(given, "a")
    with pytest.raises(MalformedCall):
        needed_date({"a": "2026-02-30"}, "a")
