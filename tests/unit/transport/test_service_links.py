"""Where a service's URL leads, and how long a connection to it is kept."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.core.identifiers import SecurityServerId
from gateway.transport import service_links
from gateway.transport.link import Link
from gateway.transport.service_links import Origin, ServiceLinks, origin_of, target_of
from gateway.transport.tls import service_client_context
from tests.support.pki import Pki


@pytest.mark.parametrize(
    ("base", "path", "query", "host", "port", "told", "target"),
    [
        ("http://a", "", None, "a", 80, "a", "/"),
        ("http://a", "", "q=1", "a", 80, "a", "/?q=1"),
        ("http://a:8080/", "/v1/x", None, "a", 8080, "a:8080", "/v1/x"),
        ("https://a/base", "/x%2Fy", "", "a", 443, "a", "/base/x%2Fy?"),
        ("https://a:443/base/", "//x", "a=%C3%A9&b", "a", 443, "a", "/base//x?a=%C3%A9&b"),
        ("http://[::1]:9/b", "", None, "::1", 9, "[::1]:9", "/b"),
    ],
)
def test_where_a_url_leads(
    base: str, path: str, query: str | None, host: str, port: int, told: str, target: str
) -> None:
    origin = origin_of(base)
    assert (origin.host, origin.port, origin.host_header) == (host, port, told)
    assert origin.tls == base.startswith("https:")
    assert target_of(origin, path, query) == target


@pytest.mark.parametrize("base", ["ftp://a/", "http:///x", "a", "http://a:99999/", "http://[::1"])
def test_a_url_that_leads_nowhere(base: str) -> None:
    with pytest.raises(ValueError):
        origin_of(base)


@dataclass
class Server:
    """Counts connections; answers nothing."""

    origin: Origin
    made: int = 0
    writers: list[asyncio.StreamWriter] = field(default_factory=list)


@asynccontextmanager
async def server() -> AsyncIterator[Server]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        found.made += 1
        found.writers.append(writer)
        await reader.read()
        writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    found = Server(origin_of(f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"))
    try:
        yield found
    finally:
        listening.close()
        await listening.wait_closed()


async def until_closed(link: Link) -> None:
    async with asyncio.timeout(5):
        while link.reusable:
            await asyncio.sleep(0.01)


async def test_a_connection_is_used_again_but_not_one_that_ended() -> None:
    async with server() as service:
        links = ServiceLinks()
        first = await links.take(service.origin, None)
        second = await links.take(service.origin, None)
        assert first is not second
        links.put_back(service.origin, None, first)
        assert await links.take(service.origin, None) is first
        links.put_back(service.origin, None, first)
        service.writers[0].close()
        await until_closed(first)
        third = await links.take(service.origin, None)
        assert third not in (first, second)
        assert service.made == 3
        links.drop(service.origin, None, second)
        links.drop(service.origin, None, third)
        links.close()


async def test_an_end_that_the_loop_has_not_told_of_yet_is_seen() -> None:
    """Between the end of a connection and the loop's word of it a call would be lost."""
    async with server() as service:
        links = ServiceLinks()
        link = await links.take(service.origin, None)
        async with asyncio.timeout(5):
            while not service.writers:
                await asyncio.sleep(0.01)
        assert link.quiet
        service.writers[0].transport.get_extra_info("socket").shutdown(socket.SHUT_WR)
        assert (link.reusable, link.quiet) == (True, False)
        links.drop(service.origin, None, link)
        links.close()


async def test_an_idle_connection_is_closed_after_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service_links, "_KEEP_SECONDS", 0.05)
    async with server() as service:
        links = ServiceLinks()
        link = await links.take(service.origin, None)
        links.put_back(service.origin, None, link)
        await until_closed(link)
        assert links._idle == {}
        links.close()


async def test_there_are_only_so_many_to_one_service(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service_links, "_MOST", 2)
    async with server() as service:
        links = ServiceLinks()
        one, two = await links.take(service.origin, None), await links.take(service.origin, None)
        async with asyncio.TaskGroup() as group:
            waiting = group.create_task(links.take(service.origin, None))
            await asyncio.sleep(0.05)
            assert not waiting.done()
            links.put_back(service.origin, None, one)
        assert waiting.result() is one
        for link in (one, two):
            links.drop(service.origin, None, link)
        links.close()


async def test_room_is_not_lost_to_a_service_that_is_down(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service_links, "_MOST", 1)
    async with server() as service:
        origin = service.origin
    links = ServiceLinks()
    for _ in range(3):
        with pytest.raises(OSError):
            await links.take(origin, None)


@pytest.mark.parametrize("pinned", ["own", "own, expired", "its authority's"])
async def test_the_certificate_itself_must_be_one_of_those_stored(tmp_path: Path, pinned: str) -> None:
    """Expired or not, as with X-Road. Names are not compared, so whoever an authority certified would do for anybody else it
    certified (reference 1.4)."""
    pki = Pki()
    until = pki.now - timedelta(days=400) if "expired" in pinned else None
    server = SecurityServerId("VN", "GOV", "G01", "service")
    own = pki.issue_auth(server, not_before=pki.now - timedelta(days=800), not_after=until)
    (tmp_path / "own.pem").write_bytes(own.pem + own.key_pem)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(tmp_path / "own.pem")
    accepted = (own.der if pinned.startswith("own") else pki.ca.der,)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls) as listening:
        origin = origin_of(f"https://127.0.0.1:{listening.sockets[0].getsockname()[1]}")
        links, context = ServiceLinks(), service_client_context(accepted)
        if pinned.startswith("own"):
            link = await links.take(origin, context, accepted)
            links.put_back(origin, context, link)
            assert await links.take(origin, context, accepted) is link
            links.drop(origin, context, link)
        else:
            with pytest.raises(ssl.SSLError):
                await links.take(origin, context, accepted)
        links.close()
