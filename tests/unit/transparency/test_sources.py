"""Public files of a log over HTTP: there, not there, not yet, and not known."""

from __future__ import annotations

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from gateway.core.errors import MalformedMessage, PeerUnavailable, ProofRejected
from gateway.core.merkle.tiles import MAX_TILE_FILE, Tile
from gateway.transparency.sources import UrlSource, read_tile

FILES = {"tile/0/000": bytes(range(256)) * 32, "checkpoint": b"x"}


async def test_over_http() -> None:
    async def answer(request: web.Request) -> web.Response:
        path = request.match_info["path"]
        if path in FILES:
            return web.Response(body=FILES[path])
        status = {"later": 202, "moved": 302, "broken": 500}.get(path, 404)
        body = bytes(MAX_TILE_FILE + 1) if path == "endless" else b""
        return web.Response(status=200 if body else status, body=body, headers={"Location": "/log/checkpoint"})

    app = web.Application()
    app.router.add_get("/log/{path:.*}", answer)
    server = TestServer(app)
    await server.start_server()
    url = str(server.make_url("/log"))
    async with UrlSource(url, 5.0) as source:
        assert await source.read("checkpoint") == b"x"
        assert (await source.read("nothing"), await source.read("later")) == (None, None)
        for path in ("moved", "broken"):
            with pytest.raises(PeerUnavailable):
                await source.read(path)
        with pytest.raises(MalformedMessage):
            await source.read("endless")
        assert await read_tile(source, Tile(0, 0, 3)) == FILES["tile/0/000"][:96]
        with pytest.raises(ProofRejected, match="missing"):
            await read_tile(source, Tile(0, 1))
        await server.close()
        with pytest.raises(PeerUnavailable):
            await source.read("checkpoint")
