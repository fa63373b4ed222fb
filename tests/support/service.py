"""A provider's information system for tests: answers well, badly, slowly or not at all, by path."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from aiohttp import web


class Service:
    """`calls`: (verb, raw path, headers, body) of every request it saw."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str, list[tuple[str, str]], bytes]] = []
        self.url = ""

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        body = await request.read()
        headers = [(n.decode("latin-1"), v.decode("latin-1")) for n, v in request.raw_headers]
        self.calls.append((request.method, request.raw_path, headers, body))
        match request.raw_path.partition("?")[0].strip("/").split("/")[-1]:
            case "slow":
                await asyncio.sleep(30)
            case "garbage":
                assert request.transport is not None
                request.transport.write(b"\x00\xffnot http at all\r\n\r\n")
                request.transport.close()
            case "cut":
                assert request.transport is not None
                request.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this")
                request.transport.close()
            case "empty":
                return web.Response(status=204)
            case "missing":
                return web.json_response({"title": "not found"}, status=404)
            case "moved":
                return web.Response(status=302, headers={"Location": "http://example.invalid/"})
            case "mirror":
                return web.Response(
                    body=body, headers={"Content-Type": "application/octet-stream", "Set-Cookie": "a=b"}
                )
        echo = {"method": request.method, "path": request.raw_path, "headers": headers, "length": len(body)}
        return web.Response(body=json.dumps(echo).encode(), headers={"Content-Type": "application/json"})


@asynccontextmanager
async def serving() -> AsyncIterator[Service]:
    service = Service()
    async with AsyncExitStack() as stack:
        runner = web.ServerRunner(
            web.Server(service.handle, access_log=None, auto_decompress=False), shutdown_timeout=0.1
        )
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        assert site._server is not None
        port = site._server.sockets[0].getsockname()[1]  # type: ignore[attr-defined]
        service.url = f"http://127.0.0.1:{port}/base"
        yield service
