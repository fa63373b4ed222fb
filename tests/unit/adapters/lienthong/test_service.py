"""Dossiers through agencies that are stand-ins, over HTTP and real databases: scenarios A1, A3, A4, A5 and A6 in small."""

from __future__ import annotations

import json
import random
import uuid
from typing import Any

from adapters.lienthong.model import Decided
from adapters.sdk.delivery.judging import Answer
from adapters.sdk.delivery.legs import Coordinator, Done, Later, Returned, report
from tests.support.linked import (
    COORDINATOR,
    FATHER,
    HOUSEHOLDER,
    LEGS,
    MOTHER,
    OWNER,
    PORTAL,
    LinkedWorld,
)

SERVICE = f"{COORDINATOR}/dossiers"
HOTICH, DANCU, BHXH = LEGS
BIRTH = {
    "procedure": "birth",
    "province": "Thành phố Vân Hải",
    "persons": {"mother": MOTHER, "father": FATHER},
    "consents": {"householder": HOUSEHOLDER, "owner": OWNER},
    "form": {"child": {"full_name": "Nguyễn An"}},
    "document": {"notice": "GCS-1"},
}
DEATH = {
    "procedure": "death",
    "province": "Thành phố Vân Hải",
    "persons": {"deceased": OWNER},
    "form": {},
    "document": {"notice": "GBT-1"},
}


async def told(
    world: LinkedWorld, path: str, body: Any, *, client: str = PORTAL, message_id: str | None = None
) -> tuple[int, dict[str, Any]]:
    answer: Answer = await world.call(client, SERVICE, path, json.dumps(body).encode(), message_id or str(uuid.uuid4()))
    return answer.status, json.loads(answer.body)


async def opened(world: LinkedWorld, body: Any = None) -> str:
    status, receipt = await told(world, "/v1/dossiers", body or BIRTH)
    assert status == 200, receipt
    await world.work()
    number: str = receipt["dossier_id"]
    return number


async def decide(world: LinkedWorld, dossier_id: str, role: str, *, granted: bool) -> None:
    async with world.pool.acquire() as connection, connection.transaction():
        await world.desk.happen(connection, dossier_id, Decided(role, granted), "vneid")
    await world.work()


async def kinds(world: LinkedWorld, dossier_id: str) -> list[str]:
    rows = await world.pool.fetch("select kind from lienthong.entry where dossier = $1 order by number", dossier_id)
    return [row["kind"] for row in rows]


async def test_a_birth_goes_through_every_agency_under_one_number(world: LinkedWorld) -> None:
    number = await opened(world)
    assert number == "999-KS-2026-000001"
    row = await world.dossier(number)
    assert (row["leg"], row["leg_status"]) == ("residence", "consent")
    asked = await world.pool.fetch("select role, person from lienthong.question order by role")
    assert [tuple(r) for r in asked] == [("householder", HOUSEHOLDER), ("owner", OWNER)]
    await decide(world, number, "owner", granted=True)
    await decide(world, number, "householder", granted=True)
    row = await world.dossier(number)
    assert (row["status"], row["leg"], row["next_tick"]) == ("finished", None, None)
    assert await world.agencies[HOTICH].done() == [(number, "registration", "do"), (number, "certificate", "do")]
    assert await world.agencies[DANCU].done() == [(number, "identifier", "do"), (number, "residence", "do")]
    assert await world.agencies[BHXH].done() == [(number, "insurance_card", "do")]
    issues = [r[0] for pool in world.pools.values() for r in await pool.fetch("select issue from delivery.outbox")]
    assert set(issues) == {number}
    assert len(issues) == 10
    purposes = [r[0] for pool in world.pools.values() for r in await pool.fetch("select purpose from delivery.outbox")]
    assert set(purposes) == {"LIEN-THONG-KHAI-SINH"}, "an outcome has the purpose of what was asked"


async def test_an_agency_is_given_what_its_leg_needs_and_no_more(world: LinkedWorld) -> None:
    number = await opened(world)
    bodies = {
        r["path"].rpartition("/")[2]: json.loads(r["body"])
        for r in await world.pool.fetch("select path, body from delivery.outbox")
    }
    assert bodies["registration"]["documents"] == {"notice": {"notice": "GCS-1"}}
    assert bodies["identifier"]["documents"] == {"registration": {"by": HOTICH, "leg": "registration"}}
    assert bodies["identifier"]["persons"] == {"mother": MOTHER, "father": FATHER}
    assert bodies["identifier"]["dossier_id"] == number


async def test_the_same_opening_twice_is_one_dossier(world: LinkedWorld) -> None:
    message_id = str(uuid.uuid4())
    first = await told(world, "/v1/dossiers", BIRTH, message_id=message_id)
    assert await told(world, "/v1/dossiers", BIRTH, message_id=message_id) == first
    assert (await told(world, "/v1/dossiers", DEATH, message_id=message_id))[0] == 422
    assert await world.pool.fetchval("select count(*) from lienthong.dossier") == 1


async def test_a_death_ends_with_one_payment_whatever_is_repeated(world: LinkedWorld) -> None:
    dice = random.Random(7)
    world.broken = lambda client, claim: dice.choice([None, "lost", "answer lost"])
    number = await opened(world, DEATH)
    for _ in range(60):
        await world.pass_time(0.02, step=0.02)
    assert (await world.dossier(number))["status"] == "finished"
    assert await world.agencies[BHXH].done() == [(number, "funeral_benefit", "do")]


async def test_a_portal_sees_where_a_dossier_is(world: LinkedWorld) -> None:
    number = await opened(world)
    async with world.clients[COORDINATOR].get(f"/v1/dossiers/{number}") as answer:
        state = await answer.json()
    assert [leg["status"] for leg in state["legs"]] == ["done", "done", "done", "done", "consent", "not_begun"]
    assert [c["status"] for c in state["consents"]] == ["asked", "asked"]
    assert MOTHER not in json.dumps(state)
    async with world.clients[COORDINATOR].get("/v1/dossiers/999-KS-2026-999999") as answer:
        assert answer.status == 404


async def test_a_return_waits_for_the_applicant_and_starts_anew(world: LinkedWorld) -> None:
    world.agencies[HOTICH].decide = lambda asked: (
        Returned("THONG-TIN-KHONG-KHOP", "ND-118-2025", "Tên cha")
        if (asked.leg, asked.round) == ("registration", 1)
        else None
    )
    number = await opened(world)
    row = await world.dossier(number)
    assert (row["leg_status"], row["reason"], row["leg_due"]) == ("returned", "THONG-TIN-KHONG-KHOP", None)
    path = f"/v1/dossiers/{number}/legs/registration/resubmission"
    assert (await told(world, path, {"form": {"father": "corrected"}}))[0] == 200
    await world.work()
    assert (await world.dossier(number))["leg"] == "residence"
    assert len(await world.agencies[HOTICH].done()) == 3


async def test_bad_reasons_are_refused_and_counted_once(world: LinkedWorld) -> None:
    world.agencies[HOTICH].decide = lambda _: Later()
    number = await opened(world)
    path = f"/v1/dossiers/{number}/legs/registration/outcome"
    for reason, cause in [
        ({}, "empty"),
        ({"code": "", "legal_reference": "ND-118-2025"}, "empty"),
        ({"code": "KHAC", "legal_reference": "ND-118-2025"}, "unknown"),
        ({"code": "THONG-TIN-KHONG-KHOP"}, "legal_reference"),
        ({"code": "DOI-BAN-SAO-CAN-CUOC", "legal_reference": "ND-118-2025"}, "unlawful_demand"),
    ]:
        message_id = str(uuid.uuid4())
        for _ in range(2):
            status, problem = await told(
                world, path, {"outcome": "returned", "reason": reason}, client=HOTICH, message_id=message_id
            )
            assert (status, problem["code"]) == (422, "return_reason_refused")
        refused = await world.pool.fetch("select cause from lienthong.refused_return where message_id = $1", message_id)
        assert [r["cause"] for r in refused] == [cause]
    assert (await world.dossier(number))["leg_status"] == "running"


async def test_only_the_agency_of_a_leg_tells_its_outcome(world: LinkedWorld) -> None:
    world.agencies[HOTICH].decide = lambda _: Later()
    number = await opened(world)
    path = f"/v1/dossiers/{number}/legs/registration/outcome"
    for client in (DANCU, PORTAL):
        status, problem = await told(world, path, {"outcome": "done", "document": {}}, client=client)
        assert (status, problem["code"]) == (403, "not_your_leg")
    status, problem = await told(world, path.replace("000001", "000002"), {"outcome": "done"}, client=HOTICH)
    assert status == 403
    assert (await told(world, path, {"outcome": "done", "document": {}}, client=HOTICH))[0] == 200
    other = {"outcome": "returned", "reason": {"code": "THONG-TIN-KHONG-KHOP", "legal_reference": "ND-118-2025"}}
    status, problem = await told(world, path, other, client=HOTICH)
    assert (status, problem["code"]) == (409, "leg_not_running")


async def test_an_officer_may_decide_later(world: LinkedWorld) -> None:
    world.agencies[HOTICH].decide = lambda _: Later()
    number = await opened(world)
    key = (number, "registration", "do", 1)
    pool = world.agencies[HOTICH].pool
    for expected in (True, False):
        async with pool.acquire() as connection, connection.transaction():
            assert await report(connection, key, Done({"by": "officer"}), Coordinator(), world.clock()) is expected
    await world.work()
    assert (await world.dossier(number))["leg"] == "certificate"


async def test_a_lost_return_is_found_and_the_agency_answers_again_when_asked(world: LinkedWorld) -> None:
    """The agency has done its work; what it says never arrives, until it is asked again after its time is over."""
    world.broken = lambda client, claim: "lost" if client == HOTICH and world.clock.now.day < 21 else None
    number = await opened(world)
    await world.pass_time(2)
    stuck = "select id from lienthong.dossier where status = 'open' and leg_due < $1"
    assert await world.pool.fetch(stuck, world.clock()) == []
    await world.pass_time(2)
    assert [r["id"] for r in await world.pool.fetch(stuck, world.clock())] == [number]
    await world.pass_time(3)
    assert (await world.dossier(number))["leg"] == "residence"
    done = await world.agencies[HOTICH].done()
    assert done == [(number, "registration", "do"), (number, "certificate", "do")], "asked again, done once"


async def test_silence_ends_in_a_return(world: LinkedWorld) -> None:
    number = await opened(world)
    await decide(world, number, "owner", granted=True)
    await world.pass_time(46, step=1)
    row = await world.dossier(number)
    assert (row["leg_status"], row["reason"]) == ("returned", "CHU-HO-CHUA-XAC-NHAN")
    assert (await kinds(world, number)).count("reminded") == 3
    open_questions = await world.pool.fetchval("select count(*) from lienthong.question where closed_at is null")
    assert open_questions == 0
    assert (await kinds(world, number)).count("question_expired") == 1
    row = await world.pool.fetchrow("select decision, expired from lienthong.question where role = 'householder'")
    assert tuple(row) == (None, True)
    assert not await world.pool.fetchval("select expired from lienthong.question where role = 'owner'")


async def test_a_withdrawal_takes_back_what_was_done(world: LinkedWorld) -> None:
    world.agencies[BHXH].decide = lambda asked: Later() if asked.action == "do" else None
    number = await opened(world)
    for role in ("owner", "householder"):
        await decide(world, number, role, granted=True)
    assert (await told(world, f"/v1/dossiers/{number}/withdrawal", {"withdrawn": False}))[0] == 400
    assert (await told(world, f"/v1/dossiers/{number}/withdrawal", {"withdrawn": True}))[0] == 200
    await world.work()
    assert (await world.dossier(number))["status"] == "withdrawn"
    card, residence = (number, "insurance_card"), (number, "residence")
    assert await world.agencies[BHXH].done() == [(*card, "do"), (*card, "undo")]
    assert (await world.agencies[DANCU].done())[-2:] == [(*residence, "do"), (*residence, "undo")]


async def test_openings_that_name_the_wrong_persons_fail(world: LinkedWorld) -> None:
    changes: tuple[dict[str, object], ...] = (
        {"consents": {"householder": HOUSEHOLDER}},
        {"persons": {"deceased": OWNER}},
        {"persons": {}},
        {"persons": {"mother": "12"}},
        {"procedure": "marriage"},
    )
    for change in changes:
        status, _ = await told(world, "/v1/dossiers", {**BIRTH, **change})
        assert status in (400, 422)
    assert await world.pool.fetchval("select count(*) from lienthong.dossier") == 0


async def test_logs_and_operators_columns_hold_nobodys_number(world: LinkedWorld) -> None:
    await opened(world)
    for query in ("select * from lienthong.dossier", "select * from lienthong.entry"):
        rows = await world.pool.fetch(query)
        text = "".join(str(dict(row)) for row in rows)
        assert not any(number in text for number in (MOTHER, FATHER, HOUSEHOLDER, OWNER, "Nguyễn"))
    assert MOTHER not in world.log.getvalue()
