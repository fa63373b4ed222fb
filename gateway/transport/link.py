"""One HTTP/1.1 connection to a peer or a service: one exchange at a time, kept open while both sides like.

Ours and not a client library's because a peer's certificate must be judged between the handshake and the first byte of a
message, and because the client is the dearest part of a hop (decision 0016). Parsing is llhttp's (`httptools`); what is left here
is order, back-pressure and limits.
"""

from __future__ import annotations

import asyncio
import select
import ssl
import time
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Protocol, cast

import httptools

from gateway.core.errors import MalformedMessage, PeerRejected, PeerUnavailable

_HIGH_WATER = 512 * 1024  # bytes received and not yet taken, above which reading pauses
_READ = 256 * 1024  # bytes that come in one piece at most


@dataclass(frozen=True, slots=True)
class HeadLimits:
    """Of an answer's head: bytes of one header, bytes of all, how many."""

    each: int = 32 * 1024
    total: int = 32 * 1024
    count: int = 1000


_PEER = HeadLimits()


@dataclass(slots=True)
class ResponseHead:
    """`headers`: names lower-cased; of repeated ones the last. `raw`: all of them, and `reason`, as they came."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    raw: list[tuple[bytes, bytes]] = field(default_factory=list)
    reason: bytes = b""


class Message(Protocol):
    """What is sent: all bytes when they are in memory, else pieces."""

    @property
    def inline(self) -> bytes | None: ...

    def chunks(self) -> AsyncIterator[bytes]: ...


class Link(asyncio.Protocol):
    """A connection. `request` and then `body` to its end; `reusable` says whether another request may follow."""

    def __init__(self, limits: HeadLimits = _PEER) -> None:
        self.patience = float("inf")  # seconds
        self.lost_at = float("inf")  # when that ends, by time.monotonic
        self._limits = limits
        self._transport: asyncio.Transport | None = None
        self._parser: httptools.HttpResponseParser | None = None
        self._head = ResponseHead()
        self._header_bytes = 0
        self._before_head = 0
        self._quiet = 0  # bytes behind the head since the parser last said something: it keeps what it has of a trailer
        self._bodiless = False
        self._received: deque[bytes] = deque()
        self._received_bytes = 0
        self._until_eof = False
        self._keep_alive = False
        self._sent = False
        self._head_done = False
        self._complete = False
        self._error: Exception | None = None
        self._lost = False
        self._writable = asyncio.Event()
        self._writable.set()
        self._news = asyncio.Event()

    # --- asyncio.Protocol -----------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's transports are of its own family

    def data_received(self, data: bytes) -> None:
        if self._parser is None:
            # Bytes nobody asked for could only be an answer prepared for our next request.
            return self._fail(MalformedMessage("The peer sent data without a request"))
        if not self._head_done:  # the parser hands a header over only when it has all of it
            self._before_head += len(data)
        else:
            self._quiet += len(data)
        if max(self._before_head, self._quiet) > self._limits.total + _READ:
            return self._fail(MalformedMessage("The peer's HTTP headers are too large", code="http_error"))
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._complete, self._keep_alive = True, False  # to whom it matters, the status says so
        except httptools.HttpParserError as e:
            self._fail(
                MalformedMessage(f"The peer's HTTP answer cannot be read: {type(e).__name__}", code="http_error")
            )
        if self._received_bytes > _HIGH_WATER and self._transport is not None:
            self._transport.pause_reading()
        self._news.set()
        return None

    def eof_received(self) -> bool:
        if self._head_done and self._until_eof:
            self._complete = True  # framed by the end of the connection (reference 3.6)
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        if self._head_done and self._until_eof and exc is None:
            self._complete = True
        self._lost = True
        if not self._complete and self._error is None:
            self._error = (
                # TLS 1.3: a server that refuses our certificate says so only after our side of the handshake
                PeerRejected("The peer ended the TLS connection")
                if isinstance(exc, ssl.SSLError)
                else PeerUnavailable("The peer closed the connection")
            )
        self._writable.set()
        self._news.set()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    # --- llhttp callbacks -----------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        if self._complete:
            self._fail(MalformedMessage("The peer answered twice", code="http_error"))
        elif not self._head_done:  # the first, or one that follows an interim answer
            self._head, self._header_bytes = ResponseHead(), 0

    def on_status(self, reason: bytes) -> None:
        self._head.reason += reason

    def on_header(self, name: bytes, value: bytes) -> None:
        size, limits = len(name) + len(value), self._limits
        self._header_bytes += size
        self._quiet = 0
        if self._header_bytes > limits.total or size > limits.each or len(self._head.raw) >= limits.count:
            self._fail(MalformedMessage("The peer's HTTP headers are too large", code="http_error"))
            return
        if self._head_done:  # a trailer: nothing that is decided on, passed on or signed
            return
        self._head.raw.append((name, value))
        self._head.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        if self._error is not None:
            return
        assert self._parser is not None
        self._head.status = self._parser.get_status_code()
        headers = self._head.headers
        self._until_eof = (
            "content-length" not in headers
            and "chunked" not in headers.get("transfer-encoding", "").lower()
            and self._head.status not in (204, 304)  # never have a body
        )
        self._keep_alive = self._parser.should_keep_alive()
        interim = 100 <= self._head.status < 200 and self._head.status != 101
        self._head_done = not interim
        if self._head_done:
            self._writable.set()  # who has answered need not take the rest
        if self._head_done and self._bodiless:
            self._complete, self._keep_alive = True, False  # the parser waits for a body that does not come

    def on_body(self, data: bytes) -> None:
        self._quiet = 0
        if self._error is not None:
            return
        self.alive()
        self._received.append(data)
        self._received_bytes += len(data)

    def on_message_complete(self) -> None:
        if self._head_done:
            self._complete = True

    def _fail(self, error: Exception) -> None:
        if self._error is None:
            self._error = error
        self.close()
        self._news.set()

    # --- for peers.py -----------------------------------------------------------------------------------------------

    @property
    def tls(self) -> ssl.SSLObject | None:
        return None if self._transport is None else self._transport.get_extra_info("ssl_object")

    @property
    def reusable(self) -> bool:
        """No exchange under way, the last one complete, and the peer did not say close."""
        return not self._lost and self._error is None and self._parser is None

    @property
    def quiet(self) -> bool:
        """Nothing has come since the last answer, not even the end of the connection: the system is asked, for the event loop may
        not have told us yet."""
        fd = -1 if self._transport is None else self._transport.get_extra_info("socket").fileno()
        return fd >= 0 and not _readable(fd)

    async def request(self, head: bytes, message: Message, *, bodiless: bool = False) -> ResponseHead:
        """Send a request (`head` ends with the blank line) and wait for the head of its answer. `bodiless`: the answer to a HEAD.

        Stops sending as soon as the peer answers or goes away: an early fault is an answer.
        """
        self._parser = httptools.HttpResponseParser(self)
        self._before_head, self._quiet, self._bodiless = 0, 0, bodiless
        self._head_done = self._complete = self._sent = False
        whole = message.inline
        if whole is not None:
            await self._write(head + whole)
            self._sent = True
        else:
            await self._write(head)
            async for chunk in message.chunks():
                if self._head_done or self._error is not None:
                    break
                await self._write(chunk)
                self.alive()
            else:
                self._sent = True
        while not self._head_done:
            await self._wait_for_news()
        return self._head

    async def _write(self, data: bytes) -> None:
        if self._error is not None:
            return
        assert self._transport is not None
        self._transport.write(data)
        await self._writable.wait()

    async def body(self) -> AsyncIterator[bytes]:
        """The answer's body in the pieces in which it arrived. PeerUnavailable when it ends early."""
        while True:
            while self._received:
                data = self._received.popleft()
                self._received_bytes -= len(data)
                yield data
            if self._complete:
                return
            if self._transport is not None and not self._lost:
                self._transport.resume_reading()
            await self._wait_for_news()

    def whole_body(self) -> bytes | None:
        """The answer's body when all of it is here and nothing of it was taken; else None: `body` waits for it."""
        if not self._complete or self._error is not None:
            return None
        data = b"".join(self._received)
        self._received.clear()
        self._received_bytes = 0
        return data

    async def _wait_for_news(self) -> None:
        if self._error is not None and not self._received:
            raise self._error
        self._news.clear()
        await self._news.wait()

    def exchange_done(self) -> bool:
        """Call after the whole body was read: makes the link ready for the next request, or closes it."""
        transport = self._transport
        taken = transport is None or transport.get_write_buffer_size() == 0
        complete = self._complete and self._sent and taken and not self._until_eof
        keep = complete and self._keep_alive and not self._lost and self._error is None
        if taken:
            self._parser = None
        if not keep:
            self.close()
        elif transport is not None:
            transport.resume_reading()  # paused if much of the answer came at once, its end too
        return keep

    def alive(self) -> None:
        """The other side took or gave a piece: patience with it begins anew."""
        self.lost_at = time.monotonic() + self.patience

    def lose_patience(self) -> None:
        """Whoever waits on this link gets TimeoutError."""
        self._fail(TimeoutError())

    def close(self) -> None:
        self._lost = True
        if self._transport is None:
            return
        if self._parser is not None:
            self._transport.abort()
        else:
            self._transport.close()


def _readable(fd: int) -> bool:
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    return bool(poll.poll(0))
