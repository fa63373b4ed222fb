"""What a handler gets and what it gives: a request with its body as it comes, an answer whole or in pieces."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from ssl import SSLObject

from gateway.core.values import quick

Headers = tuple[tuple[str, str], ...]


class NotHttp(Exception):
    """What came is no request, or one that can be read in two ways. Its text quotes nothing of it."""


class BodyBroken(Exception):
    """The body of a request whose head was good is not framed as HTTP."""


class CallerGone(ConnectionError):
    """The connection ended before the request was here, or before its answer was taken."""


class IncomingBody:
    """The body of one request. `drained` is called when bytes were taken out: there is room for more."""

    __slots__ = ("_complete", "_drained", "_error", "_here", "_news", "waiting")

    def __init__(self, drained: Callable[[], None]) -> None:
        self._drained = drained
        self._here: deque[bytes] = deque()
        self._complete = False
        self._error: Exception | None = None
        self._news: asyncio.Future[None] | None = None
        self.waiting = 0  # bytes that came and were not taken

    @property
    def complete(self) -> bool:
        """Nothing of it is missing."""
        return self._complete

    def whole(self) -> bytes:
        """All of it, or what is left of it; it must be `complete`. Empty when the request has none."""
        here, self._here, self.waiting = self._here, deque(), 0
        return here[0] if len(here) == 1 else b"".join(here)

    async def pieces(self) -> AsyncIterator[bytes]:
        """To its end, as it comes. BodyBroken or CallerGone where that does not come."""
        while True:
            if self._error is not None:
                raise self._error
            if self._here:
                data = self.whole()
                self._drained()
                yield data
            elif self._complete:
                return
            else:
                self._news = asyncio.get_running_loop().create_future()
                await self._news

    # --- for the connection ---------------------------------------------------------------------------------------

    def feed(self, data: bytes) -> None:
        self._here.append(data)
        self.waiting += len(data)
        self._tell()

    def finish(self) -> None:
        self._complete = True
        self._tell()

    def fail(self, error: Exception) -> None:
        self._error = error
        self._tell()

    def _tell(self) -> None:
        if self._news is not None and not self._news.done():
            self._news.set_result(None)


class Request:
    """`headers`: all of them in order, names and values the Latin-1 reading of their bytes. `target`: as it came. `version`: `1.0`
    or `1.1`. `tls`: the connection it came over, None for a plain one."""

    __slots__ = ("_first", "body", "headers", "keep_alive", "method", "target", "tls", "version")

    def __init__(
        self,
        method: str,
        target: str,
        version: str,
        headers: Headers,
        keep_alive: bool,
        body: IncomingBody,
        tls: SSLObject | None = None,
    ) -> None:
        self.method = method
        self.target = target
        self.version = version
        self.headers = headers
        self.keep_alive = keep_alive
        self.body = body
        self.tls = tls
        self._first = {name.lower(): value for name, value in reversed(headers)}

    @property
    def names(self) -> int:
        """How many different headers it has."""
        return len(self._first)

    def first(self, name: str) -> str | None:
        """Value of the first header of this name, which is given in lower case; None when there is none."""
        return self._first.get(name)

    def all(self, name: str) -> tuple[str, ...]:
        return tuple(value for found, value in self.headers if found.lower() == name)


def _nothing() -> None:
    return None


@quick
@dataclass(frozen=True, slots=True)
class Answer:
    """`body`, or `pieces` of `length` bytes together. Framing headers are not the handler's to give.

    `patience`: seconds for which a caller who takes nothing is waited for: an answer that nobody reads holds as much as a request
    that nobody finishes. `done` is called in any case, when the answer has left or cannot. `last`: the connection ends with it.
    """

    status: int = 200
    headers: Headers = ()
    body: bytes = b""
    pieces: AsyncIterator[bytes] | None = None
    length: int = 0
    patience: float = 30.0
    done: Callable[[], None] = _nothing
    last: bool = False


Handler = Callable[[Request], Awaitable[Answer]]


def refusal(status: int) -> Answer:
    """Says no more than its status, and is the last answer on its connection."""
    return Answer(status, last=True)
