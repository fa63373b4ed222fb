"""aiohttp's server side as the ports of a security server want it.

What is not HTTP gets a bare 400 that echoes nothing and names no software; who went away gets nothing. Neither is an error of ours:
one line without their bytes, because anybody who reaches a port can make as many as they like.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from functools import partial
from typing import Any

from aiohttp import HttpVersion10, HttpVersion11, StreamReader, web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.http_parser import RawRequestMessage

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class ConnectionCount:
    """Of one port. `most`: connections at a time, further ones are closed at once; `refused`: how many were, since start."""

    most: int
    open: int = 0
    refused: int = 0


class Request(web.BaseRequest):
    """A request whose answer does not say what software made it."""

    async def _prepare_hook(self, resp: web.StreamResponse) -> None:
        _make_nameless(resp)

    async def head_accepted(self) -> web.Response | None:
        """An answer for a head that ends here. Says `100 Continue` to a caller who waits for it before sending a body."""
        if self.version < HttpVersion10:
            return refusal(400)
        expected = self.headers.get("Expect")
        if expected is None or self.version < HttpVersion11:
            return None
        if expected.lower() != "100-continue":
            return refusal(417)
        await self.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        self.writer.output_size = 0  # else an error while answering would be taken for one in the middle of the answer
        return None


class RoutedRequest(web.Request):
    """The same for a request to an application with routes."""

    async def _prepare_hook(self, resp: web.StreamResponse) -> None:
        await super()._prepare_hook(resp)
        _make_nameless(resp)


def _make_nameless(response: web.StreamResponse) -> None:
    response.headers.popall("Server", None)


class Connection(web.RequestHandler):
    """One accepted connection."""

    __slots__ = ("_count", "_last_body")

    def __init__(self, manager: Server, count: ConnectionCount | None, **options: Any) -> None:
        super().__init__(manager, **options)
        self._count = count
        self._last_body: StreamReader | None = None  # of the request that came last

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        if self._count is None:
            return
        self._count.open += 1
        if self._count.open > self._count.most:
            self._count.refused += 1
            self.force_close()

    def connection_lost(self, exc: BaseException | None) -> None:
        if self._count is not None and self._manager is not None:  # aiohttp may say it twice
            self._count.open -= 1
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._messages:
            self._last_body = self._messages[-1][1]
        # The parser forgets the body it stumbled in, whose reader would wait in vain; the error itself queues as a message.
        request = self._current_request
        if request is None or not self._messages or request.content.is_eof():
            return
        if not isinstance(self._messages[-1][0], RawRequestMessage):
            self._messages.pop()
            request.content.set_exception(web.RequestPayloadError("The body is not framed as HTTP"))
            request.content.feed_eof()
            self.close()  # when the request is answered

    def eof_received(self) -> bool:  # type: ignore[override]  # asyncio asks whether to stay open; aiohttp never does
        """Who has asked in whole and says that no more will come still gets the answer, as with X-Road. A TLS connection cannot be
        half closed."""
        under_way = 0 if self._waiter is not None else 1
        unanswered = len(self._messages) + under_way
        body, transport = self._last_body, self.transport
        if transport is None or transport.get_extra_info("sslcontext") is not None:
            return False
        if unanswered != 1 or body is None or not body.is_eof():
            return False
        self.close()  # when the request is answered
        return True

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        if (
            status == 504
        ):  # a TimeoutError: the caller takes nothing of its answer, so waiting until it has would be for ever
            if request.transport is not None:
                request.transport.abort()
            raise ConnectionResetError("The answer was not taken")
        if isinstance(exc, ConnectionError):
            raise exc  # the caller is gone; aiohttp closes our end
        if isinstance(exc, HttpProcessingError):
            _log.warning("A request that is not HTTP was refused", exc_info=exc)
            return refusal(status)
        return super().handle_error(request, status, exc, message)


class Server(web.Server):
    """Makes `Connection`s. `request`: makes requests, `Request` unless given; `count`: None for no limit. `options`: of
    `web.RequestHandler`."""

    def __init__(
        self, handler: Any, request: Any = None, *, count: ConnectionCount | None = None, **options: Any
    ) -> None:
        super().__init__(handler, request_factory=request or self._request)
        self._count = count
        self._options = options

    def __call__(self) -> Connection:
        return Connection(self, self._count, loop=self._loop, **self._options)

    def _request(self, message: Any, payload: Any, protocol: Any, writer: Any, task: Any) -> Request:
        return Request(message, payload, protocol, writer, task, self._loop)


class AppRunner(web.AppRunner):
    """Serves an application with routes through a `Server`."""

    async def _make_server(self) -> Server:
        await super()._make_server()  # starts the application
        request = partial(self.app._make_request, _cls=RoutedRequest)
        return Server(self.app._handle, request, **self._kwargs)


def refusal(status: int) -> web.Response:
    """Says no more than its status, and is the last answer on its connection."""
    response = web.Response(status=status)
    response.force_close()
    return response
