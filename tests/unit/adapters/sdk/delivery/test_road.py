"""What an attempt is on the wire, and what its answers become."""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import UUID

import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestServer

from adapters.sdk.delivery.outbox import Claim
from adapters.sdk.delivery.road import NoAnswer, open_road
from tests.support.delivery import message

CLAIM = Claim(UUID(int=7), 3, message(1, purpose="HOTICH-DANG-KY", legal_basis="LUAT-HOTICH-2014"))


class Proxy:
    def __init__(self) -> None:
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        self.answer = web.Response(text="")
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._handle)
        self.server = TestServer(app)

    async def _handle(self, request: web.Request) -> web.Response:
        self.requests.append((f"{request.method} {request.raw_path}", dict(request.headers), await request.read()))
        return self.answer


@pytest_asyncio.fixture
async def proxy() -> AsyncIterator[Proxy]:
    opened = Proxy()
    await opened.server.start_server()
    yield opened
    await opened.server.close()


async def test_an_attempt_is_an_ordinary_exchange(proxy: Proxy) -> None:
    proxy.answer = web.Response(text="{}", headers={"X-Road-Request-Id": "r-1"})
    async with open_road(str(proxy.server.make_url("/")), "VN/GOV/G15/hotich") as road:
        answer = await road.send(CLAIM)
    assert (answer.status, answer.body, answer.error, answer.request_id) == (200, b"{}", None, "r-1")
    ((line, headers, body),) = proxy.requests
    assert line == "POST /r1/VN/GOV/G22/lienthong/dossiers/v1/things/1"
    assert body == CLAIM.message.body
    wanted = {
        "X-Road-Client": "VN/GOV/G15/hotich",
        "X-Road-Id": str(UUID(int=7)),
        "X-Road-Issue": "999-KS-2026-000001",
        "Idempotency-Key": str(UUID(int=1)),
        "Purpose-Code": "HOTICH-DANG-KY",
        "Legal-Basis": "LUAT-HOTICH-2014",
        "Content-Type": "application/json",
    }
    assert {name: headers.get(name) for name in wanted} == wanted


async def test_errors_of_the_road_and_redirects_are_answers(proxy: Proxy) -> None:
    async with open_road(str(proxy.server.make_url("/")), "VN/GOV/G15/hotich") as road:
        proxy.answer = web.Response(status=500, headers={"X-Road-Error": "server.clientproxy.network_error"})
        assert (await road.send(CLAIM)).error == "server.clientproxy.network_error"
        proxy.answer = web.Response(status=307, headers={"Location": "/elsewhere"})
        assert (await road.send(CLAIM)).status == 307
        proxy.answer = web.Response(body=b"x" * 100_000)
        assert len((await road.send(CLAIM)).body) == 64 * 1024
    assert len(proxy.requests) == 3


async def test_no_answer_is_told_as_such(proxy: Proxy) -> None:
    url = str(proxy.server.make_url("/"))
    async with open_road(url, "VN/GOV/G15/hotich", seconds=0.0) as road:
        with pytest.raises(NoAnswer, match="no_answer_in_time"):
            await road.send(CLAIM)
    await proxy.server.close()
    async with open_road(url, "VN/GOV/G15/hotich") as road:
        with pytest.raises(NoAnswer, match="security_server_unreachable"):
            await road.send(CLAIM)
