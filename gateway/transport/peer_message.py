"""A logged request as one HTTP request between servers, and the HTTP answer as a reply (reference 3.5, 3.6)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass

from gateway import XROAD_VERSION
from gateway.core.errors import MalformedMessage
from gateway.core.framing import transport as framing
from gateway.core.messages.rest import header
from gateway.core.values import quick
from gateway.exchange.ports import BodySink, PeerReply
from gateway.exchange.states import LoggedRequest
from gateway.exchange.wire import Framed, frame, new_boundary, read_message, read_whole_message
from gateway.transport.link import Link, ResponseHead

_MOST_FAULT = 1024 * 1024


@quick
@dataclass(frozen=True, slots=True)
class Chunked:
    """A message in HTTP chunks, as X-Road consumers send it: in one chunk when it is in memory."""

    framed: Framed

    @property
    def inline(self) -> bytes | None:
        whole = self.framed.inline
        return None if whole is None else b"%x\r\n%b\r\n0\r\n\r\n" % (len(whole), whole)

    async def chunks(self) -> AsyncIterator[bytes]:
        async for piece in self.framed.chunks():
            if piece:  # an empty chunk would be the last
                yield b"%x\r\n%b\r\n" % (len(piece), piece)
        yield b"0\r\n\r\n"


def encode_request(request: LoggedRequest, ocsp: Sequence[bytes], address: str, port: int) -> tuple[bytes, Chunked]:
    """The HTTP head, blank line included, and the message. Names, values and order are those of X-Road servers."""
    rest = request.signed.received.request
    framed = frame(request.signed.parts, framing.REST_REQUEST, new_boundary(), ocsp)
    head = (
        "POST / HTTP/1.1\r\n"
        "x-road-message-type: REST\r\n"
        "x-hash-algorithm: SHA-512\r\n"
        f"x-original-content-type: {header(rest.headers, 'content-type') or ''}\r\n"
        f"x-road-request-id: {rest.request_id}\r\n"
        f"x-proxy-version: {XROAD_VERSION}\r\n"
        "Transfer-Encoding: chunked\r\n"
        f"Content-Type: {framed.content_type}\r\n"
        f"Host: {f'[{address}]' if ':' in address else address}:{port}\r\n"
        "Connection: Keep-Alive\r\n\r\n"
    )
    return head.encode("latin-1"), Chunked(framed)


async def read_reply(
    link: Link, head: ResponseHead, new_body: Callable[[], BodySink], limits: framing.FramingLimits
) -> PeerReply:
    """200 or 500; a multipart message or a bare SOAP fault. MalformedMessage otherwise."""
    if head.status not in (200, 500):
        raise MalformedMessage(f"The provider's security server answered HTTP {head.status}", code="http_error")
    content_type = head.headers.get("content-type")
    if content_type is None:
        raise MalformedMessage("Could not get content type from response", code="invalid_content_type")
    if content_type.partition(";")[0].strip().lower() == "text/xml":
        return PeerReply(_bare_fault(await _whole(link.body(), _MOST_FAULT)), None)
    if head.headers.get("x-hash-algorithm") != "SHA-512":
        raise MalformedMessage("Response without x-hash-algorithm: SHA-512", code="internal_error")
    whole = link.whole_body()
    if whole is not None:
        return PeerReply(*read_whole_message(content_type, framing.Direction.RESPONSE, whole, new_body, limits))
    return PeerReply(*await read_message(content_type, framing.Direction.RESPONSE, link.body(), new_body, limits))


def _bare_fault(xml: bytes) -> framing.TransportMessage:
    return framing.TransportMessage(framing.MessageKind.FAULT, (), b"", (), 0, None, None, None, fault=xml)


async def _whole(pieces: AsyncIterator[bytes], most: int) -> bytes:
    data = bytearray()
    async for piece in pieces:
        data += piece
        if len(data) > most:
            raise MalformedMessage("The fault is too large", code="invalid_body")
    return bytes(data)
