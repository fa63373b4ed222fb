"""Calls to the provider's information systems (reference 1.5, 3.10): once, no retries, no redirects, no cookies, no decoding."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Callable
from typing import Protocol

import aiohttp
from yarl import URL

from gateway.core.errors import ServiceUnavailable
from gateway.core.messages.rest import MAX_HEADERS
from gateway.core.serverconf.model import Client, Service
from gateway.exchange.ports import BodySink, ServerConfSource
from gateway.exchange.states import Body, DispatchableRequest, ServiceReply
from gateway.transport.tls import service_client_context, unchecked_service_context

_CONNECT_SECONDS = 30.0  # reference 8.5
_KEEP_SECONDS = (
    4.0  # below the five seconds after which common servers close an idle connection: there is no second try
)
_LONGEST_LINE = 64 * 1024  # of a service's answer, status line or header
# What the client library would add by itself; the message's own headers are the only ones a service sees beside framing.
_NOT_OURS_TO_ADD = ("User-Agent", "Accept", "Accept-Encoding", "Content-Type")


class InternalKey(Protocol):
    """The internal TLS certificate and key, shown to services that ask for one (reference 1.4)."""

    def load_into(self, context: ssl.SSLContext) -> None: ...


class ServiceCaller:
    """The ServicePort for ordinary services. One per security server; `close` it."""

    def __init__(self, serverconf: ServerConfSource, new_body: Callable[[], BodySink], key: InternalKey | None) -> None:
        self._serverconf = serverconf
        self._new_body = new_body
        self._key = key
        self._contexts: dict[tuple[bool, tuple[bytes, ...]], ssl.SSLContext] = {}
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, limit_per_host=256, keepalive_timeout=_KEEP_SECONDS),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            skip_auto_headers=_NOT_OURS_TO_ADD,
            max_headers=MAX_HEADERS,
            max_line_size=_LONGEST_LINE,
            max_field_size=_LONGEST_LINE,
        )
        # aiohttp would send GET, PUT, DELETE once more when a connection ends without an answer: two disclosures, one record.
        self._session._retry_connection = False

    def show(self, key: InternalKey | None) -> None:
        """This key from the next connection on."""
        self._key = key
        self._contexts = {}

    async def close(self) -> None:
        await self._session.close()

    async def call(self, request: DispatchableRequest) -> ServiceReply:
        rest, service = request.incoming.request, request.authorized.service
        if service is None or not service.url:
            raise ServiceUnavailable(f"Service '{rest.service}' has no URL", code="service_missing_url")
        body = request.incoming.parts.body
        headers = [(name, as_sent(value)) for name, value in rest.headers]
        if body is not None:
            headers.append(("Content-Length", str(body.size)))
        try:
            async with self._session.request(
                rest.verb,
                target_url(service.url, rest.service_path, rest.query),
                headers=headers,
                data=_payload(body),
                allow_redirects=False,
                ssl=self._context(service, self._serverconf.current().clients[rest.service.client]),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS, sock_read=service.timeout),
            ) as answer:
                return ServiceReply(
                    answer.status,
                    _latin1(answer.reason or ""),
                    [(n.decode("latin-1"), v.decode("latin-1")) for n, v in answer.raw_headers],
                    await self._entity(rest.verb, answer),
                )
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as e:
            raise _failure(e) from e

    async def _entity(self, verb: str, answer: aiohttp.ClientResponse) -> Body | None:
        """A body part exists whenever the answer can have an entity, even an empty one (reference 3.7)."""
        if verb == "HEAD" or answer.status in (204, 205, 304):
            return None
        sink = self._new_body()
        try:
            async for data in answer.content.iter_any():
                sink.write(data)
            return sink.finish()
        finally:
            sink.abandon()

    def _context(self, service: Service, owner: Client) -> ssl.SSLContext | bool:
        if not service.url.startswith("https:"):
            return True
        key = (service.verify_tls, owner.certificates)
        context = self._contexts.get(key)
        if context is None:
            context = service_client_context(owner.certificates) if service.verify_tls else unchecked_service_context()
            if self._key is not None:
                self._key.load_into(context)
            self._contexts[key] = context
        return context


def target_url(base: str, service_path: str, query: str | None) -> URL:
    """Configured URL + service path (one `/` collapsed) + query, byte for byte; nothing is normalised (reference 1.5)."""
    if base.endswith("/") and service_path.startswith("/"):
        base = base[:-1]
    return URL(base + service_path + ("" if query is None else f"?{query}"), encoded=True)


def as_sent(value: str) -> str:
    """Header text of a message as the service should get it.

    Parts hold the Latin-1 reading of what the caller sent (reference 1.3). Where those bytes are UTF-8 they are put together
    again, so that Vietnamese values arrive whole (X-Road servers put `?` there).
    """
    try:
        return value.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return value


def _latin1(reason: str) -> str:
    """aiohttp reads reason phrases as UTF-8; parts hold the Latin-1 reading of all bytes that are not ASCII."""
    return reason.encode("utf-8", "surrogateescape").decode("latin-1")


def _payload(body: Body | None) -> bytes | AsyncIterator[bytes] | None:
    if body is None:
        return None
    return body.chunks() if body.inline is None else body.inline


def _failure(error: Exception) -> ServiceUnavailable:
    """Codes of reference 3.10, step 7."""
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return ServiceUnavailable("The service's host name cannot be resolved", code="unknown_host")
    if isinstance(error, TimeoutError):
        return ServiceUnavailable("The service did not answer in time", code="io_error")
    if isinstance(error, ValueError):
        return ServiceUnavailable("The service's URL is malformed", code="service_malformed_url")
    if isinstance(error, aiohttp.ClientConnectorCertificateError | aiohttp.ClientSSLError | ssl.SSLError):
        return ServiceUnavailable(
            "The service's TLS certificate is not one stored for its owner", code="ssl_authentication_failed"
        )
    if isinstance(error, aiohttp.ClientConnectorError | aiohttp.ServerDisconnectedError | ConnectionError):
        return ServiceUnavailable("The service cannot be reached", code="network_error")
    return ServiceUnavailable("The service's answer cannot be read", code="io_error")
