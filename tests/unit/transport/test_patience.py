"""A link whose other side does nothing any more, against a scripted server."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest

from gateway.transport.link import Link
from gateway.transport.patience import Patience
from tests.unit.transport.test_link import HEAD, Text, read_request, scripted, whole

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n"


async def silence(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await reader.read()


async def ask(link: Link, patience: Patience, seconds: float, message: Text) -> bytes:
    patience.begin(link, seconds)
    try:
        await link.request(HEAD % (len(message.data) * max(message.pieces, 1)), message)
        return await whole(link)
    finally:
        patience.end(link)


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\n", ANSWER, ANSWER + b"half"])
async def test_silence_is_a_timeout_wherever_it_begins(answer: bytes) -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        await silence(reader, writer)

    async with scripted(script) as link:
        with pytest.raises(TimeoutError):
            await ask(link, Patience(), 0.05, Text(b"hello"))
        assert not link.reusable


async def test_whoever_takes_nothing_is_silent_too() -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        reader._transport.pause_reading()  # type: ignore[attr-defined]
        await asyncio.sleep(0.5)
        reader._transport.resume_reading()  # type: ignore[attr-defined]
        await silence(reader, writer)

    async with scripted(script) as link:
        with pytest.raises(TimeoutError):
            await ask(link, Patience(), 0.05, Text(bytes(1 << 20), pieces=64))


async def test_every_piece_begins_patience_anew() -> None:
    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(ANSWER)
        for piece in (b"in ", b"a ", b"x"):
            await asyncio.sleep(0.4)
            writer.write(piece)
            await writer.drain()

    async with scripted(script) as link:
        assert await ask(link, Patience(), 1.0, Text(b"hello")) == b"in a x"
        assert link.exchange_done()


async def test_one_timer_serves_the_patient_and_the_impatient() -> None:
    patience = Patience()

    async def outcome(link: Link, seconds: float) -> str:
        try:
            await ask(link, patience, seconds, Text(b"hello"))
        except TimeoutError:
            return "timeout"
        return "answer"

    async with AsyncExitStack() as stack:
        links = [await stack.enter_async_context(scripted(silence)) for _ in range(3)]
        async with asyncio.TaskGroup() as group:
            patient = group.create_task(outcome(links[0], 600.0))
            others = [group.create_task(outcome(link, s)) for link, s in zip(links[1:], (0.1, 0.05), strict=True)]
            assert [await other for other in others] == ["timeout", "timeout"]
            patience._look()  # too early for the one that is left
            await asyncio.sleep(0)
            assert not patient.done()
            patient.cancel()
        patience.close()


async def test_a_link_that_is_done_is_left_alone() -> None:
    patience = Patience()

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(ANSWER + b"answer")
        await silence(reader, writer)

    async with scripted(script) as link:
        assert await ask(link, patience, 0.05, Text(b"hello")) == b"answer"
        assert link.exchange_done()
        await asyncio.sleep(0.1)
        assert link.reusable
