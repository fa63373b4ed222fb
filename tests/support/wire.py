"""The network between two simulated servers: real bytes, really framed and taken apart, with hands in between.

`Wire` is the consumer's Peer port. It does what `transport/peers.py` and `serverproxy/proxy.py` do around the exchange, without
sockets: judges the provider's certificate before the first byte, frames, decodes in small pieces, turns an error into a fault.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace

from gateway.core.errors import AuthenticationFailed, GatewayError
from gateway.core.framing import transport as framing
from gateway.core.messages.fault import print_soap_fault
from gateway.exchange.blame import fault_of
from gateway.exchange.peers import PeerVerdicts, as_peer_failure
from gateway.exchange.ports import Clock, GlobalConf, PeerReply
from gateway.exchange.server_side import Delivery, ServerSide, exchange_as_server
from gateway.exchange.states import Body, LoggedRequest
from gateway.exchange.wire import Framed, frame, read_message
from gateway.transport.spool import Spool

_PIECE = 997  # bytes the decoders are fed with: boundaries fall anywhere
_LIMITS = framing.FramingLimits()


@dataclass(frozen=True, slots=True)
class Part:
    """One MIME part of a transport message."""

    content_type: str
    data: bytes


Parts = tuple[Part, ...]
Hand = Callable[[Parts], Parts]


@dataclass(frozen=True, slots=True)
class Sent:
    """A request as it left the consumer's building, and how the provider saw its sender."""

    content_type: str
    data: bytes
    request_id: str
    chain: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class End:
    """What a server shows of itself: DER chain (leaf first) and the OCSP answers for it."""

    chain: Callable[[], tuple[bytes, ...]]
    ocsp: Callable[[], tuple[bytes, ...]]


def new_spool() -> Spool:
    return Spool(above=4096, limit=2**20)


class Wire:
    """`requests`: everything that left the consumer; `hands_on_request`, `hands_on_response`: applied in order."""

    def __init__(self, consumer: End, provider: End, clock: Clock, trust: GlobalConf, verdicts: PeerVerdicts) -> None:
        self.consumer = consumer
        self.provider = provider
        self._clock = clock
        self._trust = trust
        self._verdicts = verdicts
        self.server_side: ServerSide | None = None
        self.requests: list[Sent] = []
        self.answers: list[Parts] = []
        self.hands_on_request: list[Hand] = []
        self.hands_on_response: list[Hand] = []
        self.request_id: str | None = None  # set: what the HTTP header says instead of the signed id

    async def send(self, request: LoggedRequest) -> PeerReply:
        rest = request.signed.received.request
        try:
            self._verdicts.verify(
                self.provider.chain(), self.provider.ocsp(), self._trust.current(), rest.service.client, self._clock()
            )
        except AuthenticationFailed as e:
            raise as_peer_failure(e) from e
        framed = frame(request.signed.parts, framing.REST_REQUEST, _boundary(), self.consumer.ocsp())
        parts = split(framed.content_type, await _bytes(framed))
        for hand in self.hands_on_request:
            parts = hand(parts)
        sent = Sent(*joined(parts), self.request_id or rest.request_id, self.consumer.chain())
        self.requests.append(sent)
        return await self.deliver(sent)

    async def deliver(self, sent: Sent) -> PeerReply:
        """To the provider's side and back. Whoever holds a `Sent` can do this again."""
        assert self.server_side is not None
        try:
            message, body = await read_message(
                sent.content_type, framing.Direction.REQUEST, _pieces(sent.data), new_spool, _LIMITS
            )
            reply = await exchange_as_server(Delivery(message, body, sent.request_id, sent.chain), self.server_side)
        except GatewayError as e:
            fault = print_soap_fault(fault_of(e, "server", "correlation"))
            return PeerReply(_fault(fault), None)
        framed = frame(reply.signed.parts, framing.REST_RESPONSE, _boundary())
        parts = split(framed.content_type, await _bytes(framed))
        self.answers.append(parts)
        for hand in self.hands_on_response:
            parts = hand(parts)
        content_type, data = joined(parts)
        return PeerReply(
            *await read_message(content_type, framing.Direction.RESPONSE, _pieces(data), new_spool, _LIMITS)
        )


def _boundary() -> str:
    return "xtop" + secrets.token_hex(15)


async def _bytes(framed: Framed) -> bytes:
    return b"".join([piece async for piece in framed.chunks()])


async def _pieces(data: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(data), _PIECE):
        yield data[start : start + _PIECE]


def _fault(xml: bytes) -> framing.TransportMessage:
    return framing.TransportMessage(framing.MessageKind.FAULT, (), b"", (), 0, None, None, None, fault=xml)


def split(content_type: str, data: bytes) -> Parts:
    """Our own framing taken apart by hand: one header a part, no preamble."""
    boundary = content_type.partition("boundary=")[2].encode()
    _, *parts, _ = (b"\r\n" + data).split(b"\r\n--" + boundary)
    split = (part.removeprefix(b"\r\ncontent-type: ").split(b"\r\n\r\n", 1) for part in parts)
    return tuple(Part(kind.decode(), content) for kind, content in split)


def joined(parts: Parts) -> tuple[str, bytes]:
    encoder = framing.TransportEncoder(_boundary())
    data = b"".join(encoder.part(p.content_type, p.data) for p in parts) + encoder.close()
    return encoder.content_type, data


# --- hands ---------------------------------------------------------------------------------------------------------


def tamper(content_type: str, index: int = 0, *, bit: int = 1) -> Hand:
    """Change one byte of the first part of this type. `index` may count from the end."""

    def hand(parts: Parts) -> Parts:
        at = _find(parts, content_type)
        data = bytearray(parts[at].data)
        data[index] ^= bit
        return (*parts[:at], replace(parts[at], data=bytes(data)), *parts[at + 1 :])

    return hand


def substitute(content_type: str, old: bytes, new: bytes) -> Hand:
    """Replace bytes inside the first part of this type; they must be there."""

    def hand(parts: Parts) -> Parts:
        at = _find(parts, content_type)
        assert old in parts[at].data, old
        return (*parts[:at], replace(parts[at], data=parts[at].data.replace(old, new)), *parts[at + 1 :])

    return hand


def extend(content_type: str, data: bytes) -> Hand:
    """More bytes at the end of the first part of this type."""

    def hand(parts: Parts) -> Parts:
        at = _find(parts, content_type)
        return (*parts[:at], Part(content_type, parts[at].data + data), *parts[at + 1 :])

    return hand


def put(content_type: str, data: bytes) -> Hand:
    """Another content for the first part of this type."""

    def hand(parts: Parts) -> Parts:
        at = _find(parts, content_type)
        return (*parts[:at], Part(content_type, data), *parts[at + 1 :])

    return hand


def drop_part(*content_types: str) -> Hand:
    """Leave out every part of these types; there must be some."""

    def hand(parts: Parts) -> Parts:
        kept = tuple(p for p in parts if p.content_type not in content_types)
        assert len(kept) < len(parts), content_types
        return kept

    return hand


def add_part(part: Part, *, before: str) -> Hand:
    def hand(parts: Parts) -> Parts:
        at = _find(parts, before)
        return (*parts[:at], part, *parts[at:])

    return hand


def append_part(part: Part) -> Hand:
    return lambda parts: (*parts, part)


def repeat_part(content_type: str) -> Hand:
    def hand(parts: Parts) -> Parts:
        at = _find(parts, content_type)
        return (*parts[: at + 1], *parts[at:])

    return hand


def reorder(first: str, second: str) -> Hand:
    """Swap the places of two parts."""

    def hand(parts: Parts) -> Parts:
        a, b = _find(parts, first), _find(parts, second)
        swapped = list(parts)
        swapped[a], swapped[b] = parts[b], parts[a]
        return tuple(swapped)

    return hand


def _find(parts: Parts, content_type: str) -> int:
    return next(i for i, p in enumerate(parts) if p.content_type == content_type)


def read_body(body: Body | None) -> bytes:
    """All bytes of a small body."""
    assert body is not None
    assert body.inline is not None
    return body.inline
