"""A provider's information system that answers with exactly the bytes it is told to, well formed or not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

GOOD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 11\r\n\r\n" + b'{"ok":true}'


class RawService:
    """`answer`: sent after each request; `wait`: seconds before; `reset`: a TCP reset instead. `calls`: (head, body)."""

    def __init__(self) -> None:
        self.calls: list[tuple[bytes, bytes]] = []
        self.url = ""
        self.behave()

    def behave(self) -> None:
        """Forget what was asked and answer well."""
        self.calls.clear()
        self.answer = GOOD
        self.wait = 0.0
        self.reset = False
        self.hold = False

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            first = await reader.readexactly(1)
            if first == b"\x16":  # a TLS hello
                writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                return
            head = first + await reader.readuntil(b"\r\n\r\n")
            length = [
                line.split(b":")[1] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")
            ]
            self.calls.append((head, await reader.readexactly(int(length[0])) if length else b""))
            await asyncio.sleep(self.wait)
            if self.reset:
                writer.transport.abort()
                return
            writer.write(self.answer)
            await writer.drain()
            if self.hold:  # neither a word nor the end
                await reader.read()
        except (ConnectionError, asyncio.IncompleteReadError):
            return
        finally:
            writer.close()


@asynccontextmanager
async def raw_service() -> AsyncIterator[RawService]:
    service = RawService()
    server = await asyncio.start_server(service.handle, "127.0.0.1", 0)
    service.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/base"
    try:
        yield service
    finally:
        server.close()
        await server.wait_closed()
