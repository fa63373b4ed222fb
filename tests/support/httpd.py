"""Our HTTP server without sockets: what came is given to a connection by hand, what it writes is kept."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from gateway.httpd.connection import Connection, Port
from gateway.httpd.parsing import RequestParser
from gateway.httpd.values import Answer, BodyBroken, NotHttp, Request, refusal

Parsed = tuple[str, str, str, tuple[tuple[str, str], ...], bool, bytes, bool]


def parsed(pieces: Sequence[bytes]) -> tuple[list[Parsed], bool]:
    """Every request with the body that came, and whether it ended in NotHttp."""
    parser = RequestParser(lambda: None)
    refused = False
    for piece in pieces:
        try:
            parser.feed(piece)
        except NotHttp:
            refused = True
            break
    return [
        (r.method, r.target, r.version, r.headers, r.keep_alive, r.body.whole(), r.body.complete)
        for r in parser.arrived
    ], refused


@dataclass
class Echo:
    """A handler that keeps what it was asked and gives bodies back. `until`: it waits for that before each answer."""

    asked: list[tuple[str, str, bytes]] = field(default_factory=list)
    until: asyncio.Event | None = None

    async def handle(self, request: Request) -> Answer:
        try:
            body = b"".join([piece async for piece in request.body.pieces()])
        except BodyBroken:
            return refusal(400)
        self.asked.append((request.method, request.target, body))
        if self.until is not None:
            await self.until.wait()
        return Answer(body=body)


class FakeTransport(asyncio.Transport):
    """`written`: all of it; `aborted`: not closed in good order."""

    def __init__(self, connection: Connection) -> None:
        super().__init__({"socket": socket.socket()})
        self.written = b""
        self._reading = True
        self.aborted = False
        self._connection = connection
        self._closed = False
        connection.connection_made(self)

    def write(self, data: Any) -> None:
        self.written += data

    def is_closing(self) -> bool:
        return self._closed

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self.get_extra_info("socket").close()
            asyncio.get_running_loop().call_soon(self._connection.connection_lost, None)

    def abort(self) -> None:
        self.aborted = True
        self.close()

    def pause_reading(self) -> None:
        assert not self._closed
        self._reading = False

    def resume_reading(self) -> None:
        assert not self._closed
        self._reading = True

    def is_reading(self) -> bool:
        return self._reading

    @property
    def statuses(self) -> list[int]:
        """Of the final answers."""
        found = re.findall(rb"HTTP/1\.[01] ([2-5]\d\d) ", self.written)
        return [int(status) for status in found]


@asynccontextmanager
async def connected(port: Port) -> AsyncIterator[tuple[Connection, FakeTransport]]:
    connection = Connection(port)
    transport = FakeTransport(connection)
    try:
        yield connection, transport
    finally:
        transport.close()
        await settled()


async def settled() -> None:
    """Whatever can happen without anything new from outside has happened."""
    for _ in range(20):
        await asyncio.sleep(0)


async def conversation(pieces: Sequence[bytes], *, pause: bool) -> tuple[list[tuple[str, str, bytes]], list[int]]:
    """What the handler was asked and the statuses of the answers. `pause`: between the pieces everything happens that can."""
    echo = Echo()
    async with asyncio.TaskGroup() as tasks, connected(Port(echo.handle, tasks)) as (connection, transport):
        for piece in pieces:
            connection.data_received(piece)
            if pause:
                await settled()
        for _ in pieces:
            await settled()
        return echo.asked, transport.statuses
