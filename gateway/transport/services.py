"""Calls to the provider's information systems (reference 1.5, 3.10): once, no retries, no redirects, no cookies, no decoding."""

from __future__ import annotations

import socket
import ssl
from collections.abc import AsyncIterator, Callable
from typing import Protocol

from gateway.core.errors import GatewayError, PeerRejected, PeerUnavailable, ServiceUnavailable
from gateway.core.messages.rest import Headers
from gateway.core.serverconf.model import Client, Service
from gateway.exchange.ports import BodySink, ServerConfSource
from gateway.exchange.states import Body, DispatchableRequest, ServiceReply
from gateway.exchange.wire import whole_body
from gateway.transport.link import Link, ResponseHead
from gateway.transport.patience import Patience
from gateway.transport.service_links import Origin, ServiceLinks, origin_of, target_of
from gateway.transport.tls import service_client_context, unchecked_service_context

_WITHOUT_BODY = frozenset(
    {"GET", "HEAD", "OPTIONS", "TRACE"}
)  # their requests say nothing of a length when they have none


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
        self._links = ServiceLinks()
        self._patience = Patience()

    def show(self, key: InternalKey | None) -> None:
        """This key from the next connection on."""
        self._key = key
        self._contexts = {}
        self._links.close()

    async def close(self) -> None:
        self._patience.close()
        self._links.close()

    async def call(self, request: DispatchableRequest) -> ServiceReply:
        rest, service = request.incoming.request, request.authorized.service
        if service is None or not service.url:
            raise ServiceUnavailable(f"Service '{rest.service}' has no URL", code="service_missing_url")
        try:
            origin = origin_of(service.url)
        except ValueError as e:
            raise ServiceUnavailable("The service's URL is malformed", code="service_malformed_url") from e
        owner = self._serverconf.current().clients[rest.service.client]
        context = self._context(origin, service, owner)
        body = request.incoming.parts.body
        target = target_of(origin, rest.service_path, rest.query)
        head = _request_head(rest.verb, target, origin.host_header, rest.headers, None if body is None else body.size)
        try:
            accepted = owner.certificates if origin.tls and service.verify_tls else None
            link = await self._links.take(origin, context, accepted)
        except OSError as e:  # TimeoutError is one
            raise _not_connected(e) from e
        try:
            reply = await self._exchange(link, head, rest.verb, body, service.timeout)
        except BaseException:  # raised again: a connection on which something went wrong is not used again
            self._links.drop(origin, context, link)
            raise
        if link.exchange_done():
            self._links.put_back(origin, context, link)
        else:
            self._links.drop(origin, context, link)
        return reply

    async def _exchange(self, link: Link, head: bytes, verb: str, body: Body | None, patience: float) -> ServiceReply:
        """`patience`: seconds in which the service must take or give something."""
        self._patience.begin(link, patience)
        try:
            answer = await _ask(link, head, _Sent(body), bodiless=verb == "HEAD")
            entity = await self._entity(link, verb, answer.status)
        except TimeoutError as e:
            raise ServiceUnavailable("The service did not answer in time", code="io_error") from e
        finally:
            self._patience.end(link)
        headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in answer.raw]
        return ServiceReply(answer.status, answer.reason.decode("latin-1"), headers, entity)

    async def _entity(self, link: Link, verb: str, status: int) -> Body | None:
        """A body part exists whenever the answer can have an entity, even an empty one (reference 3.7)."""
        if verb == "HEAD" or status in (204, 205, 304):
            return None
        whole = link.whole_body()
        if whole is not None:
            return whole_body(whole, self._new_body)
        sink = self._new_body()
        try:
            async for data in _pieces(link):
                sink.write(data)
            return sink.finish()
        finally:
            sink.abandon()

    def _context(self, origin: Origin, service: Service, owner: Client) -> ssl.SSLContext | None:
        if not origin.tls:
            return None
        key = (service.verify_tls, owner.certificates)
        context = self._contexts.get(key)
        if context is None:
            context = service_client_context(owner.certificates) if service.verify_tls else unchecked_service_context()
            if self._key is not None:
                self._key.load_into(context)
            self._contexts[key] = context
        return context


class _Sent:
    """A request's body on its way."""

    def __init__(self, body: Body | None) -> None:
        self._body = body

    @property
    def inline(self) -> bytes | None:
        return b"" if self._body is None else self._body.inline

    async def chunks(self) -> AsyncIterator[bytes]:
        assert self._body is not None
        async for piece in self._body.chunks():
            yield piece


def _request_head(verb: str, target: str, host: str, headers: Headers, size: int | None) -> bytes:
    """`size`: bytes of the body, None when there is none. A part's headers hold no control character and nothing of framing, so no
    value can end its line (reference 1.3)."""
    if size is None and verb not in _WITHOUT_BODY:
        size = 0
    lines = [f"{verb} {target} HTTP/1.1".encode(), f"Host: {host}".encode()]
    lines += [as_sent(f"{name}: {value}") for name, value in headers]
    lines += [] if size is None else [b"Content-Length: %d" % size]
    return b"\r\n".join(lines) + b"\r\n\r\n"


def as_sent(line: str) -> bytes:
    """Header text of a message as the service should get it.

    Parts hold the Latin-1 reading of what the caller sent (reference 1.3): those very bytes are put together again, so that
    Vietnamese values arrive whole (X-Road servers put `?` there). What no caller's byte reads as is UTF-8.
    """
    try:
        return line.encode("latin-1")
    except UnicodeEncodeError:
        return line.encode()


async def _ask(link: Link, head: bytes, body: _Sent, *, bodiless: bool) -> ResponseHead:
    try:
        return await link.request(head, body, bodiless=bodiless)
    except PeerRejected as e:
        raise _not_trusted() from e
    except PeerUnavailable as e:
        raise ServiceUnavailable("The service cannot be reached", code="network_error") from e
    except GatewayError as e:
        raise _unreadable() from e


async def _pieces(link: Link) -> AsyncIterator[bytes]:
    try:
        async for data in link.body():
            yield data
    except GatewayError as e:
        raise _unreadable() from e


def _unreadable() -> ServiceUnavailable:
    return ServiceUnavailable("The service's answer cannot be read", code="io_error")


def _not_trusted() -> ServiceUnavailable:
    return ServiceUnavailable(
        "The service's TLS certificate is not one stored for its owner", code="ssl_authentication_failed"
    )


def _not_connected(error: OSError) -> ServiceUnavailable:
    """Codes of reference 3.10, step 7."""
    if isinstance(error, socket.gaierror):
        return ServiceUnavailable("The service's host name cannot be resolved", code="unknown_host")
    if isinstance(error, TimeoutError):
        return ServiceUnavailable("The service did not answer in time", code="io_error")
    if isinstance(error, ssl.SSLError):
        return _not_trusted()
    return ServiceUnavailable("The service cannot be reached", code="network_error")
