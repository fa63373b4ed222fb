"""What the portal's operator is told: counts and states, and nothing of whom."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime

import pytest
from aiohttp.test_utils import TestClient, TestServer
from prometheus_client import CollectorRegistry, generate_latest

from gateway.app.citizen import failures, watch_portal
from gateway.citizen.delivery import Delivery, Exchange, Open
from gateway.citizen.records import RecordStore
from gateway.citizen.watching import Probes, kind_of
from gateway.core.errors import ServiceUnavailable
from gateway.monitoring.admin import build_admin
from gateway.monitoring.citizen import IDENTITY, OWN_DATABASE, PUBLIC_LOG, PortalMetrics
from gateway.monitoring.health import Health
from gateway.monitoring.logs import build_log
from gateway.storage.database import Database
from tests.support.portal import ANH, PortalWorld, portal_world

NOW = datetime(2026, 11, 24, 8, tzinfo=UTC)


async def test_requests_are_counted_by_kind_and_status(world: PortalWorld) -> None:
    record = (await world.add(ANH)).record_id
    async with world.signed_in() as browser:
        for path in (
            f"/records/{record}",
            "/citizen/v1/records",
            "/citizen/v1/log/2026/checkpoint",
            "/static/none.css",
        ):
            await browser.get(path)
    assert world.seen.sign_ins == ["confirmed"]
    expected = [("sign-in", 303)] * 2 + [("page", 200), ("api", 200), ("log", 200), ("static", 404)]
    assert world.seen.requests == expected


async def test_what_nobody_foresaw_is_a_page_with_the_number_of_its_log_line(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = io.StringIO()
    async with portal_world(database, report=failures(build_log(lines, console=False))) as world:
        record = (await world.add(ANH)).record_id
        async with world.signed_in() as browser:
            monkeypatch.setattr(RecordStore, "find", _broken)
            status, _, page = await browser.get(f"/en/records/{record}")
            assert (status, "Đã xảy ra lỗi" in page, "Something went wrong" in page) == (500, True, True)
            status, headers, text = await browser.get(f"/citizen/v1/records/{record}")
            assert (status, headers["Content-Type"].partition(";")[0]) == (500, "application/problem+json")
        assert world.seen.requests[-2:] == [("page", 500), ("api", 500)]
    first, second = (json.loads(line) for line in lines.getvalue().splitlines())
    assert (first["level"], first["event"], first["route"]) == ("error", "internal_error", "/en/records/{id}")
    assert f"<code>{first['correlation']}</code>" in page
    assert json.loads(text)["correlation_id"] == second["correlation"] != first["correlation"]
    assert not any(told in lines.getvalue() for told in (ANH, str(record)))


async def _broken(*_: object) -> None:
    raise KeyError(ANH)


async def test_a_refused_sign_in_is_counted(world: PortalWorld) -> None:
    async with world.browser() as browser:
        await browser.come_back("no such state")
        state = (await browser.begin())["state"]
        world.issuer.change = lambda claims: claims.update(acr="level-1")
        await browser.come_back(state)
    assert world.seen.sign_ins == ["refused", "refused"]


@pytest.mark.parametrize("path", ["/records/x", "/en/records", "/", "/citizen", "/%00", "/callbackx"])
def test_kinds_are_a_closed_set(path: str) -> None:
    assert kind_of(path) in ("page", "sign-in")


def delivery(world: PortalWorld, standing: Open) -> Delivery:
    return Delivery(world.pool, Exchange("", "", ""), None, lambda: NOW, lambda: 0.0, 1, standing)  # type: ignore[arg-type]


async def test_health_and_metrics_in_numbers(world: PortalWorld) -> None:
    registry, health = CollectorRegistry(), Health("http://portal", lambda: NOW)
    metrics = PortalMetrics(registry)
    metrics.answered("page", 200, 0.02)
    metrics.signed_in("confirmed")
    probes = Probes({}, ())
    watch_portal(probes, delivery(world, Open(3, 2, 900.0, 1)), registry, health)
    async with TestClient(TestServer(build_admin(registry, health))) as client:
        text = await (await client.get("/metrics")).text()
        for line in (
            'gateway_citizen_requests_total{kind="page",status="2xx"} 1.0',
            'gateway_citizen_sign_ins_total{outcome="confirmed"} 1.0',
            'gateway_citizen_request_seconds_bucket{kind="page",le="0.025"} 1.0',
            "gateway_inquiries_open 3.0",
            "gateway_inquiries_overdue 1.0",
            "gateway_inquiries_waiting_oldest_seconds 900.0",
        ):
            assert line in text
        told = await (await client.get("/health")).json()
        assert (told["status"], len(told["problems"])) == ("warn", 2)
        probes.away = frozenset({"VN/GOV/G01/ss1", PUBLIC_LOG, IDENTITY, OWN_DATABASE})
        answer = await client.get("/health")
        assert answer.status == 503
        assert "VN/GOV/G01/ss1" in await answer.text()


async def test_without_a_way_for_inquiries_health_says_so() -> None:
    registry, health = CollectorRegistry(), Health("http://portal", lambda: NOW)
    watch_portal(Probes({}, ()), None, registry, health)
    assert [p.problem.key for p in health.report().problems] == ["inquiries.kept"]
    assert b"inquiries" not in generate_latest(registry)


async def test_probes_find_what_is_away(world: PortalWorld) -> None:
    async def down() -> None:
        raise ServiceUnavailable("away")

    found = {
        "own": lambda: world.pool.fetchval("SELECT 1"),
        "log": lambda: world.portal.log.checkpoint(2026),
        "identity": world.provider.describe,
        "down": down,
    }
    world.log.publish()
    probes = Probes(found, (ServiceUnavailable, OSError, TimeoutError))
    await probes.once()
    assert probes.away == {"down"}
    world.issuer.described_as = "http://somebody.else"
    await probes.once()
    assert probes.away == {"down", "identity"}
