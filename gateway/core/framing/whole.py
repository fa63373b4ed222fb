"""A message that is here whole, in the form that security servers write: taken apart at its boundaries, all at once.

Only what is usual is taken: one REST message, each part with exactly its one header, everything within the limits. Anything else is
None, and the incremental decoder (`transport.py`) takes it or says what is wrong. What is returned here, that one would give too.
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.core.framing import transport as framing
from gateway.core.framing.transport import Direction, FramingLimits, MessageKind, TransportMessage
from gateway.core.values import quick

_KINDS = {
    f"\r\ncontent-type: {content_type}".encode(): letter
    for letter, content_type in (
        ("o", framing.OCSP),
        ("q", framing.REST_REQUEST),
        ("a", framing.REST_RESPONSE),
        ("b", framing.REST_BODY),
        ("r", framing.HASH_CHAIN_RESULT),
        ("c", framing.HASH_CHAIN),
        ("s", framing.SIGNATURE),
    )
}
_ORDERS = {
    Direction.REQUEST: frozenset({"qs", "qbs", "qrcs", "qbrcs"}),
    Direction.RESPONSE: frozenset({"as", "abs", "arcs", "abrcs"}),
}
_HEADERS = {
    Direction.REQUEST: (("content-type", framing.REST_REQUEST),),
    Direction.RESPONSE: (("content-type", framing.REST_RESPONSE),),
}


@quick
@dataclass(frozen=True, slots=True)
class Whole:
    """`body`: of the REST body part, None when there is none."""

    message: TransportMessage
    body: bytes | None


def take_apart(data: bytes, boundary: str, direction: Direction, limits: FramingLimits) -> Whole | None:
    """`data`: a complete message. None when it is not of the usual form."""
    first, *pieces = data.split(b"--" + boundary.encode("ascii"))
    if first or not pieces or pieces.pop() != b"--\r\n":
        return None
    kinds = ""
    contents = []
    for piece in pieces:
        head, _, content = piece.partition(b"\r\n\r\n")
        kind = _KINDS.get(head)
        if kind is None or not content.endswith(b"\r\n"):
            return None
        kinds += kind
        contents.append(content[:-2])
    order = kinds.lstrip("o")
    ocsp = len(kinds) - len(order)
    if order not in _ORDERS[direction]:
        return None
    parts = dict(zip(order, contents[ocsp:], strict=True))
    message = TransportMessage(
        kind=MessageKind.REST,
        ocsp=tuple(contents[:ocsp]),
        part=contents[ocsp],
        part_headers=_HEADERS[direction],
        attachments=1 if "b" in parts else 0,
        hash_chain_result=parts.get("r"),
        hash_chain=parts.get("c"),
        signature=parts["s"],
        fault=None,
    )
    body = parts.get("b")
    return Whole(message, body) if _within(limits, message, body) else None


def _within(limits: FramingLimits, message: TransportMessage, body: bytes | None) -> bool:
    return (
        len(message.part) <= limits.message
        and len(message.ocsp) <= limits.ocsp_parts
        and all(len(answer) <= limits.ocsp for answer in message.ocsp)
        and max(map(len, (message.signature or b"", message.hash_chain or b"", message.hash_chain_result or b"")))
        <= limits.part
        and (body is None or (len(body) <= limits.body and limits.attachments > 0))
    )
