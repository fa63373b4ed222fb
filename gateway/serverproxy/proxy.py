"""Port 5500: one POST, one multipart message in, one out (reference 3.5-3.7, 3.10).

Nothing of a message is read but from a registered security server: listed authorities certify many others, and bodies take room
(reference 3.1). Until the reply is signed every failure is a bare SOAP fault with HTTP 200, as X-Road servers answer; there is no
later failure, because a reply starts only when its record is durable.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from ssl import SSLObject
from weakref import WeakKeyDictionary

from gateway.core.errors import MalformedMessage, PeerRejected
from gateway.core.framing import transport as framing
from gateway.core.messages.fault import Fault, print_soap_fault
from gateway.exchange.blame import fault_of, within
from gateway.exchange.ports import BodySink
from gateway.exchange.server_side import Delivery, ServerSide, exchange_as_server
from gateway.exchange.states import Body, SignedParts
from gateway.exchange.wire import frame, new_boundary, read_message, read_whole_message
from gateway.httpd.values import Answer, BodyBroken, CallerGone, Request

Report = Callable[[Exception, Fault], None]  # tells the operator; never raises
ShownChain = Callable[[SSLObject | None], tuple[bytes, ...]]


@dataclass(frozen=True, slots=True)
class _Peer:
    """`chain`: as shown in the handshake. `registered_in`: the configuration in which its server was found."""

    chain: tuple[bytes, ...]
    registered_in: str


class ServerProxy:
    """The request handler of port 5500. `stall`: seconds to wait for the next byte; `shown_chain` gives the DER certificates of a
    TLS connection, leaf first."""

    def __init__(
        self,
        ports: ServerSide,
        new_body: Callable[[], BodySink],
        limits: framing.FramingLimits,
        stall: float,
        shown_chain: ShownChain,
        report: Report,
    ) -> None:
        self._ports = ports
        self._new_body = new_body
        self._limits = limits
        self._stall = stall
        self._shown_chain = shown_chain
        self._report = report
        self._peers: WeakKeyDictionary[SSLObject, _Peer] = WeakKeyDictionary()

    async def handle(self, request: Request) -> Answer:
        try:
            delivery = await self._receive(request)
            reply = await exchange_as_server(delivery, self._ports)
        except CallerGone:
            raise  # nobody to answer
        except Exception as e:  # noqa: BLE001 - whatever it is, the peer is told in X-Road's form and the operator too
            return self._fault(e)
        return _answer(reply.signed.parts, self._stall)

    async def _receive(self, request: Request) -> Delivery:
        if request.method != "POST":
            raise MalformedMessage(
                f"Must use POST request method instead of {request.method}", code="invalid_http_method"
            )
        if (request.first("x-hash-algorithm") or "").upper() != "SHA-512":
            raise MalformedMessage("Request without x-hash-algorithm: SHA-512", code="internal_error")
        if (request.first("x-road-message-type") or "").upper() != "REST":
            raise MalformedMessage("This security server serves REST messages only", code="invalid_message")
        chain = self._chain_of(request.tls)
        try:
            message, body = await self._read(request)
        except BodyBroken as e:
            raise MalformedMessage("The message is not framed as HTTP", code="service_failed.io_error") from e
        return Delivery(message, body, request.first("x-road-request-id"), chain)

    def _chain_of(self, connection: SSLObject | None) -> tuple[bytes, ...]:
        """Of a security server that is registered in some instance; for which clients, the exchange asks. Looked up once for each
        connection and configuration: what was shown in the handshake stays (nobody may renegotiate)."""
        trust = self._ports.globalconf.current()
        peer = None if connection is None else self._peers.get(connection)
        if peer is not None and peer.registered_in == trust.fingerprint:
            return peer.chain
        chain = self._shown_chain(connection)
        if not chain or not trust.is_registered_auth_cert(chain[0], self._ports.clock()):
            raise within(
                "service_failed",
                PeerRejected("The authentication certificate is not registered for any security server"),
            )
        if connection is not None:
            self._peers[connection] = _Peer(chain, trust.fingerprint)
        return chain

    async def _read(self, request: Request) -> tuple[framing.TransportMessage, Body | None]:
        content_type, content = request.first("content-type"), request.body
        if content.complete:  # it came with its head
            return read_whole_message(
                content_type, framing.Direction.REQUEST, content.whole(), self._new_body, self._limits
            )
        return await read_message(
            content_type,
            framing.Direction.REQUEST,
            content.pieces(),
            self._new_body,
            self._limits,
            self._stall,
        )

    def _fault(self, error: Exception) -> Answer:
        fault = fault_of(error, "server", str(uuid.uuid4()))
        self._report(error, fault)
        headers = (("Content-Type", "text/xml;charset=utf-8"), ("SOAPAction", ""))
        # X-Road always writes the actor, which it never has
        return Answer(200, headers, print_soap_fault(replace(fault, actor=fault.actor or "")))


def _answer(parts: SignedParts, stall: float) -> Answer:
    framed = frame(parts, framing.REST_RESPONSE, new_boundary())
    # Lower-case names: X-Road servers look them up exactly so (reference 3.6).
    headers = (("content-type", framed.content_type), ("x-hash-algorithm", "SHA-512"))
    whole = framed.inline
    if whole is not None:
        return Answer(200, headers, whole, patience=stall)
    return Answer(200, headers, pieces=framed.chunks(), length=framed.length, patience=stall)
