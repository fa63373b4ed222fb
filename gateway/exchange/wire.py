"""Between a signed message and its multipart form: what both directions of both proxies share (reference 3.7)."""

from __future__ import annotations

import asyncio
import secrets
import string
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass

from gateway.core.errors import MalformedMessage
from gateway.core.framing import transport as framing
from gateway.core.framing.whole import take_apart
from gateway.core.values import quick
from gateway.exchange.blame import within
from gateway.exchange.ports import BodySink
from gateway.exchange.states import Body, SignedParts

_LETTERS = bytes(ord(string.ascii_letters[n % 52]) for n in range(256))


@quick
@dataclass(frozen=True, slots=True)
class Framed:
    """A multipart message: `before`, the body's bytes (None: no body part), `after`. The signature is the last part."""

    content_type: str
    before: bytes
    body: Body | None
    after: bytes

    @property
    def length(self) -> int:
        return len(self.before) + (0 if self.body is None else self.body.size) + len(self.after)

    @property
    def inline(self) -> bytes | None:
        """The whole message when its body is in memory."""
        body = b"" if self.body is None else self.body.inline
        return None if body is None else b"".join((self.before, body, self.after))

    async def chunks(self) -> AsyncIterator[bytes]:
        yield self.before
        if self.body is not None:
            async for chunk in self.body.chunks():
                yield chunk
        yield self.after


def new_boundary() -> str:
    """As X-Road draws them: `xtop` and thirty letters."""
    return "xtop" + secrets.token_bytes(30).translate(_LETTERS).decode("ascii")


def frame(parts: SignedParts, part_type: str, boundary: str, ocsp: Sequence[bytes] = ()) -> Framed:
    """`part_type`: `framing.REST_REQUEST` or `REST_RESPONSE`; `ocsp`: DER, requests only; `boundary`: fresh and random."""
    encoder = framing.TransportEncoder(boundary)
    before = b"".join(encoder.part(framing.OCSP, der) for der in ocsp) + encoder.part(part_type, parts.part)
    if parts.body is not None:
        before += encoder.open(framing.REST_BODY)
    after = b""
    if parts.hash_chain_result is not None and parts.hash_chain is not None:
        after += encoder.part(framing.HASH_CHAIN_RESULT, parts.hash_chain_result)
        after += encoder.part(framing.HASH_CHAIN, parts.hash_chain)
    after += encoder.part(framing.SIGNATURE, parts.signature) + encoder.close()
    return Framed(encoder.content_type, before, parts.body, after)


async def take(pieces: AsyncIterator[bytes], each: Callable[[bytes], None], patience: float | None) -> None:
    """Call `each` with the pieces as they come. MalformedMessage `io_error` when the next one does not come within `patience`
    seconds, an eighth less at times (None: for ever): whoever begins a body and falls silent must not hold a connection, memory
    and a spool file."""
    now = asyncio.get_running_loop().time
    since = now()
    try:
        async with asyncio.timeout(patience) as stalled:
            async for data in pieces:
                each(data)
                if (
                    patience is not None and now() - since > patience / 8
                ):  # a timer for each piece would cost more than the piece
                    since = now()
                    stalled.reschedule(since + patience)
    except TimeoutError as e:
        if not stalled.expired():
            raise
        raise MalformedMessage("The rest of the message did not come", code="io_error") from e


async def read_message(
    content_type: str | None,
    direction: framing.Direction,
    pieces: AsyncIterator[bytes],
    new_body: Callable[[], BodySink],
    limits: framing.FramingLimits,
    patience: float | None = None,
) -> tuple[framing.TransportMessage, Body | None]:
    """Take a multipart message apart as it arrives, its body into a sink. MalformedMessage below `service_failed`. `patience`: as
    in `take`."""
    try:
        reader = _Reader(framing.parse_boundary(content_type), direction, new_body, limits)
    except MalformedMessage as e:
        raise within("service_failed", e) from e
    try:
        await take(pieces, reader.feed, patience)
        return reader.finish()
    except MalformedMessage as e:
        raise within("service_failed", e) from e
    finally:
        reader.abandon()


def read_whole_message(
    content_type: str | None,
    direction: framing.Direction,
    data: bytes,
    new_body: Callable[[], BodySink],
    limits: framing.FramingLimits,
) -> tuple[framing.TransportMessage, Body | None]:
    """The same for a message that is here whole."""
    try:
        boundary = framing.parse_boundary(content_type)
        whole = take_apart(data, boundary, direction, limits)
        if whole is not None:
            return whole.message, None if whole.body is None else whole_body(whole.body, new_body)
        reader = _Reader(boundary, direction, new_body, limits)
        try:
            reader.feed(data)
            return reader.finish()
        finally:
            reader.abandon()
    except MalformedMessage as e:
        raise within("service_failed", e) from e


def whole_body(data: bytes, new_body: Callable[[], BodySink]) -> Body:
    """A body that is here whole, taken by a sink as any other. MalformedMessage as the sink says."""
    sink = new_body()
    try:
        if data:
            sink.write(data)
        return sink.finish()
    finally:
        sink.abandon()


class _Reader:
    """Collects the parts of one message, its body into a sink."""

    def __init__(
        self,
        boundary: str,
        direction: framing.Direction,
        new_body: Callable[[], BodySink],
        limits: framing.FramingLimits,
    ) -> None:
        self._decoder = framing.TransportDecoder(boundary, direction, limits)
        self._new_body = new_body
        self._sink: BodySink | None = None

    def feed(self, data: bytes) -> None:
        for event in self._decoder.feed(data):
            if isinstance(event, framing.AttachmentBegin):
                self._sink = self._new_body()
            elif isinstance(event, framing.AttachmentData) and self._sink is not None:
                self._sink.write(event.data)

    def finish(self) -> tuple[framing.TransportMessage, Body | None]:
        return self._decoder.close(), None if self._sink is None else self._sink.finish()

    def abandon(self) -> None:
        if self._sink is not None:
            self._sink.abandon()
