"""Bytes in any pieces -> requests. One reading and no mercy: whatever two readers could take for different requests is none.

llhttp reads in its strict mode: no length beside chunks, no two lengths, no bare LF, no folded or nameless header, no target but
in ASCII. Added here are limits, a `Host` (RFC 9112, 3.2), forms of the target (3.2), headers that may come once only, and no
coding but chunks, which HTTP/1.0 has not (6.1).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from ssl import SSLObject
from urllib.parse import urlsplit

import httptools

from gateway.httpd.values import IncomingBody, NotHttp, Request

MOST_LINE = 64 * 1024  # bytes of a target; the handlers' own, smaller limits answer in X-Road's form
MOST_FIELD = 64 * 1024  # of one header
MOST_HEAD = 1024 * 1024  # of all headers and trailers together
MOST_FIELDS = 1000
AT_ONCE = 16 * 1024  # bytes to feed at a time, at most

_ONCE = (
    "content-length",
    "content-location",
    "content-range",
    "content-type",
    "etag",
    "host",
    "max-forwards",
    "server",
    "transfer-encoding",
    "user-agent",
)


class RequestParser:
    """Of one connection. `arrived`: requests whose head is here; `unfinished`: the one whose body is coming; `last`: after what
    arrived nothing counts any more. `drained`, `tls`: for the requests that it makes."""

    def __init__(self, drained: Callable[[], None], tls: SSLObject | None = None) -> None:
        self.arrived: deque[Request] = deque()
        self.unfinished: Request | None = None
        self.last = False
        self._drained = drained
        self._tls = tls
        self._llhttp = httptools.HttpRequestParser(self)
        self._target = b""
        self._fields: list[tuple[bytes, bytes]] = []
        self._size = 0
        self._quiet = 0  # bytes since llhttp last had something to say: it keeps what it has of a header
        self._left = False

    def feed(self, data: bytes) -> None:
        """At most `AT_ONCE` bytes. NotHttp ends the connection's requests, and the body of `unfinished`."""
        if self.last:
            return
        self._quiet += len(data)
        try:
            self._llhttp.feed_data(data)
        except httptools.HttpParserUpgrade as e:
            if not self.last:
                self._read_again(data[e.args[0] :])
        except httptools.HttpParserCallbackError as e:
            if not isinstance(e.__context__, NotHttp):
                raise
            raise e.__context__ from None
        except httptools.HttpParserError as e:
            if not self.last:  # bytes after a request that says it is the last
                raise NotHttp(str(e)) from e
        if self._quiet > MOST_FIELD + AT_ONCE:
            raise NotHttp("A line is too long")

    def _read_again(self, rest: bytes) -> None:
        """llhttp leaves HTTP at the end of a head with `Upgrade`, and the body unread. We change to no other protocol, though
        Java's client asks for HTTP/2 in every first call: so the same head is read once more, without that header."""
        lines = [b"%b %b HTTP/%b" % (self._llhttp.get_method(), self._target, self._llhttp.get_http_version().encode())]
        lines += (b"%b: %b" % (name, value) for name, value in self._fields if name.lower() != b"upgrade")
        self._forget_head()
        self._left = False
        self._llhttp = httptools.HttpRequestParser(self)
        self.feed(b"\r\n".join(lines) + b"\r\n\r\n" + rest)

    def _forget_head(self) -> None:
        self._target, self._fields, self._size = b"", [], 0

    # --- llhttp callbacks -----------------------------------------------------------------------------------------

    def on_url(self, data: bytes) -> None:
        self._quiet = 0
        self._target += data
        if len(self._target) > MOST_LINE:
            raise NotHttp("The request line is too long")

    def on_header(self, name: bytes, value: bytes) -> None:
        self._quiet = 0
        size = len(name) + len(value)
        self._size += size + 4
        if size > MOST_FIELD or self._size > MOST_HEAD or len(self._fields) >= MOST_FIELDS:
            raise NotHttp("The headers are too large")
        self._fields.append((name, value))  # a trailer too, which nobody will see

    def on_headers_complete(self) -> None:
        self._quiet = 0
        llhttp = self._llhttp
        method = llhttp.get_method().decode("ascii")
        if llhttp.should_upgrade() and method != "CONNECT":
            self._left = True
            return
        request = Request(
            method,
            self._target.decode("latin-1"),
            llhttp.get_http_version(),
            tuple((n.decode("latin-1"), v.rstrip(b" \t").decode("latin-1")) for n, v in self._fields),
            llhttp.should_keep_alive() and method != "CONNECT",
            IncomingBody(self._drained),
            self._tls,
        )
        _check(request)
        self.unfinished = request
        self.arrived.append(request)

    def on_body(self, data: bytes) -> None:
        self._quiet = 0
        if self.unfinished is not None:
            self.unfinished.body.feed(data)

    def on_message_complete(self) -> None:
        self._quiet = 0
        if self._left or self.unfinished is None:
            return
        self.unfinished.body.finish()
        self.last = not self.unfinished.keep_alive
        self.unfinished = None
        self._forget_head()


def _check(request: Request) -> None:
    if request.version not in ("1.0", "1.1"):
        raise NotHttp("Another version of HTTP")
    if request.version == "1.1" and request.first("host") is None:
        raise NotHttp("No Host")
    coding = request.first("transfer-encoding")
    if coding is not None and (request.version == "1.0" or coding.lower() != "chunked"):
        raise NotHttp("Chunks where there are none, or what is in them is coded once more")
    if request.names < len(request.headers) and any(len(request.all(name)) > 1 for name in _ONCE):
        raise NotHttp("A header that may come once comes twice")
    if not request.target.startswith("/") and not _is_other_form(request.method, request.target):
        raise NotHttp("The target has none of the forms of a target")


def _is_other_form(method: str, target: str) -> bool:
    """Authority, asterisk or absolute form."""
    if method == "CONNECT":
        return True
    if target == "*":
        return method == "OPTIONS"
    try:
        return "://" in target and bool(urlsplit(target).hostname)
    except ValueError:  # brackets that do not close
        return False
