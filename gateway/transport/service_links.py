"""Connections to the provider's information systems (`link.py`): kept for a moment, one exchange at a time on each.

A call goes out once. Whatever goes wrong on a connection, one that was kept included, ends the call: it is not sent again, because
nobody knows what the service did.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import TypeAlias

from yarl import URL

from gateway.core.messages.rest import MAX_HEADERS
from gateway.transport.link import HeadLimits, Link

_CONNECT_SECONDS = 30.0  # reference 8.5
_KEEP_SECONDS = 4.0  # below the five seconds after which common servers close an idle connection
_MOST = 256  # connections to one service
_LIMITS = HeadLimits(each=64 * 1024, total=1024 * 1024, count=MAX_HEADERS)


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a URL leads. `host_header`: for the header; `prefix`: what of the URL stands in front of each target."""

    host: str
    port: int
    tls: bool
    host_header: str
    prefix: str


_Place: TypeAlias = tuple[Origin, ssl.SSLContext | None]


@lru_cache(maxsize=1024)
def origin_of(base: str) -> Origin:
    """ValueError when `base` is no http or https URL with a host."""
    url = URL(base, encoded=True)
    if url.scheme not in ("http", "https") or not url.raw_host or url.port is None:
        raise ValueError("not an http or https URL")
    host = f"[{url.raw_host}]" if ":" in url.raw_host else url.raw_host
    _, slash, path = base.partition("://")[2].partition("/")
    return Origin(
        url.raw_host,
        url.port,
        url.scheme == "https",
        host if url.is_default_port() else f"{host}:{url.port}",
        slash + path,
    )


def target_of(origin: Origin, service_path: str, query: str | None) -> str:
    """Configured URL + service path (one `/` collapsed) + query, byte for byte; nothing is normalised (reference 1.5)."""
    prefix = origin.prefix
    if prefix.endswith("/") and service_path.startswith("/"):
        prefix = prefix[:-1]
    target = prefix + service_path + ("" if query is None else f"?{query}")
    return target if target.startswith("/") else f"/{target}"


class ServiceLinks:
    """`take` a link, then either `put_back` or `drop` it."""

    def __init__(self) -> None:
        self._idle: defaultdict[_Place, deque[tuple[Link, float]]] = defaultdict(deque)
        self._room: defaultdict[_Place, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(_MOST))
        self._sweeping: asyncio.TimerHandle | None = None

    async def take(
        self, origin: Origin, context: ssl.SSLContext | None, accepted: Sequence[bytes] | None = None
    ) -> Link:
        """A connection on which nothing is under way; the service's certificate (DER) is one of `accepted`, when that is given.
        TimeoutError, or OSError (of which TLS failures are a kind)."""
        place = (origin, context)
        await self._room[place].acquire()
        try:
            links = self._idle[place]
            while links:
                link, since = links.pop()
                if link.reusable and time.monotonic() - since < _KEEP_SECONDS and link.quiet:
                    return link
                link.close()
            return await _connect(origin, context, accepted)
        except BaseException:  # raised again: no room is lost
            self._leave(place)
            raise

    def put_back(self, origin: Origin, context: ssl.SSLContext | None, link: Link) -> None:
        place = (origin, context)
        self._idle[place].append((link, time.monotonic()))
        self._leave(place)
        if self._sweeping is None:
            self._sweeping = asyncio.get_running_loop().call_later(_KEEP_SECONDS, self._sweep)

    def drop(self, origin: Origin, context: ssl.SSLContext | None, link: Link) -> None:
        link.close()
        self._leave((origin, context))

    def close(self) -> None:
        """All that are idle."""
        if self._sweeping is not None:
            self._sweeping.cancel()
            self._sweeping = None
        for links in self._idle.values():
            for link, _ in links:
                link.close()
        self._idle.clear()

    def _leave(self, place: _Place) -> None:
        self._room[place].release()

    def _sweep(self) -> None:
        """Close what has been idle for too long; nothing is remembered of services that nobody calls."""
        self._sweeping = None
        now = time.monotonic()
        for place, links in list(self._idle.items()):
            while links and now - links[0][1] >= _KEEP_SECONDS:
                links.popleft()[0].close()
            if not links:
                del self._idle[place]
        if self._idle:
            self._sweeping = asyncio.get_running_loop().call_later(_KEEP_SECONDS, self._sweep)


async def _connect(origin: Origin, context: ssl.SSLContext | None, accepted: Sequence[bytes] | None) -> Link:
    async with asyncio.timeout(_CONNECT_SECONDS):
        _, link = await asyncio.get_running_loop().create_connection(
            partial(Link, _LIMITS),
            origin.host,
            origin.port,
            ssl=context,
            server_hostname=None if context is None else origin.host,
        )
    # OpenSSL also takes whatever a stored certificate has issued, when that may issue.
    if accepted is not None and (link.tls is None or link.tls.getpeercert(binary_form=True) not in accepted):
        link.close()
        raise ssl.SSLError("the certificate is none of those stored")
    return link
