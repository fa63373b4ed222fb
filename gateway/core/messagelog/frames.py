"""A signature as its frame and its values.

The frame is everything that all messages of one signer have in common until its next OCSP answer: markup, certificate, properties,
OCSP answers. The values are a message's own: two digests, the signature value, the signing time; a tenth of it or less.
They are found by a plain search for the names of their elements, in the order in which X-Road writes them; the same search finds in
the frame where they were. Nothing is parsed: any bytes come apart into what gives exactly them again, or not at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from gateway.core.errors import MalformedMessage
from gateway.core.values import quick

_ELEMENTS = (b"DigestValue", b"DigestValue", b"SignatureValue", b"SigningTime")
_BETWEEN = b"<"  # values; none has one, because it ends there
_END_TAG = len("</ds:D")  # behind a value, so far that the name in its end tag is not found for the next one


@quick
@dataclass(frozen=True, slots=True)
class Apart:
    """A signature XML: `values`, one after the other, and the `frame` that is left without them."""

    frame: bytes
    values: bytes


def take_apart(signature: bytes) -> Apart | None:
    """None: it does not look like a signature of messages, and stays whole."""
    places = _places(signature)
    if places is None:
        return None
    pieces: list[bytes] = []
    values: list[bytes] = []
    begin = 0
    for start, end in places:
        pieces.append(signature[begin:start])
        values.append(signature[start:end])
        begin = end
    pieces.append(signature[begin:])
    return Apart(b"".join(pieces), _BETWEEN.join(values))


def put_together(apart: Apart) -> bytes:
    """The bytes that were taken apart. MalformedMessage when frame and values do not belong together."""
    first, *pieces = pieces_of(apart.frame)
    values = apart.values.split(_BETWEEN)
    if len(values) != len(pieces):
        raise MalformedMessage("the frame and the values of a signature do not belong together")
    return first + b"".join(value + piece for value, piece in zip(values, pieces, strict=True))


def pieces_of(frame: bytes) -> tuple[bytes, ...]:
    """What stands before, between and behind the values. MalformedMessage when it is no frame."""
    places = _places(frame)
    if places is None or any(start != end for start, end in places):
        raise MalformedMessage("the frame of a signature is none")
    cuts = (0, *(at for at, _ in places), len(frame))
    return tuple(frame[begin:end] for begin, end in pairwise(cuts))


def values_along(pieces: Sequence[bytes], signature: bytes) -> bytes | None:
    """Its values as `take_apart` gives them, if its frame has these pieces; otherwise None. The frame is not copied."""
    values: list[bytes] = []
    at = 0
    for piece in pieces[:-1]:
        if not signature.startswith(piece, at):
            return None
        start = at + len(piece)
        at = signature.find(_BETWEEN, start)
        if at < 0:
            return None
        values.append(signature[start:at])
    last = pieces[-1]
    if at + len(last) != len(signature) or not signature.endswith(last):
        return None
    return _BETWEEN.join(values)


def _places(text: bytes) -> list[tuple[int, int]] | None:
    """Where the values stand: each from behind a tag's `>` to the next `<`."""
    find = text.find
    found: list[tuple[int, int]] = []
    at = 0
    for element in _ELEMENTS:
        named = find(element, at)
        start = find(b">", named) + 1
        end = find(_BETWEEN, start)
        if named < 0 or start == 0 or end < 0:
            return None
        found.append((start, end))
        at = end + _END_TAG
    return found
