"""One accepted connection: each request is handled to its end and answered before the next one is begun.

Whoever hangs up cancels nothing: what was begun runs to its end. A connection on which nobody asks for 75 seconds is closed, half a
head or not; how long a body may take is its reader's affair.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from dataclasses import dataclass, field
from typing import cast

from gateway.httpd.inbox import Inbox
from gateway.httpd.values import Answer, BodyBroken, CallerGone, Handler, Request, refusal
from gateway.httpd.writing import AnswerWriter

_log = logging.getLogger(__name__)

_KEEP = 75.0  # seconds; longer than any of our own clients keeps an idle connection
_LINGER = (
    10.0  # seconds for which the rest of a body that nobody wants is thrown away: its sender shall hear the answer
)


@dataclass(slots=True)
class ConnectionCount:
    """Of one port. `most`: connections at a time, further ones are closed at once; `refused`: how many were, since start. `open`:
    those too whose caller is gone and whose request is still under way, for hanging up makes no room for more of them."""

    most: int
    open: int = 0
    refused: int = 0


@dataclass(slots=True)
class Port:
    """What the connections of a port have in common. `served`: those that are not done yet; a handler may outlive its caller."""

    handler: Handler
    tasks: asyncio.TaskGroup
    count: ConnectionCount | None = None
    served: dict[Connection, asyncio.Task[None]] = field(default_factory=dict)
    stopping: bool = False


class Connection(asyncio.Protocol):
    def __init__(self, port: Port) -> None:
        self._port = port
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport
        self._inbox: Inbox
        self._writer: AnswerWriter
        self._timer: asyncio.TimerHandle | None = None
        self._idle_since = self._loop.time()
        self._closing = False
        self._lost = False

    # --- asyncio.Protocol -----------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's transports are of its own family
        self._inbox = Inbox(self._transport)
        self._writer = AnswerWriter(self._transport)
        if not self._welcome():
            self._close()
            return
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self._timer = self._loop.call_later(_KEEP, self._look)
        tasks = self._port.tasks
        self._port.served[self] = tasks.create_task(self._serve())

    def _welcome(self) -> bool:
        count = self._port.count
        if count is not None:
            count.open += 1
            if count.open > count.most:
                count.refused += 1
                return False
        return not self._port.stopping

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost = True
        self._leave()
        if self._timer is not None:
            self._timer.cancel()
        self._closing = True
        self._inbox.lose()
        self._writer.resume()

    def data_received(self, data: bytes) -> None:
        self._inbox.receive(data)

    def eof_received(self) -> bool:
        """Who has asked in whole and says that no more will come still gets the answer, as with X-Road. A TLS connection cannot be
        half closed."""
        return self._inbox.end() and self._transport.get_extra_info("sslcontext") is None

    def pause_writing(self) -> None:
        self._writer.pause()

    def resume_writing(self) -> None:
        self._writer.resume()

    # --- one request after the other ------------------------------------------------------------------------------

    async def _serve(self) -> None:
        keep = True
        try:
            while keep and (request := await self._inbox.next()) is not None:
                keep = await self._exchange(request)
                self._idle_since = self._loop.time()
            if keep and self._inbox.refusal is not None:
                _log.warning("A request that is not HTTP was refused", exc_info=self._inbox.refusal)
                await self._writer.send("GET", "1.1", refusal(400), keep=False)
        except (CallerGone, TimeoutError):  # gone, or there and taking nothing: waiting until it has would be for ever
            self._transport.abort()
        except Exception:  # noqa: BLE001 - an error of ours ends the connection and not the server
            _log.exception("A connection is given up")
            self._transport.abort()
        finally:
            self._inbox.busy = False
            self._close()
            del self._port.served[self]
            self._leave()

    def _leave(self) -> None:
        """Counts no more when its caller is gone and nothing is under way."""
        if self._port.count is not None and self._lost and self not in self._port.served:
            self._port.count.open -= 1

    async def _exchange(self, request: Request) -> bool:
        """Whether another request may follow."""
        answer = await self._answer_to(request)
        try:
            keep = request.keep_alive and not (answer.last or self._inbox.broken or self._port.stopping)
            await self._writer.send(request.method, request.version, answer, keep=keep)
            return await self._rest_is_gone(request) and keep
        finally:
            answer.done()

    async def _answer_to(self, request: Request) -> Answer:
        try:
            return self._expected(request) or await self._port.handler(request)
        except CallerGone:
            raise
        except Exception:  # noqa: BLE001 - an error of ours is told to the operator only
            _log.exception("A request could not be answered")
            return refusal(500)

    def _expected(self, request: Request) -> Answer | None:
        """Says `100 Continue` to a caller who waits for it before sending a body."""
        expected = request.first("expect")
        if expected is None or request.version == "1.0":
            return None
        if expected.lower() != "100-continue":
            return refusal(417)
        self._writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        return None

    async def _rest_is_gone(self, request: Request) -> bool:
        """The rest of a body that its handler did not want is thrown away for a while."""
        if request.body.complete:
            return True
        if self._port.stopping:
            return False
        try:
            async with asyncio.timeout(_LINGER):
                async for _ in request.body.pieces():
                    pass
        except (TimeoutError, BodyBroken):
            return False
        return True

    # --- the end --------------------------------------------------------------------------------------------------

    def stop(self) -> None:
        """No further request; one that is being answered is answered."""
        self._inbox.close()
        if not self._inbox.busy:
            self._close()

    def _close(self) -> None:
        """What was written still leaves."""
        self._inbox.close()
        if not self._closing:
            self._closing = True
            self._idle_since = self._loop.time()
            self._transport.close()

    def _look(self) -> None:
        """Whether the connection is idle for too long, or closed for as long and what it still has to say is not taken."""
        left = _KEEP if self._inbox.busy else self._idle_since + _KEEP - self._loop.time()
        if left <= 0:
            if self._closing:
                self._transport.abort()
                return
            self._close()
            left = _KEEP
        self._timer = self._loop.call_later(left, self._look)
