from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from gateway.confclient.download import fetch_anchor, fetch_directory, fetch_part, open_session
from gateway.core.errors import GatewayError, MalformedMessage, PeerUnavailable

UNREACHABLE = "global_conf_download_url_connection_failure"


async def answer(request: web.Request) -> web.Response:
    match request.path:
        case "/conf" if request.query.get("version") not in {"3", "2"}:
            return web.Response(status=404)
        case "/conf":
            return web.Response(text=f"version {request.query['version']}")
        case "/none":
            return web.Response(status=404)
        case "/large":
            return web.Response(body=b"x" * (1024 * 1024 + 1))
        case "/moved":
            return web.Response(status=301, headers={"Location": "/conf?version=2"})
        case "/squeezed":
            response = web.Response(text=request.headers.get("Accept-Encoding", ""))
            response.set_cookie("seen", "yes")
            return response
        case "/cookies":
            return web.Response(text=str(dict(request.cookies)))
        case _:
            return web.Response(status=500)


@pytest.fixture
async def server() -> AsyncIterator[TestServer]:
    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    running = TestServer(app)
    async with running:
        yield running


def url(server: TestServer, path: str) -> str:
    return str(server.make_url(path))


async def test_the_newest_version(server: TestServer) -> None:
    async with open_session() as session:
        assert await fetch_directory(session, url(server, "/conf")) == b"version 3"
        assert await fetch_directory(session, url(server, "/conf?version=2")) == b"version 2"


async def test_files_are_relative_to_the_directory(server: TestServer) -> None:
    async with open_session() as session:
        assert await fetch_part(session, url(server, "/a/b?c"), "/conf?version=2") == b"version 2"
        assert await fetch_part(session, "http://elsewhere.test/", url(server, "/conf?version=3")) == b"version 3"


async def test_plain_requests(server: TestServer) -> None:
    async with open_session() as session:
        assert await fetch_anchor(session, url(server, "/squeezed")) == b"identity"
        assert await fetch_anchor(session, url(server, "/cookies")) == b"{}"


@pytest.mark.parametrize(
    ("path", "error", "code"),
    [
        ("/none", PeerUnavailable, "global_conf_get_version_failed"),
        ("/broken", PeerUnavailable, UNREACHABLE),
        ("/moved", PeerUnavailable, UNREACHABLE),
        ("/large", MalformedMessage, "conf_download_failed"),
    ],
)
async def test_directories_that_are_not_there(
    server: TestServer, path: str, error: type[GatewayError], code: str
) -> None:
    async with open_session() as session:
        with pytest.raises(error) as caught:
            await fetch_directory(session, url(server, path))
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("location", "error", "code"),
    [
        ("/none", PeerUnavailable, UNREACHABLE),
        ("file:///etc/hostname", MalformedMessage, "global_conf_header_field_wrong_value"),
        ("http://[", MalformedMessage, "global_conf_header_field_wrong_value"),
        ("http://127.0.0.1:1/x", PeerUnavailable, UNREACHABLE),
        ("http://:0/x", PeerUnavailable, UNREACHABLE),
    ],
)
async def test_files_that_are_not_there(
    server: TestServer, location: str, error: type[GatewayError], code: str
) -> None:
    async with open_session() as session:
        with pytest.raises(error) as caught:
            await fetch_part(session, url(server, "/conf"), location)
    assert caught.value.code == code
