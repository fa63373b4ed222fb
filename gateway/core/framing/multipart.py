"""An incremental MIME splitter for exactly the form that X-Road servers write (reference 3.7). Feed bytes, take events.

    start:    CRLF? "--" boundary        the outer message has no CRLF, a nested one has exactly one
    delimiter CRLF          -> head      any other bytes after the boundary are refused, not taken for content
    delimiter "--" CRLF     -> end       nothing may follow
    head:     { name ":" value CRLF } CRLF
    content:  every byte up to CRLF "--" boundary, undecoded

Rule: one reading of the bytes. No preamble, no epilogue, no bare LF, no folded headers, no missing closing boundary. Content goes
out as it comes in; at most one delimiter's length of it is held back.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

from gateway.core.errors import MalformedMessage
from gateway.core.values import quick

Headers: TypeAlias = tuple[tuple[str, str], ...]

MAX_HEAD = 16 * 1024
_HEADER = re.compile(r"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*([^\x00-\x08\x0a-\x1f\x7f]*)")
_BOUNDARY = re.compile(r"[0-9A-Za-z'()+_,\-./:=?]{1,70}")  # RFC 2046 bchars without the space
_PARAMETER = re.compile(r";[ \t]*([A-Za-z0-9!#$&^_.+\-]+)=(?:\"([^\"\\\x00-\x1f\x7f]*)\"|([^\s\";,]+))[ \t]*")
_MAX_CONTENT_TYPE = 1024
_USUAL = re.compile(r"multipart/mixed; charset=UTF-8; boundary=([0-9A-Za-z]{1,70})")  # as X-Road servers write it


@quick
@dataclass(frozen=True, slots=True)
class PartBegin:
    headers: Headers


@quick
@dataclass(frozen=True, slots=True)
class PartData:
    data: bytes


@dataclass(frozen=True, slots=True)
class PartEnd:
    pass


PartEvent: TypeAlias = PartBegin | PartData | PartEnd

_PART_END = PartEnd()
_Step: TypeAlias = Callable[[bytes, int, list[PartEvent]], int | None]


def parse_boundary(content_type: str | None) -> str:
    """Boundary of a `multipart/mixed` content type. MalformedMessage `invalid_content_type` for any other or a doubtful one."""
    if content_type is None or len(content_type) > _MAX_CONTENT_TYPE:
        raise MalformedMessage("no usable content type", code="invalid_content_type")
    usual = _USUAL.fullmatch(content_type)
    if usual is not None:
        return usual[1]
    media_type, semicolon, rest = content_type.partition(";")
    if media_type.strip(" \t").lower() != "multipart/mixed":
        raise MalformedMessage("expected multipart/mixed", code="invalid_content_type")
    values: dict[str, str] = {}
    position, text = 0, semicolon + rest
    while position < len(text):
        parameter = _PARAMETER.match(text, position)
        if parameter is None or parameter[1].lower() in values:
            raise MalformedMessage("malformed parameters of multipart/mixed", code="invalid_content_type")
        values[parameter[1].lower()] = parameter[3] if parameter[2] is None else parameter[2]
        position = parameter.end()
    return check_boundary(values.get("boundary", ""))


def check_boundary(boundary: str) -> str:
    if not _BOUNDARY.fullmatch(boundary):
        raise MalformedMessage("missing or illegal multipart boundary", code="invalid_content_type")
    return boundary


class MultipartSplitter:
    """After MalformedMessage (`mime_parsing_failed`) every further call raises it again."""

    def __init__(self, boundary: str, *, nested: bool = False) -> None:
        self._dashes = b"--" + check_boundary(boundary).encode("ascii")
        self._delimiter = b"\r\n" + self._dashes
        self._held_back = len(self._delimiter) - 1
        self._rest = b"" if nested else b"\r\n"
        self._step: _Step = self._start

    def feed(self, data: bytes) -> Iterator[PartEvent]:
        """Events for these bytes, as many as can be told by now; to be consumed to the end. What comes before a fault in the bytes
        is told before the fault, so that a message is refused for the same reason however it was cut."""
        buffer = self._rest + data if self._rest else data
        position = 0
        events: list[PartEvent] = []
        fault: MalformedMessage | None = None
        try:
            while (after := self._step(buffer, position, events)) is not None:
                position = after
        except MalformedMessage as e:
            self._step, fault = self._refuse, e
        yield from events
        if fault is not None:
            raise fault
        self._rest = buffer[position:]

    def close(self) -> None:
        """MalformedMessage unless the closing boundary was seen: without it a cut connection looks like an end."""
        if self._step != self._end:
            raise _broken("the multipart message is cut short")

    # --- steps: each reads from `at`, chooses the next step, returns where that begins, or None when more bytes are needed ---

    def _start(self, buffer: bytes, at: int, events: list[PartEvent]) -> int | None:
        seen = buffer[: len(self._delimiter)]
        if not self._delimiter.startswith(seen):
            raise _broken("the message does not begin with its boundary")
        if len(seen) < len(self._delimiter):
            return None
        self._step = self._after_delimiter
        return len(seen)

    def _after_delimiter(self, buffer: bytes, at: int, events: list[PartEvent]) -> int | None:
        two = buffer[at : at + 2]
        if two == b"\r\n":
            self._step = self._head
            return at + 2
        four = buffer[at : at + 4]
        if four == b"--\r\n":
            self._step = self._end
            return at + 4
        if not (b"\r\n".startswith(two) or b"--\r\n".startswith(four)):
            raise _broken("a boundary is followed by something else")
        return None

    def _head(self, buffer: bytes, at: int, events: list[PartEvent]) -> int | None:
        # `at` follows a CR LF, so an empty head is a CR LF right here.
        end = at - 2 if buffer.startswith(b"\r\n", at) else buffer.find(b"\r\n\r\n", at, at + MAX_HEAD + 4)
        if end == -1:
            if len(buffer) - at >= MAX_HEAD + 4:
                raise _broken("the headers of a part are too long")
            return None
        events.append(_parse_head(buffer[at:end]) if end > at else PartBegin(()))
        self._step = self._content
        return end + 4

    def _content(self, buffer: bytes, at: int, events: list[PartEvent]) -> int | None:
        found = buffer.find(self._dashes, at)
        if found == -1:
            end = len(buffer) - self._held_back
            if end <= at:
                return None
            events.append(PartData(buffer[at:end]))
            return end
        end = found - 2
        # X-Road's parser also splits at LF boundary and straight after the head: no message may mean two things.
        if end < at or not buffer.startswith(b"\r\n", end):
            raise _broken("a boundary stands elsewhere than after CR LF")
        if end > at:
            events.append(PartData(buffer[at:end]))
        events.append(_PART_END)
        self._step = self._after_delimiter
        return found + len(self._dashes)

    def _end(self, buffer: bytes, at: int, events: list[PartEvent]) -> int | None:
        if at < len(buffer):
            raise _broken("bytes after the closing boundary")
        return None

    def _refuse(self, buffer: bytes, at: int, events: list[PartEvent]) -> int | None:
        raise _broken("the multipart message was already refused")


@lru_cache(64)  # nearly all heads are one of eight constants; bounded by 64 * MAX_HEAD
def _parse_head(head: bytes) -> PartBegin:
    headers = []
    for line in head.decode("latin-1").split("\r\n"):
        match = _HEADER.fullmatch(line)
        if match is None:
            raise _broken("malformed header of a part")
        headers.append((match[1], match[2]))
    return PartBegin(tuple(headers))


def _broken(what: str) -> MalformedMessage:
    return MalformedMessage(what, code="mime_parsing_failed")
