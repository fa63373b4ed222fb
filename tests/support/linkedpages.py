"""The coordinator's pages and the stand-in identity provider on ports of their own, and a browser without a screen."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from html import unescape
from typing import Any
from urllib.parse import urljoin

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestServer, unused_port

from adapters.lienthong.web.app import build_pages
from adapters.sdk.delivery import Outbox
from adapters.vneid.service import build_vneid, load_citizens, load_officers
from gateway.pages.failure import Report
from tests.support.linked import DEFINITIONS, REASONS, LinkedWorld


class Visitor:
    """Follows links and sends forms as a browser would; `text` is the page it is at."""

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self.http = aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True))
        self.url = origin + "/"
        self.status = 0
        self.text = ""
        self.headers: Any = {}

    async def get(self, path: str) -> str:
        return await self._take(self.http.get(urljoin(self.url, path)))

    async def post(self, path: str, fields: dict[str, str], **headers: str) -> str:
        return await self._take(self.http.post(urljoin(self.url, path), data=fields, headers=headers))

    async def _take(self, call: Any) -> str:
        async with call as answer:
            self.url, self.status, self.text = str(answer.url), answer.status, await answer.text()
            self.headers = answer.headers
        return self.text

    def hidden(self) -> dict[str, str]:
        return {n: unescape(v) for n, v in re.findall(r'type="hidden" name="([^"]+)" value="([^"]*)"', self.text)}

    async def sign_in(self, who: str, kind: str = "person") -> str:
        await self.get(f"/sign-in/{kind}")
        return await self.post("/authorize", {**self.hidden(), "citizen": who})

    async def answer(self, decision: str, who: str) -> str:
        """The first question on the page, in the identity provider's pages."""
        await self.post("/mine/answer", self.hidden())
        await self.post("/authorize", {**self.hidden(), "citizen": who})
        return await self.post("/authorize", {**self.hidden(), "decision": decision})


def unexpected(_: str, __: str, error: Exception) -> None:
    """In a test that does not expect it."""
    raise error


@asynccontextmanager
async def linked_pages(world: LinkedWorld, report: Report = unexpected) -> AsyncIterator[str]:
    """The address of the pages."""
    async with AsyncExitStack() as stack:
        ports = unused_port(), unused_port()
        origin, issuer = (f"http://127.0.0.1:{port}" for port in ports)
        http = await stack.enter_async_context(aiohttp.ClientSession())
        outbox = Outbox(world.pool, world.clock, lambda: 0.5)
        named = (origin, issuer, world.pool, http, DEFINITIONS, world.desk, outbox, world.clock)
        pages = build_pages(*named, REASONS, report)
        for app, port in (
            (pages, ports[0]),
            (build_vneid(issuer, load_citizens(), load_officers(), world.clock), ports[1]),
        ):
            await stack.enter_async_context(_serving(app, port))
        yield origin


@asynccontextmanager
async def _serving(app: web.Application, port: int) -> AsyncIterator[None]:
    async with TestServer(app, port=port):
        yield
