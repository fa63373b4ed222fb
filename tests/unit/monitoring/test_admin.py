from __future__ import annotations

from datetime import UTC, datetime

import pytest
from aiohttp.test_utils import TestClient, TestServer
from prometheus_client import CollectorRegistry

from gateway.core.errors import SettingsError
from gateway.monitoring.admin import build_admin, require_loopback
from gateway.monitoring.health import Health, Problem
from gateway.monitoring.readings import Readings, ReadingsCollector

NOW = datetime(2026, 11, 24, tzinfo=UTC)


def server(*problems: Problem) -> TestServer:
    registry = CollectorRegistry()
    registry.register(ReadingsCollector(Readings(log_queue=lambda: 7.0)))
    health = Health("VN/GOV/G01/ss1", lambda: NOW)
    health.register("test", lambda _: problems)
    return TestServer(build_admin(registry, health), access_log=None)


@pytest.mark.parametrize(
    ("problems", "status", "word"),
    [
        ((), 200, "ok"),
        ((Problem("a", "warn", "a", "á"),), 200, "warn"),
        ((Problem("a", "fail", "a", "á"),), 503, "fail"),
    ],
)
async def test_health(problems: tuple[Problem, ...], status: int, word: str) -> None:
    async with TestClient(server(*problems)) as client:
        answer = await client.get("/health")
        assert answer.status == status
        assert answer.content_type == "application/json"
        assert (await answer.json())["status"] == word
        assert "\\u" not in await answer.text()


async def test_metrics() -> None:
    async with TestClient(server()) as client:
        answer = await client.get("/metrics")
        assert answer.status == 200
        assert answer.headers["Content-Type"].startswith("text/plain; version=")
        assert "gateway_log_queue_records 7.0" in await answer.text()


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:9101", 200),
        ("127.0.0.1", 200),
        ("localhost:9101", 200),
        ("[::1]:9101", 200),
        ("attacker.example:9101", 421),
        ("127.0.0.1.attacker.example", 421),
        ("localhost.attacker.example:9101", 421),
        ("", 421),
    ],
)
async def test_a_web_page_cannot_read_it_through_its_own_name(host: str, status: int) -> None:
    async with TestClient(server()) as client:
        assert (await client.get("/health", headers={"Host": host})).status == status
        assert (await client.get("/metrics", headers={"Host": host})).status == status


@pytest.mark.parametrize(
    ("method", "path", "status"), [("POST", "/health", 405), ("GET", "/", 404), ("PUT", "/metrics", 405)]
)
async def test_it_only_tells(method: str, path: str, status: int) -> None:
    async with TestClient(server()) as client:
        assert (await client.request(method, path)).status == status


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.10.1", "::1", "localhost"])
def test_loopback_is_taken(host: str) -> None:
    require_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.1.2.3", "gateway.example", ""])  # noqa: S104
def test_another_address_is_not(host: str) -> None:
    with pytest.raises(SettingsError) as refused:
        require_loopback(host, path="listen.admin")
    assert refused.value.problems[0].startswith("listen.admin: ")
