"""Stands in front of a server on another address, passes everything on, and keeps what the server said: TLS as the wire sees it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

_HANDSHAKE, _SERVER_HELLO, _SUPPORTED_VERSIONS = 22, 2, 43


class Tap:
    """`said`: for each connection to the first port, the bytes that came from the server."""

    def __init__(self) -> None:
        self.said: list[bytearray] = []

    def versions(self) -> list[int]:
        """The TLS version of each ServerHello, 0x0304 for 1.3."""
        return [v for said in self.said if (v := _negotiated(bytes(said))) is not None]

    async def _pass_on(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, kept: bytearray | None
    ) -> None:
        try:
            while data := await reader.read(1 << 16):
                if kept is not None:
                    kept += data
                writer.write(data)
                await writer.drain()
        except ConnectionError:
            pass
        writer.close()

    async def serve(
        self, host: str, port: int, keep: bool, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        said = bytearray() if keep else None
        if said is not None:
            self.said.append(said)
        from_server, to_server = await asyncio.open_connection(host, port)
        await asyncio.gather(self._pass_on(reader, to_server, None), self._pass_on(from_server, writer, said))


def _negotiated(said: bytes) -> int | None:
    """RFC 8446, 4.1.3, 4.2.1: of the first record, when it is a ServerHello."""
    if len(said) < 44 or said[0] != _HANDSHAKE or said[5] != _SERVER_HELLO:
        return None
    at = 9 + 2 + 32  # record and handshake headers, legacy version, random
    at += 1 + said[at] + 2 + 1  # session id, cipher suite, compression
    end = at + 2 + int.from_bytes(said[at : at + 2], "big")
    at += 2
    while at < end:
        kind, length = int.from_bytes(said[at : at + 2], "big"), int.from_bytes(said[at + 2 : at + 4], "big")
        if kind == _SUPPORTED_VERSIONS:
            return int.from_bytes(said[at + 4 : at + 6], "big")
        at += 4 + length
    return int.from_bytes(said[9:11], "big")


@asynccontextmanager
async def tapping(at: str, server: str, ports: Sequence[int]) -> AsyncIterator[Tap]:
    """Listens on the address `at`; the bytes of the first port are kept."""
    tap = Tap()

    async with AsyncExitStack() as stack:
        for port in ports:
            listener = await asyncio.start_server(partial(tap.serve, server, port, port == ports[0]), at, port)
            stack.callback(listener.close)
        yield tap
