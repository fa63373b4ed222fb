"""A way to a PostgreSQL socket that can be cut at any message, before it reached the server or before its answer came back."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal

Cut = Literal["lost", "kept"]


class CuttingProxy:
    """`cut(how, after)`: `after` more messages of clients pass; the next one is `lost` (never reaches the server), or `kept` (the
    server answers it, but nobody hears). Both ends of that connection are then closed; later connections work."""

    def __init__(self, server: Path) -> None:
        self._server = server
        self._how: Cut | None = None
        self._left = 0
        self._clients: set[asyncio.StreamWriter] = set()
        self.cuts = 0

    def hang_up(self) -> None:
        """On every client at once, while the server may still be at work: it notices only when it answers."""
        for client in self._clients:
            client.transport.abort()

    def cut(self, how: Cut, after: int = 0) -> None:
        self._how, self._left = how, after

    def forget(self) -> None:
        self._how = None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_server, to_server = await asyncio.open_unix_connection(self._server)
        answers = _Answers(from_server, writer)
        back = asyncio.get_running_loop().create_task(answers.run())
        self._clients.add(writer)
        try:
            while data := await reader.read(1 << 20):
                if self._is_due():
                    how, self._how = self._how, None
                    self.cuts += 1
                    answers.mute()
                    if how == "kept":
                        await _send_whole(to_server, reader, data, answers)
                    return
                to_server.write(data)
                await to_server.drain()
        except ConnectionError:
            pass
        finally:
            self._clients.discard(writer)
            back.cancel()
            await asyncio.gather(back, return_exceptions=True)
            for end in (writer, to_server):
                end.close()

    def _is_due(self) -> bool:
        if self._how is None:
            return False
        self._left -= 1
        return self._left < 0


_SILENT = 0.5  # seconds without a further word: the server has said what there is to say


class _Answers:
    """What the server says: passed on to the client until it is muted, then only listened to. The only reader of that stream."""

    def __init__(self, from_server: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        self._from_server = from_server
        self._to_client = to_client
        self._muted = False
        self._heard = asyncio.Event()
        self._complete = False

    def mute(self) -> None:
        self._muted = True

    async def wait(self) -> None:
        """Until ReadyForQuery, or silence after the first words: what is answered without a Sync has no end of its own. However
        long the first words take, for the server may wait for a lock."""
        await self._heard.wait()
        with contextlib.suppress(TimeoutError):
            while not self._complete:
                self._heard.clear()
                await asyncio.wait_for(self._heard.wait(), _SILENT)

    async def run(self) -> None:
        unheard = b""
        try:
            while data := await self._from_server.read(1 << 20):
                if self._muted:
                    unheard += data
                    self._complete = unheard[-6:-1] == b"Z\x00\x00\x00\x05"
                    self._heard.set()
                else:
                    self._to_client.write(data)
                    await self._to_client.drain()
        except ConnectionError:
            pass
        finally:
            self._complete = True
            self._heard.set()
        self._to_client.close()


async def _send_whole(
    to_server: asyncio.StreamWriter, reader: asyncio.StreamReader, data: bytes, answers: _Answers
) -> None:
    """Pass on `data` and what belongs to it until the server has answered; nobody hears the answer."""
    to_server.write(data)
    rest = asyncio.get_running_loop().create_task(_pass_on(reader, to_server))
    try:
        await answers.wait()
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
