"""What comes over one connection: requests one at a time and in order, held back when they come faster than they are taken."""

from __future__ import annotations

import asyncio

from gateway.httpd.parsing import AT_ONCE, RequestParser
from gateway.httpd.values import BodyBroken, CallerGone, NotHttp, Request

_HIGH_WATER = 256 * 1024  # bytes of a body received and not yet taken, above which reading pauses


class Inbox:
    """`busy`: a request was given out and the next not yet asked for. `refusal`: why nothing follows what was given out.
    `broken`: the request given out has no end that another could follow."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self.busy = False
        self.refusal: NotHttp | None = None
        self.broken = False
        self._transport = transport
        self._parser = RequestParser(self._drained, transport.get_extra_info("ssl_object"))
        self._held = b""  # what came behind a whole request that is not answered yet
        self._deaf = False  # nothing more counts
        self._ended = False  # nothing more comes
        self._reading = True
        self._news: asyncio.Future[None] | None = None

    async def next(self) -> Request | None:
        """The one given out before is answered. None when no other comes."""
        self.busy = False
        arrived = self._parser.arrived
        while True:
            if self._held and not arrived:
                data, self._held = self._held, b""
                self._drained()
                self._read(data)
            if arrived:
                self.busy = True
                return arrived.popleft()
            if self._deaf or self._ended:
                return None
            self._drained()
            self._news = asyncio.get_running_loop().create_future()
            await self._news

    def receive(self, data: bytes) -> None:
        if self._held:
            self._held += data
        elif not self._deaf:
            self._read(data)
            self._tell()

    def end(self) -> bool:
        """Nothing more comes. Whether somebody still waits for an answer, to what is here whole or is no request."""
        self._ended = True
        self._tell()
        asked = self.busy or bool(self._parser.arrived) or bool(self._held)
        return self.refusal is not None or (asked and self._parser.unfinished is None)

    def close(self) -> None:
        """Nothing more is wanted; a body under way still is."""
        self._ended, self._held = True, b""
        self._parser.arrived.clear()
        self._tell()

    def lose(self) -> None:
        """The connection is gone."""
        self._deaf = True
        self.close()
        if self._parser.unfinished is not None:
            self._parser.unfinished.body.fail(CallerGone("The caller hung up"))

    def _read(self, data: bytes) -> None:
        """Nothing is parsed ahead of a request that is here whole: its successors would cost memory and can wait outside."""
        parser = self._parser
        for start in range(0, len(data), AT_ONCE):
            if parser.unfinished is None and (self.busy or parser.arrived):
                self._held = data[start:]
                return self._pause()
            try:
                parser.feed(data[start : start + AT_ONCE])
            except NotHttp as e:
                return self._fail(e)
            if parser.last:
                self._deaf = True
                return None
        if parser.unfinished is not None and parser.unfinished.body.waiting > _HIGH_WATER:
            self._pause()
        return None

    def _fail(self, error: NotHttp) -> None:
        """What turns out to be no request is refused if nobody has begun with it; else its body ends with an error."""
        self._deaf = True
        parser = self._parser
        if parser.unfinished is None or parser.unfinished in parser.arrived:
            self.refusal = error
            if parser.unfinished is not None:
                parser.arrived.pop()
        else:
            self.broken = True
            parser.unfinished.body.fail(BodyBroken(str(error)))

    def _pause(self) -> None:
        if self._reading and not self._transport.is_closing():
            self._reading = False
            self._transport.pause_reading()

    def _drained(self) -> None:
        if not self._reading and not self._held and not self._transport.is_closing():
            self._reading = True
            self._transport.resume_reading()

    def _tell(self) -> None:
        if self._news is not None and not self._news.done():
            self._news.set_result(None)
