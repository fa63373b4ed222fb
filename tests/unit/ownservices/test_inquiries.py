"""An agency's server takes inquiries once, about its own accesses, and hands answers to who delivered them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio

from gateway.core.disclosure.record import Field
from gateway.ownservices.inquirystore import Standing
from gateway.storage.database import Database
from tests.support.tracker import TrackerWorld, tracker_world

ANH, HOA = "999300000017", "999070000015"
ID = "7f000001-0000-4000-8000-000000000001"
SERVICE = "/r1/VN/GOV/G01/dancu/inquiries/v1"
PURPOSE = ("Purpose-Code", "SMB-CHUYEN-YEU-CAU")


def inquiry(id_: str = ID, number: str = ANH, **more: Any) -> dict[str, Any]:
    record = {
        "record": "7f000001-0000-4000-8000-000000000002",
        "time": "2026-11-24T08:00:00.000Z",
        "consumer": "VN/GOV/G22/dvc",
        "service": "VN/GOV/G01/dancu/person",
        "purpose": "",
        "legal_basis": "",
        "case": "",
        "request_hash": "ab",
        "leaf_hash": "cd",
    }
    value = {
        "id": id_,
        "kind": "complain",
        "reason": "unknown",
        "words": "Không biết gì",
        "asked_by": "self",
        "filed": "2026-11-24T08:00:00.000Z",
        "due": "2026-12-24T08:00:00.000Z",
        "person": {"kind": "vn-personal-number", "number": number},
        "record": record,
    }
    return {**value, **more}


@pytest_asyncio.fixture
async def world(database: Database) -> TrackerWorld:
    return tracker_world(database)


async def deliver(world: TrackerWorld, value: object) -> tuple[int, Any]:
    answer = (
        await world.sim.call("POST", f"{SERVICE}/inquiries", body=json.dumps(value).encode(), headers=(PURPOSE,))
    ).authentic
    assert answer.parts.body is not None
    return answer.response.status, json.loads(b"".join([piece async for piece in answer.parts.body.chunks()]))


async def answers(world: TrackerWorld, after: int = 0) -> Any:
    status, content = await world.content(f"{SERVICE}/answers?after={after}", PURPOSE)
    assert status == 200, content
    return json.loads(content)["answers"]


async def test_taken_once_however_often_it_comes(world: TrackerWorld) -> None:
    first, told = await deliver(world, inquiry())
    assert (first, told["id"]) == (201, ID)
    assert await deliver(world, inquiry()) == (200, told)
    assert (await deliver(world, inquiry(words="Other")))[0] == 409
    (listed,) = await world.box.store.listed(answered=False)
    assert listed.content is not None
    assert json.loads(listed.content)["words"] == "Không biết gì"
    assert (listed.receiver, listed.due) == ("VN/GOV/G01/dancu", datetime(2026, 12, 24, 8, tzinfo=UTC))
    assert {s.entry.person.number for s in world.sim.provider.log.entries} == {ANH}


async def test_answers_in_order_and_only_new_ones(world: TrackerWorld) -> None:
    ids = [f"{ID[:-1]}{n}" for n in range(3)]
    for id_ in ids:
        await deliver(world, inquiry(id_))
    assert await answers(world) == []
    assert await world.box.store.reply(UUID(ids[2]), "Đã xem") is not None
    assert await world.box.store.reply(UUID(ids[0]), "Xin lỗi") is not None
    first, second = await answers(world)
    assert [(a["inquiry"], a["words"]) for a in (first, second)] == [(ids[2], "Đã xem"), (ids[0], "Xin lỗi")]
    assert await answers(world, first["number"]) == [second]
    assert await answers(world, second["number"]) == []
    assert [i.answer for i in await world.box.store.listed(answered=True)] == ["Xin lỗi", None, "Đã xem"]


async def test_an_answer_stands_and_needs_an_inquiry(world: TrackerWorld) -> None:
    assert await world.box.store.reply(UUID(ID), "?") is None
    await deliver(world, inquiry())
    assert await world.box.store.reply(UUID(ID), "First") is not None
    assert await world.box.store.reply(UUID(ID), "Second") is None
    assert [a["words"] for a in await answers(world)] == ["First"]


async def test_fetching_an_answer_is_an_access_and_finding_none_is_not(world: TrackerWorld) -> None:
    await deliver(world, inquiry())
    world.sim.provider.log.entries.clear()
    await answers(world)
    assert world.sim.provider.log.entries == []
    await world.box.store.reply(UUID(ID), "Đã xem")
    await answers(world)
    (stored,) = world.sim.provider.log.entries
    assert (stored.entry.person.number, stored.entry.fields[Field.PURPOSE]) == (ANH, "SMB-CHUYEN-YEU-CAU")


async def test_answers_are_for_who_delivered_the_inquiry(world: TrackerWorld) -> None:
    await deliver(world, inquiry())
    await world.box.store.reply(UUID(ID), "Đã xem")
    async with world.database.owner() as owner:
        await owner.execute("UPDATE inquiry SET sender = 'VN/GOV/G15/hotich'")
    assert await answers(world) == []


@pytest.mark.parametrize(
    "value",
    [
        inquiry(record={**inquiry()["record"], "service": "VN/GOV/G01/other/person"}),
        inquiry(words=1),
        inquiry(more="x"),
        inquiry(due="2026-12-24T08:00:00"),
        inquiry(kind="praise"),
        inquiry(id_="x"),
        inquiry(words="\0"),
        inquiry(words="\ud800"),
    ],
)
async def test_what_is_no_inquiry_here(world: TrackerWorld, value: object) -> None:
    assert (await deliver(world, value))[0] == 400
    assert await world.box.store.listed(answered=True) == []


async def test_what_stands_is_counted(world: TrackerWorld) -> None:
    await deliver(world, inquiry())
    await deliver(world, inquiry(ID[:-1] + "2", due="2026-11-24T07:59:59Z"))
    assert await world.box.store.count() == Standing(2, 1)
    await world.box.store.reply(UUID(ID[:-1] + "2"), "Late")
    assert await world.box.store.count() == Standing(1, 0)
