"""A way to a PostgreSQL socket that can be cut at any message, before it reached the server or before its answer came back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal

Cut = Literal["lost", "kept"]
_SILENCE = 1.0


class CuttingProxy:
    """`cut(how, after)`: `after` more messages of clients pass; the next one is `lost` (never reaches the server), or `kept` (the
    server answers it, but nobody hears). Both ends of that connection are then closed; later connections work."""

    def __init__(self, server: Path) -> None:
        self._server = server
        self._how: Cut | None = None
        self._left = 0
        self.cuts = 0

    def cut(self, how: Cut, after: int = 0) -> None:
        self._how, self._left = how, after

    def forget(self) -> None:
        self._how = None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_server, to_server = await asyncio.open_unix_connection(self._server)
        back = asyncio.get_running_loop().create_task(self._back(from_server, writer))
        try:
            while data := await reader.read(1 << 20):
                if self._is_due():
                    how, self._how = self._how, None
                    self.cuts += 1
                    back.cancel()
                    await asyncio.gather(back, return_exceptions=True)  # two may not read from the server
                    if how == "kept":
                        await _exchange(to_server, from_server, reader, data)
                    return
                to_server.write(data)
                await to_server.drain()
        except ConnectionError:
            pass
        finally:
            back.cancel()
            await asyncio.gather(back, return_exceptions=True)
            for end in (writer, to_server):
                end.close()

    def _is_due(self) -> bool:
        if self._how is None:
            return False
        self._left -= 1
        return self._left < 0

    async def _back(self, from_server: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await from_server.read(1 << 20):
                writer.write(data)
                await writer.drain()
        except ConnectionError:
            pass
        writer.close()


async def _exchange(
    to_server: asyncio.StreamWriter, from_server: asyncio.StreamReader, reader: asyncio.StreamReader, data: bytes
) -> None:
    """Pass on `data` and what belongs to it, and wait for ReadyForQuery, the end of the server's answer; or until the server waits
    itself, in the middle of a handshake or of preparing a statement."""
    to_server.write(data)
    answer = b""
    rest = asyncio.get_running_loop().create_task(_pass_on(reader, to_server))
    try:
        while answer[-6:-1] != b"Z\x00\x00\x00\x05":
            async with asyncio.timeout(_SILENCE):
                piece = await from_server.read(1 << 20)
            if not piece:
                return
            answer += piece
    except TimeoutError:
        pass
    finally:
        rest.cancel()
        await asyncio.gather(rest, return_exceptions=True)


async def _pass_on(reader: asyncio.StreamReader, to_server: asyncio.StreamWriter) -> None:
    while data := await reader.read(1 << 20):
        to_server.write(data)
        await to_server.drain()


@asynccontextmanager
async def cutting_proxy(target: dict[str, Any], directory: Path) -> AsyncIterator[tuple[CuttingProxy, dict[str, Any]]]:
    """The proxy, and the arguments of `asyncpg.connect` that lead through it."""
    name = f".s.PGSQL.{target['port']}"
    proxy = CuttingProxy(Path(target["host"]) / name)
    server = await asyncio.start_unix_server(proxy.serve, directory / name)
    try:
        yield proxy, {**target, "host": str(directory)}
    finally:
        server.close()
        await server.wait_closed()
