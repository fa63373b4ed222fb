import asyncio
import io
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp.test_utils import TestClient, TestServer
from yarl import URL

from adapters.sdk import Adapter, build_app
from adapters.sdk.access import adapter_log
from tests.unit.adapters.sdk.toy import HealthyPool, impatient, toy

REQUEST_ID = "6f2c9b0e-55a4-4a86-9d0e-1f4c6a1f7a10"
ROAD = {"X-Road-Client": "VN/GOV/G12/bhxh", "X-Road-Request-Id": REQUEST_ID, "X-Road-UserId": "officer-7"}


class World:
    """The toy behind real HTTP; `lines` is what it logged."""

    def __init__(self, adapter: Adapter, pool: Any) -> None:
        self._log = io.StringIO()
        self.client: TestClient[Any, Any] = TestClient(
            TestServer(build_app(adapter, pool, adapter_log("toy", self._log))), auto_decompress=False
        )

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self._log.getvalue().splitlines()]

    async def call(self, method: str, path: str, **more: Any) -> tuple[int, dict[str, Any]]:
        async with self.client.request(method, path, **more) as answer:
            self.headers = answer.headers
            return answer.status, await answer.json(content_type=None)


class DeadPool:
    async def fetchval(self, _: str) -> int:
        raise ConnectionRefusedError


@pytest.fixture
async def open_world(tmp_path: Path) -> AsyncIterator[Callable[..., Any]]:
    opened: list[World] = []

    async def open_one(change: Callable[[Adapter], Adapter] = lambda a: a, pool: Any = None) -> World:
        world = World(change(toy(tmp_path)), pool or HealthyPool())
        opened.append(world)
        await world.client.start_server()
        return world

    yield open_one
    for world in opened:
        await world.client.close()


@pytest.fixture
async def world(open_world: Callable[..., Any]) -> World:
    opened: World = await open_world()
    return opened


async def test_direct_call(world: World) -> None:
    assert await world.call("GET", "/v1/things/ghế?most=3") == (
        200,
        {"name": "ghế", "most": 3, "client": None, "user": None},
    )
    assert world.headers["Content-Type"] == "application/json; charset=utf-8"
    assert world.headers["Cache-Control"] == "no-store"


async def test_call_through_a_security_server(world: World) -> None:
    status, answer = await world.call("GET", "/v1/things/x", headers=ROAD)
    assert (status, answer["client"], answer["user"]) == (200, "VN/GOV/G12/bhxh", "officer-7")


async def test_post(world: World) -> None:
    answer = await world.call("POST", "/v1/things", json={"name": "ab", "day": "2000-02-29"})
    assert answer == (200, {"length": 2, "day": "2000-02-29"})


JSON = {"Content-Type": "application/json"}
REFUSED = [
    # (situation, method, path, more, status, code)
    ("unknown path", "GET", "/v2/things/x", {}, 404, "unknown_endpoint"),
    ("slash at the end", "GET", "/v1/things/x/", {}, 404, "unknown_endpoint"),
    ("handler's own", "GET", "/v1/things/missing", {}, 404, "not_found"),
    ("method", "DELETE", "/v1/things", {}, 405, "method_not_allowed"),
    ("OPTIONS", "OPTIONS", "/v1/things/x", {}, 405, "method_not_allowed"),
    ("too long a name", "GET", "/v1/things/" + "x" * 21, {}, 400, "malformed_request"),
    ("unknown query", "GET", "/v1/things/x?all=1", {}, 400, "malformed_request"),
    ("repeated query", "GET", "/v1/things/x?most=1&most=2", {}, 400, "malformed_request"),
    ("query out of range", "GET", "/v1/things/x?most=10", {}, 400, "malformed_request"),
    ("query of other type", "GET", "/v1/things/x?most=one", {}, 400, "malformed_request"),
    ("NUL in the path", "GET", "/v1/things/x%00", {}, 400, "malformed_request"),
    ("body of GET", "GET", "/v1/things/x", {"data": b"{}", "headers": JSON}, 400, "malformed_request"),
    ("no body", "POST", "/v1/things", {"headers": JSON}, 400, "malformed_json"),
    ("no JSON", "POST", "/v1/things", {"data": b"name=x", "headers": JSON}, 400, "malformed_json"),
    (
        "member twice",
        "POST",
        "/v1/things",
        {"data": b'{"name":"a","name":"b"}', "headers": JSON},
        400,
        "malformed_json",
    ),
    ("unknown member", "POST", "/v1/things", {"json": {"name": "a", "x": 1}}, 400, "malformed_request"),
    ("form", "POST", "/v1/things", {"data": {"name": "a"}}, 415, "unsupported_media_type"),
    (
        "compressed",
        "POST",
        "/v1/things",
        {"data": b"not deflate", "headers": JSON | {"Content-Encoding": "deflate"}},
        415,
        "unsupported_media_type",
    ),
    ("large body", "POST", "/v1/things", {"json": {"name": "x" * 70_000}}, 413, "body_too_large"),
    ("broken client", "GET", "/v1/things/x", {"headers": {"X-Road-Client": "VN"}}, 400, "invalid_xroad_header"),
    ("database down", "GET", "/v1/things/down", {}, 503, "source_unavailable"),
    ("unforeseen", "GET", "/v1/things/broken", {}, 500, "internal_error"),
]


@pytest.mark.parametrize(("_", "method", "path", "more", "status", "code"), REFUSED, ids=[r[0] for r in REFUSED])
async def test_refused_fail(
    world: World, _: str, method: str, path: str, more: dict[str, Any], status: int, code: str
) -> None:
    found, problem = await world.call(method, path, **more)
    assert (found, problem["status"], problem["code"]) == (status, status, code)
    assert world.headers["Content-Type"] == "application/problem+json; charset=utf-8"
    assert [(line["status"], line["code"]) for line in world.lines] == [(status, code)]
    assert world.lines[0]["correlation_id"] == problem["correlation_id"]


async def test_needless_escape_fail(world: World) -> None:
    url = URL(str(world.client.make_url("/v1/things/")) + "%39x", encoded=True)
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        assert (answer.status, (await answer.json(content_type=None))["code"]) == (400, "malformed_request")


async def test_slow_body_fail(open_world: Callable[..., Any]) -> None:
    world = await open_world(impatient)
    reader, writer = await _connect(world)
    writer.write(b"POST /v1/things HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{")
    assert b"HTTP/1.1 408" in await reader.readline()
    writer.close()


async def test_allowed_methods_are_told(world: World) -> None:
    await world.call("DELETE", "/v1/things/x")
    assert world.headers["Allow"] == "GET"


async def test_retry_is_told(world: World) -> None:
    await world.call("GET", "/v1/things/down")
    assert world.headers["Retry-After"] == "5"


async def test_health(open_world: Callable[..., Any]) -> None:
    assert await (await open_world()).call("GET", "/health") == (200, {"status": "ok", "adapter": "toy"})
    assert (await (await open_world(pool=DeadPool())).call("GET", "/health"))[0] == 503


async def test_one_line_with_the_template(world: World) -> None:
    await world.call("GET", "/v1/things/999300000017", headers=ROAD | {"X-Road-Id": "about-999300000017"})
    [line] = world.lines
    assert line.pop("ms") >= 0
    assert line.pop("ts")
    assert line.pop("bytes") > 0
    assert line == {
        "level": "info",
        "event": "call",
        "adapter": "toy",
        "method": "GET",
        "endpoint": "/v1/things/{name}",
        "status": 200,
        "client": "VN/GOV/G12/bhxh",
        "correlation_id": REQUEST_ID,
    }


async def test_unforeseen_errors_are_placed_not_quoted(world: World) -> None:
    _, problem = await world.call("GET", "/v1/things/broken")
    [line] = world.lines
    assert line["error"] == "RuntimeError"
    assert line["at"].startswith("toy.py:")
    assert "999300000017" not in json.dumps([line, problem])


async def test_a_request_id_that_is_none_is_replaced(world: World) -> None:
    await world.call("GET", "/v1/things/x", headers={"X-Road-Request-Id": "999300000017"})
    assert "999300000017" not in json.dumps(world.lines)
    assert len(world.lines[0]["correlation_id"]) == 36


async def _connect(world: World) -> Any:
    return await asyncio.open_connection(world.client.host, world.client.port)
