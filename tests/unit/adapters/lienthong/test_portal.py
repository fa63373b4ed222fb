"""What people find at the portal: the real adapter of the portal, told by the coordinator over the same outbox as everybody."""

from __future__ import annotations

import json
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest_asyncio

from adapters.lienthong.model import Decided
from adapters.lienthong.portal import Portal
from adapters.sdk.delivery.legs import Done, Returned
from tests.support.databases import Databases
from tests.support.linked import (
    COORDINATOR,
    FATHER,
    HOUSEHOLDER,
    LEGS,
    MOTHER,
    OWNER,
    PORTAL,
    REASONS,
    LinkedWorld,
    linked_world,
)

HOTICH, _, BHXH = LEGS
BIRTH = {
    "procedure": "birth",
    "province": "Thành phố Vân Hải",
    "persons": {"mother": MOTHER, "father": FATHER},
    "consents": {"householder": HOUSEHOLDER, "owner": OWNER},
    "form": {},
    "document": {},
}
DEATH = {
    "procedure": "death",
    "province": "Thành phố Vân Hải",
    "persons": {"deceased": OWNER},
    "form": {},
    "document": {},
}


@pytest_asyncio.fixture
async def world(databases: Databases, tmp_path: Path) -> AsyncIterator[LinkedWorld]:
    async with linked_world(databases, tmp_path, portal=Portal(REASONS)) as opened:
        yield opened


async def opened(world: LinkedWorld, body: dict[str, Any]) -> str:
    said = json.dumps(body).encode()
    answer = await world.call(PORTAL, f"{COORDINATOR}/dossiers", "/v1/dossiers", said, str(uuid.uuid4()))
    await world.work()
    number: str = json.loads(answer.body)["dossier_id"]
    return number


async def decide(world: LinkedWorld, dossier_id: str, role: str) -> None:
    async with world.pool.acquire() as connection, connection.transaction():
        await world.desk.happen(connection, dossier_id, Decided(role, granted=True), "vneid")
    await world.work()


async def at_portal(world: LinkedWorld, path: str) -> dict[str, Any]:
    async with world.clients[PORTAL].get(path) as answer:
        assert answer.status == 200, path
        found: dict[str, Any] = await answer.json()
        return found


async def inbox(world: LinkedWorld, person: str, dossier: str) -> list[dict[str, Any]]:
    items = (await at_portal(world, f"/v1/persons/{person}/notifications"))["items"]
    return [item for item in reversed(items) if item["dossier"] == dossier]


async def test_the_applicant_sees_each_step_and_whose_consent_is_missing(world: LinkedWorld) -> None:
    world.agencies[HOTICH].decide = lambda asked: Done({"copy_number": f"TL-2026-{len(asked.leg):06}"})
    world.agencies[BHXH].decide = lambda _: Done({"card_number": "TE1999950000001"})
    number = await opened(world, BIRTH)
    assert number in {item["number"] for item in (await at_portal(world, f"/v1/persons/{MOTHER}/dossiers"))["items"]}
    await decide(world, number, "owner")
    found = await at_portal(world, f"/v1/dossiers/{number}")
    steps = [(state["state"], state.get("step", {}).get("en"), len(state["waiting_for"])) for state in found["states"]]
    assert steps == [
        ("received", None, 0),
        ("processing", "Birth registration", 0),
        ("processing", "Personal identifier", 0),
        ("processing", "Number entered and certified copy", 0),
        ("waiting_consent", "Registration of residence", 2),
        ("waiting_consent", "Registration of residence", 1),
    ]
    assert found["states"][-1]["waiting_for"] == [{"vi": "Chủ hộ", "en": "Householder"}]
    await decide(world, number, "householder")
    found = await at_portal(world, f"/v1/dossiers/{number}")
    assert (found["state"], found["applicant_id"], found["procedure"]) == ("finished", MOTHER, "LT-KS")
    assert [(r["kind"], r["reference"]) for r in found["results"]] == [
        ("certificate", "TL-2026-000011"),
        ("insurance_card", "TE1999950000001"),
        ("registration", "TL-2026-000012"),
    ]
    assert [item["kind"] for item in await inbox(world, MOTHER, number)] == ["result", "result", "result", "finished"]


async def test_who_is_asked_is_reminded_and_silence_ends_in_a_return(world: LinkedWorld) -> None:
    number = await opened(world, BIRTH)
    await decide(world, number, "owner")
    await world.pass_time(46, step=1)
    told = await inbox(world, HOUSEHOLDER, number)
    assert [(item["kind"], item.get("count")) for item in told] == [
        ("consent_request", None),
        ("consent_reminder", 1),
        ("consent_reminder", 2),
        ("consent_reminder", 3),
        ("consent_expired", None),
    ]
    assert len({item["answer_by"] for item in told}) == 1, "always the same day"
    assert "Im lặng không phải là đồng ý" in told[-1]["text"]["vi"]
    assert [item["kind"] for item in await inbox(world, OWNER, number)] == ["consent_request"]
    states = (await at_portal(world, f"/v1/dossiers/{number}"))["states"]
    returned = next(state for state in states if state["state"] == "returned")
    assert returned["reason"]["code"] == "CHU-HO-CHUA-XAC-NHAN"
    assert [item["kind"] for item in await inbox(world, MOTHER, number)] == ["returned"]


async def test_a_return_is_told_with_its_reason_and_what_to_correct(world: LinkedWorld) -> None:
    refusal = Returned("THONG-TIN-KHONG-KHOP", "ND-118-2025", "/sex")
    world.agencies[HOTICH].decide = lambda asked: refusal if (asked.leg, asked.round) == ("registration", 1) else None
    number = await opened(world, BIRTH)
    state = (await at_portal(world, f"/v1/dossiers/{number}"))["states"][-1]
    assert (state["state"], state["agency"]["en"]) == ("returned", "Civil status register")
    assert state["reason"] == {
        "code": "THONG-TIN-KHONG-KHOP",
        "legal_reference": "ND-118-2025",
        "words": {"vi": "Thông tin không khớp", "en": "Data differ"},
        "note": "/sex",
    }
    path = f"/v1/dossiers/{number}/legs/registration/resubmission"
    body = json.dumps({"form": {}}).encode()
    await world.call(PORTAL, f"{COORDINATOR}/dossiers", path, body, str(uuid.uuid4()))
    await world.work()
    assert (await at_portal(world, f"/v1/dossiers/{number}"))["state"] == "waiting_consent"


async def test_a_portal_that_is_away_holds_nothing_up_and_hears_everything_later(world: LinkedWorld) -> None:
    away = True
    world.broken = lambda _, claim: "lost" if away and claim.message.service.startswith(PORTAL) else None
    number = await opened(world, BIRTH)
    for role in ("owner", "householder"):
        await decide(world, number, role)
    assert (await world.dossier(number))["status"] == "finished"
    assert await world.pools[PORTAL].fetchval("select count(*) from dvc.dossier where number = $1", number) == 0
    away = False
    await world.pass_time(1)
    found = await at_portal(world, f"/v1/dossiers/{number}")
    assert [state["state"] for state in found["states"]][-1] == "finished"
    assert len(found["states"]) == 9, "one after the other, none left out"


async def test_a_procedure_is_not_stuck_because_of_the_portal(world: LinkedWorld) -> None:
    world.broken = lambda client, claim: (
        "lost" if claim.message.service.startswith(PORTAL) or client == HOTICH else None
    )
    await opened(world, BIRTH)
    await world.pass_time(4)
    cause = "select cause from lienthong.board($1, '', '', '', '', -1, 'stuck', '')"
    waiting = await world.pool.fetchval("select count(*) from delivery.outbox where state = 'waiting'")
    assert (waiting > 0, await world.pool.fetchval(cause, world.clock())) == (True, "BDT-02")


async def test_a_death_is_filed_by_a_relative(world: LinkedWorld) -> None:
    """Who is named as the applicant finds it; where nobody is, nobody is told."""
    number = await opened(world, DEATH | {"applicant": HOUSEHOLDER})
    assert (await at_portal(world, f"/v1/dossiers/{number}"))["applicant_id"] == HOUSEHOLDER
    await opened(world, DEATH)
    assert await world.pools[PORTAL].fetchval("select count(*) from dvc.dossier where procedure = 'LT-KT'") == 1
