"""The HTTP form of a request between servers. Its head is compared with captured ones in tests/interop/test_live_rebuilt.py."""

from __future__ import annotations

import re

from gateway.exchange.states import Body
from gateway.exchange.wire import Framed, new_boundary
from gateway.transport.peer_message import Chunked
from gateway.transport.spool import Spool


def body(data: bytes, *, above: int) -> Body:
    sink = Spool(above=above, limit=1000)
    sink.write(data)
    return sink.finish()


def without_chunks(data: bytes) -> bytes:
    whole = b""
    while (size := int(data.partition(b"\r\n")[0], 16)) > 0:
        start = data.index(b"\r\n") + 2
        assert data[start + size : start + size + 2] == b"\r\n"
        whole, data = whole + data[start : start + size], data[start + size + 2 :]
    assert data == b"0\r\n\r\n"
    return whole


async def test_chunks_of_a_message_in_memory_and_of_one_on_disk() -> None:
    for above, inline in ((100, b"12\r\nbeforecontentafter\r\n0\r\n\r\n"), (1, None)):
        framed = Framed("x", b"before", body(b"content", above=above), b"after")
        message = Chunked(framed)
        assert message.inline == inline
        sent = b"".join([piece async for piece in message.chunks()])
        assert without_chunks(sent) == b"beforecontentafter"


async def test_an_empty_piece_does_not_end_the_message() -> None:
    message = Chunked(Framed("x", b"before", body(b"", above=100), b"after"))
    sent = b"".join([piece async for piece in message.chunks()])
    assert without_chunks(sent) == without_chunks(message.inline or b"") == b"beforeafter"


def test_boundaries_are_those_of_xroad() -> None:
    drawn = {new_boundary() for _ in range(20)}
    assert len(drawn) == 20
    assert all(re.fullmatch("xtop[A-Za-z]{30}", b) for b in drawn)
