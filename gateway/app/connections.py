"""aiohttp's server side as applications with routes want it; the ports of messages have `gateway/httpd/`.

What is not HTTP gets a bare 400 that echoes nothing and names no software; who went away gets nothing. Neither is an error of ours:
one line without their bytes, because anybody who reaches a port can make as many as they like.
"""

from __future__ import annotations

import logging
from functools import partial
from typing import Any

from aiohttp import StreamReader, web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.http_parser import RawRequestMessage

_log = logging.getLogger(__name__)


class Request(web.Request):
    """A request whose answer does not say what software made it."""

    async def _prepare_hook(self, resp: web.StreamResponse) -> None:
        await super()._prepare_hook(resp)
        resp.headers.popall("Server", None)


class Connection(web.RequestHandler):
    """One accepted connection."""

    __slots__ = ("_last_body",)

    def __init__(self, manager: Server, **options: Any) -> None:
        super().__init__(manager, **options)
        self._last_body: StreamReader | None = None  # of the request that came last

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
        if isinstance(exc, ConnectionError):
            raise exc  # the caller is gone; aiohttp closes our end
        if isinstance(exc, HttpProcessingError):
            _log.warning("A request that is not HTTP was refused", exc_info=exc)
            return refusal(status)
        return super().handle_error(request, status, exc, message)


class Server(web.Server):
    """Makes `Connection`s. `options`: of `web.RequestHandler`."""

    def __init__(self, handler: Any, request: Any, **options: Any) -> None:
        super().__init__(handler, request_factory=request)
        self._options = options

    def __call__(self) -> Connection:
        return Connection(self, loop=self._loop, **self._options)


class AppRunner(web.AppRunner):
    """Serves an application with routes through a `Server`."""

    async def _make_server(self) -> Server:
        await super()._make_server()  # starts the application
        request = partial(self.app._make_request, _cls=Request)
        return Server(self.app._handle, request, **self._kwargs)


def refusal(status: int) -> web.Response:
    """Says no more than its status, and is the last answer on its connection."""
    response = web.Response(status=status)
    response.force_close()
    return response
