"""Any bytes at the ports: never a crash, never an unexpected error in the log, and the next good call passes."""

from __future__ import annotations

import asyncio
import contextlib
import ssl

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.core.framing import transport as framing
from tests.support.handmade import HandMadePeer
from tests.support.rawhttp import answer, head, talk
from tests.support.world import DVC, PERSON, World

# The servers' thread draws random numbers while examples are made from a fixed seed.
pytestmark = pytest.mark.filterwarnings("ignore:Do not use the `random` module")

# The fixtures are the whole country: it is the point that every example meets the same servers.
EXAMPLES = settings(
    max_examples=30, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True, database=None
)

_EDIT = st.tuples(st.integers(0, 10_000), st.integers(0, 3), st.binary(max_size=4))
EDITS = st.lists(_EDIT, min_size=1, max_size=6)
BYTES = st.binary(max_size=300)


def edited(data: bytes, edits: list[tuple[int, int, bytes]]) -> bytes:
    """At a place, so many bytes out and others in."""
    for place, gone, new in edits:
        at = place % (len(data) + 1)
        data = data[:at] + new + data[at + gone :]
    return data


async def throw(host: str, port: int, data: bytes, tls: ssl.SSLContext | None = None) -> None:
    """Send, listen for a moment, go. How the other side ends it is its own affair."""
    with contextlib.suppress(ConnectionError, ssl.SSLError, TimeoutError):
        async with asyncio.timeout(0.15):
            await talk(host, port, data, tls=tls, finish=tls is None)


CALL = (
    head(f"POST {PERSON}/v1?a=b HTTP/1.1", [("Host", "x"), DVC, ("X-Road-Id", "1"), ("Content-Length", "3")]) + b"abc"
)


@pytest.mark.slow
@EXAMPLES
@given(data=BYTES)
async def test_8080_any_bytes(world: World, data: bytes) -> None:
    async with world.survives():
        await throw(world.consumer, 8080, data)


@pytest.mark.slow
@EXAMPLES
@given(edits=EDITS)
async def test_8080_an_altered_call(world: World, edits: list[tuple[int, int, bytes]]) -> None:
    async with world.survives():
        await throw(world.consumer, 8080, edited(CALL, edits))


@pytest.mark.slow
@EXAMPLES
@given(data=BYTES)
async def test_8443_any_bytes(world: World, data: bytes) -> None:
    async with world.survives():
        await throw(world.consumer, 8443, data)


@pytest.mark.slow
@EXAMPLES
@given(data=BYTES)
async def test_5500_any_bytes_instead_of_tls(world: World, data: bytes) -> None:
    async with world.survives():
        await throw(world.provider, 5500, data)


@pytest.mark.slow
@EXAMPLES
@given(data=BYTES)
async def test_5500_any_bytes_after_the_handshake(world: World, peer: HandMadePeer, data: bytes) -> None:
    async with world.survives():
        await throw(world.provider, 5500, data, peer.tls())


@pytest.mark.slow
@EXAMPLES
@given(edits=EDITS)
async def test_5500_an_altered_message(world: World, peer: HandMadePeer, edits: list[tuple[int, int, bytes]]) -> None:
    """Framing, parts and signature with some bytes changed inside an honest HTTP request. Where a byte means nothing (a blank
    between elements of the hash chain) the service is asked what was signed; in every other case nothing."""
    async with world.survives():
        request = peer.request(PERSON, verb="POST")
        encoder = framing.TransportEncoder("xtop")
        data = b"".join(encoder.part(p.content_type, p.data) for p in peer.parts(request.raw, b"abc")) + encoder.close()
        got = answer(await peer.post_bytes(edited(data, edits), request.request_id, content_type=encoder.content_type))
        assert got.start_line == "HTTP/1.1 200 OK"
        refused = got.headers["content-type"] == "text/xml;charset=utf-8"
        assert [body for _, body in world.service.calls] == ([] if refused else [b"abc"])


@pytest.mark.slow
@EXAMPLES
@given(data=BYTES)
async def test_5577_any_bytes(world: World, data: bytes) -> None:
    async with world.survives():
        await throw(world.provider, 5577, data)


@pytest.mark.parametrize(
    ("first", "status"),
    [
        ("GET / HTTP/1.1", 500),
        ("GET /?cert= HTTP/1.1", 500),
        ("GET /?cert=zz&cert=zz HTTP/1.1", 500),
        ("GET /?cert=%ff%00 HTTP/1.1", 500),
        (f"GET /?{'cert=0&' * 11} HTTP/1.1", 500),
        ("POST /?cert=0 HTTP/1.1", 500),
        ("BREW / HTTP/1.1", 400),
        ("GET //x HTTP/1.1", 500),
        ("GET http://[::1/?cert=0 HTTP/1.1", 400),
        ("GET /?cert=0 HTTP/9.9", 400),
        ("HEAD / HTTP/1.1", 200),
    ],
)
async def test_5577_bad_look_up(world: World, first: str, status: int) -> None:
    async with world.expect():
        got = answer(await talk(world.provider, 5577, head(first, [("Host", "x"), ("Connection", "close")])))
        assert int(got.start_line.split()[1]) == status
        assert b"aiohttp" not in got.body.lower()


def test_edits() -> None:
    assert edited(b"abc", [(1, 1, b"xy"), (4, 0, b"z")]) == b"axycz"
