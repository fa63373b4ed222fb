"""The HTTP/1.1 link, against a scripted server that speaks raw bytes."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import pytest

from gateway.core.errors import GatewayError, MalformedMessage, PeerUnavailable
from gateway.transport.link import Link

HEAD = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n"


@dataclass
class Text:
    """A message for the link: all at once, or in pieces."""

    data: bytes
    pieces: int = 0

    @property
    def inline(self) -> bytes | None:
        return None if self.pieces else self.data

    async def chunks(self) -> AsyncIterator[bytes]:
        for _ in range(self.pieces):
            yield self.data


@asynccontextmanager
async def scripted(script: Callable[[asyncio.StreamReader, asyncio.StreamWriter], object]) -> AsyncIterator[Link]:
    """A server that runs `script` for the one connection, and a link to it."""
    done = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await script(reader, writer)  # type: ignore[misc]
        finally:
            writer.close()
            done.set()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    _, link = await asyncio.get_running_loop().create_connection(Link, "127.0.0.1", port)
    try:
        yield link
    finally:
        link.close()
        server.close()
        async with asyncio.timeout(5):
            await done.wait()
            await server.wait_closed()


async def read_request(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
    return await reader.readexactly(length)


async def whole(link: Link) -> bytes:
    return b"".join([piece async for piece in link.body()])


async def exchange(link: Link, data: bytes = b"hello") -> tuple[int, bytes]:
    head = await link.request(HEAD % len(data), Text(data))
    return head.status, await whole(link)


async def test_two_exchanges_on_one_connection() -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(2):
            body = await read_request(reader)
            writer.write(b"HTTP/1.1 200 OK\r\nX-Hash-Algorithm: SHA-512\r\nContent-Length: 5\r\n\r\n" + body[::-1])

    async with scripted(script) as link:
        head = await link.request(HEAD % 5, Text(b"hello"))
        assert head.status == 200
        assert head.headers["x-hash-algorithm"] == "SHA-512"
        assert await whole(link) == b"olleh"
        assert link.exchange_done()
        assert link.reusable
        assert await exchange(link, b"again") == (200, b"niaga")


@pytest.mark.parametrize(
    ("answer", "keep"),
    [
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", True),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc", False),
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nabc", False),  # framed by the end (reference 3.6)
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", True),
        (b"HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", True),
    ],
)
async def test_framings_of_an_answer(answer: bytes, keep: bool) -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(answer)

    async with scripted(script) as link:
        assert await exchange(link) == (200, b"abc")
        if keep:
            assert link._parser is not None
        assert not link.exchange_done() or keep


@pytest.mark.parametrize(
    ("answer", "error", "code"),
    [
        (b"", PeerUnavailable, "network_error"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", PeerUnavailable, "network_error"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nab", PeerUnavailable, "network_error"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", MalformedMessage, "http_error"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: abc\r\n\r\n", MalformedMessage, "http_error"),
        (b"HTTP/1.1 200 OK\r\n" + b"X-A: %b\r\n" % (b"a" * 40_000) + b"\r\n", MalformedMessage, "http_error"),
    ],
)
async def test_bad_answers_fail(answer: bytes, error: type[GatewayError], code: str) -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(answer)
        await writer.drain()

    async with scripted(script) as link:
        with pytest.raises(error) as e:
            await exchange(link)
        assert e.value.code == code
        assert not link.exchange_done()
        assert not link.reusable


async def test_data_nobody_asked_for_closes_the_link() -> None:
    async def script(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()

    async with scripted(script) as link:
        async with asyncio.timeout(5):
            while link.reusable:
                await asyncio.sleep(0.01)
        with pytest.raises(MalformedMessage):
            await exchange(link)


async def test_headers_of_an_interim_answer_are_not_those_of_the_final_one() -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 103 Early\r\nX-A: early\r\n\r\nHTTP/1.1 200 Late \xe9\r\nX-B: 1\r\nX-B: 2\r\n")
        writer.write(b"Content-Length: 0\r\n\r\n")

    async with scripted(script) as link:
        head = await link.request(HEAD % 0, Text(b""))
        assert (head.status, head.reason) == (200, b"Late \xe9")
        assert head.raw == [(b"X-B", b"1"), (b"X-B", b"2"), (b"Content-Length", b"0")]
        assert head.headers == {"x-b": "2", "content-length": "0"}


async def test_a_second_answer_is_nobodys() -> None:
    """It could only be meant for the next request on this connection."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(2 * b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc")

    async with scripted(script) as link:
        assert await exchange(link) == (200, b"abc")
        assert not link.exchange_done()
        assert not link.reusable


async def test_trailers_of_an_answer_are_no_headers() -> None:
    """Nobody decided on them when the head was (RFC 9110 6.5.1), and they would be signed as if they had been there."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-A: 1\r\n\r\n"
        writer.write(head + b"3\r\nabc\r\n0\r\nX-A: 2\r\nX-Late: yes\r\n\r\n")

    async with scripted(script) as link:
        head = await link.request(HEAD % 1, Text(b"a"))
        assert await whole(link) == b"abc"
        assert head.raw == [(b"Transfer-Encoding", b"chunked"), (b"X-A", b"1")]
        assert head.headers["x-a"] == "1"
        assert link.exchange_done()


async def test_the_answer_to_a_head_has_no_body_whatever_it_says() -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n")
        await reader.read()

    async with scripted(script) as link:
        head = await link.request(HEAD % 0, Text(b""), bodiless=True)
        assert (head.status, head.headers["content-length"]) == (200, "3")
        assert link.whole_body() == b""
        assert not link.exchange_done()


@pytest.mark.parametrize(
    "before",
    [
        b"X-A: ",
        b"Transfer-Encoding: chunked\r\n\r\n0\r\nX-A: ",
        b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-A: ",
        b"Transfer-Encoding: chunked\r\n\r\n3;",
    ],
    ids=["header", "trailer", "trailer of a body", "chunk extension"],
)
async def test_a_header_without_end_is_cut_off(before: bytes) -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\n" + before)
        with suppress(ConnectionError):
            while True:
                writer.write(b"a" * 65536)
                await writer.drain()

    async with scripted(script) as link:
        with pytest.raises(MalformedMessage):
            await exchange(link)
        assert not link.reusable


async def test_early_answer_stops_the_sending() -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 500 No\r\nContent-Length: 2\r\n\r\nno")
        await writer.drain()
        while await reader.read(65536):
            pass

    async with scripted(script) as link:
        head = await link.request(HEAD % (4_000 * 65536), Text(b"x" * 65536, pieces=4_000))
        assert head.status == 500
        assert await whole(link) == b"no"
        assert not link.exchange_done()  # the peer still waits for the rest: nothing may follow here
        assert not link.reusable


async def test_early_answer_of_a_peer_that_takes_nothing_more_stops_the_sending() -> None:
    done = asyncio.Event()

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        await asyncio.sleep(0.05)  # until nothing more fits between us
        writer.write(b"HTTP/1.1 500 No\r\nContent-Length: 2\r\n\r\nno")
        await done.wait()

    async with scripted(script) as link, asyncio.timeout(10):
        head = await link.request(HEAD % (4_000 * 65536), Text(b"x" * 65536, pieces=4_000))
        assert (head.status, await whole(link)) == (500, b"no")
        assert not link.exchange_done()
        assert link._transport is not None
        assert link._transport.get_write_buffer_size() == 0  # nothing waits for somebody who has answered
        done.set()


async def test_a_slow_reader_holds_the_peer_back() -> None:
    size = 8 * 1024 * 1024
    sent = 0

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        for _ in range(size // 65536):
            writer.write(b"x" * 65536)
            await writer.drain()
            sent += 65536

    async with scripted(script) as link:
        await link.request(HEAD % 2, Text(b"go"))
        await asyncio.sleep(0.1)
        assert link._received_bytes < size  # reading paused
        assert len(await whole(link)) == size
    assert sent == size


async def test_a_large_answer_that_is_whole_while_reading_pauses_does_not_end_the_reading() -> None:
    size = 1 << 20
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + bytes(size)

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with scripted(script) as link:
        for _ in range(2):
            async with asyncio.TaskGroup() as tasks:
                asked = tasks.create_task(link.request(HEAD % 2, Text(b"go")))
                await asyncio.sleep(0)
                for start in range(0, len(answer), 65536):  # all of it before anybody can take some
                    link.data_received(answer[start : start + 65536])
            assert asked.result().status == 200
            body = link.whole_body()
            assert body is not None
            assert len(body) == size
            assert link.exchange_done()
            assert link._transport is not None
            assert link._transport.is_reading()
