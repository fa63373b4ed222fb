"""From the citizen's page over an exchange to the agency, and its answer back: at least once, kept once, whoever is away."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestServer

from gateway.citizen.answers import Answer
from gateway.citizen.delivery import Delivery, Exchange, Open
from gateway.storage.database import Database
from tests.support.portal import ANH, PortalWorld
from tests.support.tracker import TrackerWorld, tracker_world

ME = "VN/GOV/G22/dvc"
PURPOSE = "SMB-CHUYEN-YEU-CAU"
DANCU = "VN/GOV/G01/dancu"


@dataclass
class Road:
    """The portal, the deliverer and an agency, with the exchange between them. `seconds`: the deliverer's clock."""

    portal: PortalWorld
    agency: TrackerWorld
    delivery: Delivery
    seconds: float = 0.0

    async def file(self, kind: str = "complain", words: str = "Không biết gì") -> str:
        record = (await self.portal.add(ANH, log=False)).record_id
        async with self.portal.signed_in() as browser:
            headers = {"X-CSRF-Token": await browser.csrf()}
            path = f"/citizen/v1/records/{record}/inquiry"
            status, _, text = await browser.send("POST", path, headers=headers, json={"kind": kind, "words": words})
            assert status == 201, text
        return str(record)

    async def told(self, record: str) -> Any:
        """What the page and the API say of the one inquiry about a record."""
        async with self.portal.signed_in() as browser:
            (one,) = (await browser.json(f"/records/{record}"))["inquiries"]
            _, _, page = await browser.get(f"/en/records/{record}")
            return one, page


@pytest_asyncio.fixture
async def road(world: PortalWorld, database: Database) -> AsyncIterator[Road]:
    agency = tracker_world(database)
    async with agency.over_http() as url, aiohttp.ClientSession() as http:
        delivery = Delivery(world.pool, Exchange(url, ME, PURPOSE), http, lambda: world.now, lambda: made.seconds, 1)
        made = Road(world, agency, delivery)
        yield made


async def inquiry_id(road: Road) -> UUID:
    (listed,) = await road.agency.box.store.listed(answered=True)
    return listed.id


async def test_there_and_back(road: Road) -> None:
    record = await road.file()
    one, page = await road.told(record)
    assert (one["state"], one["overdue"]) == ("filed", False)
    assert "On its way to the agency" in page

    await road.delivery.once()
    one, page = await road.told(record)
    assert (one["state"], one["answer"]) == ("delivered", None)
    assert "Delivered to the agency" in page
    (listed,) = await road.agency.box.store.listed(answered=False)
    content = json.loads(listed.content or "")
    assert (str(listed.id), content["record"]["record"], content["person"]["number"]) == (one["id"], record, ANH)
    assert listed.due.isoformat() == one["due"]

    await road.agency.box.store.reply(listed.id, "Xin lỗi,\n<b>đã xem</b>")
    await road.delivery.once()
    one, page = await road.told(record)
    assert (one["state"], one["answer"], one["overdue"]) == ("answered", "Xin lỗi,\n<b>đã xem</b>", False)
    assert one["filed"] <= one["answered"] <= one["learnt"]
    assert "Xin lỗi,\n&lt;b&gt;đã xem&lt;/b&gt;" in page
    assert "in time" in page
    road.portal.now += timedelta(days=60)
    assert (await road.told(record))[0]["overdue"] is False  # the clock has stopped
    assert road.delivery.standing == Open()


async def test_overdue_is_shown_until_there_is_an_answer(road: Road) -> None:
    record = await road.file()
    await road.delivery.once()
    road.portal.now += timedelta(days=31)
    await road.delivery.once()
    one, page = await road.told(record)
    assert (one["state"], one["overdue"]) == ("delivered", True)
    assert "Overdue, no answer yet" in page
    assert road.delivery.standing == Open(open=1, overdue=1)
    async with road.portal.signed_in() as browser:
        assert "Quá hạn" in (await browser.get("/records"))[2]


async def test_a_late_answer_stays_late(road: Road) -> None:
    record = await road.file()
    await road.delivery.once()
    late = road.portal.now + timedelta(days=31)
    road.portal.now = late + timedelta(days=1)
    await road.delivery._keep(DANCU, [Answer(1, await inquiry_id(road), late, "Xin lỗi")], "m-1")
    one, page = await road.told(record)
    assert (one["answered"], one["overdue"]) == (late.isoformat(), True)
    assert "late" in page


async def test_an_agency_cannot_answer_before_it_was_asked_or_later_than_now(road: Road) -> None:
    record = await road.file()
    await road.delivery.once()
    await road.delivery._keep(
        DANCU, [Answer(1, await inquiry_id(road), road.portal.now - timedelta(days=9), "x")], "m-1"
    )
    one, _ = await road.told(record)
    assert one["answered"] == one["filed"]


async def test_delivered_twice_is_there_once(road: Road) -> None:
    """As after a crash between the exchange and our note of it."""
    await road.file()
    await road.delivery.once()
    async with road.portal.database.owner() as owner:
        await owner.execute("DELETE FROM citizen_delivery")
    await road.delivery.once()
    assert len(await road.agency.box.store.listed(answered=True)) == 1
    assert road.delivery.standing == Open(open=1)


async def test_an_answer_that_comes_twice_is_kept_once(road: Road) -> None:
    record = await road.file()
    await road.delivery.once()
    answer = Answer(3, await inquiry_id(road), road.portal.now, "First")
    await road.delivery._keep(DANCU, [answer], "m-1")
    await road.delivery._keep(DANCU, [Answer(3, answer.inquiry, answer.time, "Second")], "m-2")
    assert (await road.told(record))[0]["answer"] == "First"


async def test_nobody_answers_for_another(road: Road) -> None:
    record = await road.file()
    await road.delivery.once()
    await road.delivery._keep("VN/GOV/G15/hotich", [Answer(1, await inquiry_id(road), road.portal.now, "x")], "m-1")
    assert (await road.told(record))[0]["state"] == "delivered"


async def test_an_agency_that_is_away_is_asked_less_often_and_nobody_waits_for_it(road: Road) -> None:
    away = await road.file("why", "")  # of whom asked, which has no such service here
    there = await road.file()
    await road.delivery.once()
    assert (await road.told(away))[0]["state"] == "filed"
    assert (await road.told(there))[0]["state"] == "delivered"
    assert road.delivery.standing.waiting == 1
    tried = len(road.agency.sim.consumer.log.records)
    await road.delivery.once()
    assert len(road.agency.sim.consumer.log.records) - tried <= 2  # only the question for answers, and its answer
    road.seconds = 2.0
    await road.delivery.once()
    road.seconds = 4.0
    await road.delivery.once()
    assert road.delivery._resting[ME].until == 6.0  # two seconds, then four


@asynccontextmanager
async def answering(status: int, body: bytes, headers: dict[str, str]) -> AsyncIterator[str]:
    async def handle(_: web.Request) -> web.Response:
        return web.Response(status=status, body=body, headers=headers)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handle)
    async with TestServer(app) as server:
        yield str(server.make_url("")).rstrip("/")


@pytest.mark.parametrize(
    ("status", "headers"), [(409, {}), (500, {"X-Road-Error": "server.x"}), (200, {"X-Road-Error": "x"}), (302, {})]
)
async def test_only_the_agencys_own_yes_counts(road: Road, status: int, headers: dict[str, str]) -> None:
    record = await road.file()
    async with answering(status, b"{}", headers) as url:
        road.delivery.exchange = Exchange(url, ME, PURPOSE)
        await road.delivery.once()
    assert (await road.told(record))[0]["state"] == "filed"


@pytest.mark.parametrize("body", [b"", b"[]", b'{"answers": [{}]}', b'{"answers": [{"number": 0}]}', b"\xff"])
async def test_an_answer_of_something_else_changes_nothing(road: Road, body: bytes) -> None:
    record = await road.file()
    await road.delivery.once()
    async with answering(200, body, {}) as url:
        road.delivery.exchange = Exchange(url, ME, PURPOSE)
        await road.delivery.once()
    assert (await road.told(record))[0]["state"] == "delivered"
