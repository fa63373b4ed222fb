"""Order, back-pressure and the end of a connection, without sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from gateway.httpd import connection as module
from gateway.httpd.connection import Connection, ConnectionCount, Port
from gateway.httpd.server import HttpServer
from gateway.httpd.values import Answer, CallerGone, Handler, Request
from tests.support.httpd import Echo, FakeTransport, connected, settled

GET = b"GET /%d HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"


@asynccontextmanager
async def served(handler: Handler) -> AsyncIterator[tuple[Connection, FakeTransport]]:
    async with asyncio.TaskGroup() as tasks, connected(Port(handler, tasks)) as pair:
        yield pair


async def test_requests_are_answered_one_at_a_time_and_nothing_is_read_ahead() -> None:
    echo = Echo(until=asyncio.Event())
    assert echo.until is not None
    async with served(echo.handle) as (connection, transport):
        connection.data_received(GET % 1)
        await settled()
        connection.data_received(b"".join(GET % n for n in range(2, 5)))
        await settled()
        assert [target for _, target, _ in echo.asked] == ["/1"]
        assert not transport.is_reading()
        assert transport.written == b""
        echo.until.set()
        await settled()
        assert [target for _, target, _ in echo.asked] == ["/1", "/2", "/3", "/4"]
        assert transport.statuses == [200] * 4
        assert transport.is_reading()


async def test_half_a_request_behind_another_gets_its_other_half() -> None:
    echo = Echo(until=asyncio.Event())
    assert echo.until is not None
    async with served(echo.handle) as (connection, transport):
        connection.data_received(GET % 1)
        await settled()
        connection.data_received(POST % 3)
        echo.until.set()
        await settled()
        assert transport.is_reading()
        connection.data_received(b"abc")
        await settled()
        assert echo.asked == [("GET", "/1", b""), ("POST", "/", b"abc")]


async def test_a_head_and_its_small_body_leave_in_one_piece() -> None:
    class Counted(FakeTransport):
        writes = 0

        def write(self, data: Any) -> None:
            self.writes += 1
            super().write(data)

    async with asyncio.TaskGroup() as tasks:
        connection = Connection(Port(Echo().handle, tasks))
        transport = Counted(connection)
        connection.data_received(POST % 3 + b"abc")
        await settled()
        assert transport.written.endswith(b"\r\n\r\nabc")
        assert transport.writes == 1
        transport.close()


async def test_a_body_that_nobody_takes_holds_its_sender_back() -> None:
    go_on = asyncio.Event()
    sizes: list[int] = []

    async def handler(request: Request) -> Answer:
        await go_on.wait()
        async for piece in request.body.pieces():
            sizes.append(len(piece))
        return Answer()

    piece, total = bytes(64 << 10), 2 << 20
    async with served(handler) as (connection, transport):
        connection.data_received(POST % total)
        sent = 0
        while transport.is_reading():
            connection.data_received(piece)
            await settled()
            sent += len(piece)
        assert sent == 5 * len(piece)  # just above 256 KiB
        go_on.set()
        await settled()
        assert transport.is_reading()
        while sent < total:
            connection.data_received(piece)
            await settled()
            sent += len(piece)
        assert transport.statuses == [200]
        assert sum(sizes) == total


async def test_a_body_that_is_whole_while_reading_pauses_does_not_end_the_reading() -> None:
    go_on = asyncio.Event()

    async def handler(request: Request) -> Answer:
        await go_on.wait()
        return Answer(body=b"%d" % len(request.body.whole()))

    async with served(handler) as (connection, transport):
        connection.data_received(POST % (300 << 10))
        connection.data_received(bytes(299 << 10))
        assert not transport.is_reading()
        connection.data_received(bytes(1 << 10))  # was on its way already
        go_on.set()
        await settled()
        assert transport.written.endswith(b"\r\n\r\n307200")
        assert transport.is_reading()


async def test_an_answer_waits_while_the_caller_takes_nothing() -> None:
    given: list[int] = []

    async def pieces() -> AsyncIterator[bytes]:
        for n in range(3):
            given.append(n)
            yield b"abc"

    async def handler(_: Request) -> Answer:
        return Answer(pieces=pieces(), length=9)

    async with served(handler) as (connection, transport):
        connection.pause_writing()
        connection.data_received(GET % 1)
        await settled()
        assert given == []
        connection.resume_writing()
        await settled()
        assert given == [0, 1, 2]
        assert transport.written.endswith(b"abcabcabc")
        assert not transport.is_closing()


async def test_of_a_large_answer_in_memory_too_only_what_is_taken_leaves() -> None:
    """The patience is with each piece: who takes slowly but steadily gets all of it."""
    body = bytes(1 << 20)

    async def handler(_: Request) -> Answer:
        return Answer(body=body)

    class Slow(FakeTransport):
        def write(self, data: Any) -> None:
            super().write(data)
            connection.pause_writing()

    async with asyncio.TaskGroup() as tasks:
        connection = Connection(Port(handler, tasks))
        transport = Slow(connection)
        connection.data_received(GET % 1)
        sizes = [0]
        while len(transport.written.partition(b"\r\n\r\n")[2]) < len(body):
            await settled()
            sizes.append(len(transport.written))
            assert 0 < sizes[-1] - sizes[-2] <= 256 << 10
            connection.resume_writing()
        await settled()
        assert not transport.is_closing()
        transport.close()


@pytest.mark.parametrize("length", [2, 4])
async def test_an_answer_of_another_length_than_it_says_is_cut_off(
    length: int, caplog: pytest.LogCaptureFixture
) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"abc"

    async def handler(_: Request) -> Answer:
        return Answer(pieces=pieces(), length=length)

    async with served(handler) as (connection, transport):
        connection.data_received(GET % 1)
        await settled()
        assert transport.aborted
        assert len(transport.written.partition(b"\r\n\r\n")[2]) <= length
    assert [record.levelname for record in caplog.records] == ["ERROR"]


@pytest.mark.parametrize("header", [("X", "a\r\nX-B: c"), ("X\r\n\r\n", "a"), ("X", "\x00"), ("Content-Length", "0")])
async def test_a_header_that_breaks_the_head_never_leaves(header: tuple[str, str]) -> None:
    async def handler(_: Request) -> Answer:
        return Answer(headers=(header,), body=b"abc")

    async with served(handler) as (connection, transport):
        connection.data_received(GET % 1)
        await settled()
        assert (transport.written, transport.aborted) == (b"", True)


async def test_who_hangs_up_cancels_nothing_that_was_begun() -> None:
    until = asyncio.Event()
    ended = asyncio.Event()

    async def handler(_: Request) -> Answer:
        await until.wait()
        ended.set()
        return Answer()

    async with served(handler) as (connection, transport):
        connection.data_received(GET % 1)
        await settled()
        transport.close()
        await settled()
        until.set()
        await settled()
        assert ended.is_set()
        assert transport.written == b""


async def test_who_hangs_up_makes_no_room_for_more_before_its_request_is_done() -> None:
    echo, count = Echo(until=asyncio.Event()), ConnectionCount(most=1)
    assert echo.until is not None
    async with asyncio.TaskGroup() as tasks:
        port = Port(echo.handle, tasks, count)
        async with connected(port) as (connection, transport):
            connection.data_received(GET % 1)
            await settled()
            transport.close()
            await settled()
            async with connected(port) as (_, refused):
                assert refused.is_closing()
            assert (count.open, count.refused) == (1, 1)
            echo.until.set()
            await settled()
            assert count.open == 0
            async with connected(port) as (_, welcome):
                assert not welcome.is_closing()
    assert (count.open, count.refused) == (0, 1)


async def test_who_hangs_up_before_it_is_begun_is_not_served() -> None:
    echo = Echo()
    async with served(echo.handle) as (connection, transport):
        await settled()
        transport.close()
        connection.data_received(GET % 1)
        await settled()
        assert echo.asked == []


async def test_who_hangs_up_inside_a_body_is_gone_for_its_reader(caplog: pytest.LogCaptureFixture) -> None:
    gone = asyncio.Event()

    async def handler(request: Request) -> Answer:
        try:
            return Answer(body=b"".join([piece async for piece in request.body.pieces()]))
        except CallerGone:
            gone.set()
            raise

    async with served(handler) as (connection, transport):
        connection.data_received(POST % 5 + b"abc")
        await settled()
        transport.close()
        await settled()
        assert gone.is_set()
    assert caplog.records == []


async def refuse(_: Request) -> Answer:
    """Without a look at the body."""
    return Answer(403)


async def test_the_rest_of_a_body_that_nobody_wants_is_thrown_away() -> None:
    piece = bytes(64 << 10)
    async with served(refuse) as (connection, transport):
        connection.data_received(POST % (20 * len(piece)))
        await settled()
        assert transport.statuses == [403]
        for _ in range(20):
            assert transport.is_reading()
            connection.data_received(piece)
            await settled()
        connection.data_received(GET % 2)
        await settled()
        assert transport.statuses == [403, 403]


async def test_but_only_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LINGER", 0.0)
    async with served(refuse) as (connection, transport):
        connection.data_received(POST % 5 + b"ab")
        async with asyncio.timeout(10):
            while not transport.is_closing():
                await asyncio.sleep(0.01)
        assert transport.statuses == [403]


@pytest.mark.parametrize("begin", [b"", b"GET / HTT", GET % 1 + b"GET / HT"], ids=["silent", "half a head", "answered"])
async def test_a_connection_on_which_nobody_asks_is_closed(begin: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_KEEP", 0.05)
    async with served(Echo().handle) as (connection, transport):
        connection.data_received(begin)
        while not transport.is_closing():
            await asyncio.sleep(0.01)
        assert transport.statuses == [200] * begin.count(b"GET /1")


async def test_a_connection_on_which_somebody_waits_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_KEEP", 0.02)
    echo = Echo(until=asyncio.Event())
    assert echo.until is not None
    async with served(echo.handle) as (connection, transport):
        connection.data_received(GET % 1)
        await asyncio.sleep(0.1)
        assert not transport.is_closing()
        echo.until.set()
        await settled()
        assert transport.statuses == [200]


async def test_a_port_that_stops_ends_what_is_idle_and_answers_what_is_under_way() -> None:
    echo = Echo(until=asyncio.Event())
    assert echo.until is not None
    async with asyncio.TaskGroup() as tasks:
        server = HttpServer(echo.handle, tasks)
        idle, busy = server(), server()
        quiet, waiting = FakeTransport(idle), FakeTransport(busy)
        busy.data_received(POST % 3 + b"ab")
        await settled()
        stopping = tasks.create_task(server.stop(10.0))
        await settled()
        assert quiet.is_closing()
        busy.data_received(b"c" + GET % 2)
        late = FakeTransport(server())
        assert late.is_closing()
        echo.until.set()
        await stopping
        assert waiting.is_closing()
        assert echo.asked == [("POST", "/", b"abc")]
        assert b"Connection: close\r\n" in waiting.written


async def test_what_takes_longer_than_the_grace_is_cancelled() -> None:
    cancelled = asyncio.Event()

    async def handler(_: Request) -> Answer:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()
        return Answer()

    async with asyncio.TaskGroup() as tasks:
        server = HttpServer(handler, tasks)
        transport = FakeTransport(connection := server())
        connection.data_received(GET % 1)
        await settled()
        await server.stop(0.01)
        assert cancelled.is_set()
        assert transport.is_closing()
