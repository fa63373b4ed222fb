"""What a port does with callers who take nothing, and with errors of ours: our own server's ports, and applications' of aiohttp."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
from aiohttp import web

from gateway.app.listeners import listen, listen_app
from gateway.httpd.connection import ConnectionCount
from gateway.httpd.values import Answer, BodyBroken, Request
from tests.support.rawhttp import free_port, hardly_read, talk

CALL = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
HOST = "127.0.0.1"
PORT = free_port()
ENDLESS = 64 << 20


async def pieces() -> AsyncIterator[bytes]:
    for _ in range(ENDLESS >> 18):
        yield bytes(1 << 18)


async def test_an_answer_that_nobody_takes_is_given_up(caplog: pytest.LogCaptureFixture) -> None:
    given_up = asyncio.Event()

    async def handler(_: Request) -> Answer:
        return Answer(pieces=pieces(), length=ENDLESS, patience=0.2, done=given_up.set)

    async with AsyncExitStack() as stack:
        await listen(stack, handler, HOST, PORT)
        got = await hardly_read(HOST, PORT, CALL, 0.6)
        assert given_up.is_set()
        assert got.startswith(b"HTTP/1.1 200 OK\r\n")
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


async def test_an_error_of_ours_is_told_to_the_operator_only(caplog: pytest.LogCaptureFixture) -> None:
    async def handler(_: Request) -> Answer:
        raise ValueError("secret")

    async with AsyncExitStack() as stack:
        await listen(stack, handler, HOST, PORT)
        got = await talk(HOST, PORT, CALL)
        assert got.startswith(b"HTTP/1.1 500 ")
        assert b"secret" not in got
        assert b"aiohttp" not in got
    assert [record.levelname for record in caplog.records] == ["ERROR"]


@pytest.mark.parametrize(
    ("expect", "first"),
    [
        (b"100-continue", b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n"),
        (b"a-miracle", b"HTTP/1.1 417 Expectation Failed\r\n"),
    ],
)
async def test_expectations(expect: bytes, first: bytes) -> None:
    async def handler(_: Request) -> Answer:
        return Answer()

    async with AsyncExitStack() as stack:
        await listen(stack, handler, HOST, PORT)
        assert (await talk(HOST, PORT, CALL[:-2] + b"Expect: " + expect + b"\r\n\r\n")).startswith(first)


async def crash(_: web.Request) -> web.Response:
    raise ValueError("secret")


async def root(_: web.Request) -> web.Response:
    return web.Response()


async def echo(request: web.Request) -> web.Response:
    """After a while."""
    body = await request.read()
    await asyncio.sleep(0.05)
    return web.Response(body=b"got " + body)


async def echoed(request: Request) -> Answer:
    try:
        body = b"".join([piece async for piece in request.body.pieces()])
    except BodyBroken:
        return Answer(400)
    await asyncio.sleep(0.05)
    return Answer(body=b"got " + body)


async def open_port(stack: AsyncExitStack, routed: bool) -> None:
    """Of our own or an application of aiohttp's; both echo bodies at `/`."""
    if not routed:
        return await listen(stack, echoed, HOST, PORT)
    app = web.Application()
    app.add_routes([web.get("/", echo), web.post("/", echo)])
    return await listen_app(stack, app, HOST, PORT)


@pytest.mark.parametrize("routed", [False, True], ids=["bare port", "application"])
@pytest.mark.parametrize(
    ("call", "status"),
    [
        (CALL, 200),
        (b"GET /crash HTTP/1.1\r\nHost: x\r\n\r\n", 500),
        (b"POST /missing HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", 404),
        (b"GET / HTTP/9.9 nonsense\r\n\r\n", 400),
    ],
)
async def test_no_answer_names_the_software(routed: bool, call: bytes, status: int) -> None:
    async def answer(request: Request) -> Answer:
        if request.target == "/crash":
            raise ValueError("secret")
        return Answer(404 if request.target == "/missing" else 200)

    app = web.Application()
    app.add_routes([web.get("/", root), web.get("/crash", crash)])
    async with AsyncExitStack() as stack:
        await (listen_app(stack, app, HOST, PORT) if routed else listen(stack, answer, HOST, PORT))
        got = await talk(HOST, PORT, call)
        assert got.split(b" ")[1] == b"%d" % status
        head = got.lower().split(b"\r\n\r\n")[0]
        assert b"\r\nserver:" not in head
        for name in (b"aiohttp", b"python"):
            assert name not in got.lower()


async def test_a_port_has_its_most_connections() -> None:
    async def handler(_: Request) -> Answer:
        return Answer(body=b"here")

    count = ConnectionCount(most=2)
    port = free_port()
    async with AsyncExitStack() as stack:
        await listen(stack, handler, HOST, port, count=count)
        ends = [await asyncio.open_connection(HOST, port) for _ in range(3)]
        assert await ends[2][0].read() == b""
        assert (count.open, count.refused) == (2, 1)
        for reader, writer in ends[:2]:
            writer.write(CALL)
            assert await reader.readuntil(b"here")
        ends[0][1].close()
        await ends[0][1].wait_closed()
        while count.open > 1:
            await asyncio.sleep(0.01)
        ends.append(await asyncio.open_connection(HOST, port))
        ends[-1][1].write(CALL)
        assert await ends[-1][0].readuntil(b"here")
        for _, end in ends:
            end.close()
    assert (count.open, count.refused) == (0, 1)


@pytest.mark.parametrize("routed", [False, True], ids=["bare port", "application"])
@pytest.mark.parametrize(
    ("call", "answered"),
    [
        (CALL, True),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc", True),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", True),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nabc", False),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", False),
        (CALL[:-2], False),
        (b"", False),
    ],
)
async def test_who_says_no_more_after_a_whole_request_gets_the_answer(
    routed: bool, call: bytes, answered: bool
) -> None:
    """And the connection ends with it. Of half a request nothing comes any more."""
    async with AsyncExitStack() as stack:
        await open_port(stack, routed)
        got = await talk(HOST, PORT, call, finish=True, to_end=True)
        assert got.startswith(b"HTTP/1.1 200 OK\r\n") == (b"got " in got) == answered


@pytest.mark.parametrize("routed", [False, True], ids=["bare port", "application"])
async def test_a_body_that_breaks_off_is_answered_and_ends_the_connection(routed: bool) -> None:
    async with AsyncExitStack() as stack:
        await open_port(stack, routed)
        head = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        got = await talk(HOST, PORT, head + b"3\r\nabc\r\n", b"no size\r\n", pause=0.05, to_end=True)
        assert got.split(b" ")[1] in (b"400", b"500")
        assert b"\r\nConnection: close\r\n" in got
        assert b"got abc" not in got


async def test_who_says_no_more_after_an_answer_is_let_go() -> None:
    async def handler(_: Request) -> Answer:
        return Answer(body=b"first")

    async with AsyncExitStack() as stack:
        await listen(stack, handler, HOST, PORT)
        async with asyncio.timeout(5):
            reader, writer = await asyncio.open_connection(HOST, PORT)
            writer.write(CALL)
            assert (await reader.readuntil(b"first")).startswith(b"HTTP/1.1 200 OK\r\n")
            writer.write_eof()
            assert await reader.read() == b""
            writer.close()


async def test_who_sends_no_request_and_says_no_more_is_told_so(caplog: pytest.LogCaptureFixture) -> None:
    async with AsyncExitStack() as stack:
        await open_port(stack, False)
        got = await talk(HOST, PORT, CALL + b"nonsense\r\n\r\n", finish=True, to_end=True)
        assert got.startswith(b"HTTP/1.1 200 OK\r\n")
        assert b"got HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n" in got
    assert [record.levelname for record in caplog.records] == ["WARNING"]
