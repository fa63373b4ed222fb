"""The message between two security servers: order of its parts, limits, and the encoder (reference 3.7).

    ocsp*  ->  rest message -> [rest body]        ->  [hash-chain-result -> hash-chain]  ->  signature | fault  ->  nothing
    ocsp*  ->  soap message -> [nested attachments]   ^
    ocsp*  ->  fault                                     responses only

Rule: small parts are collected under a limit each, bodies and attachments pass through as events and are never held. Signature
and fault exclude each other, and a fault only answers. A lone `text/xml` part in a response is a fault, signed it is SOAP.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from functools import lru_cache
from typing import TypeAlias

from gateway.core.errors import MalformedMessage
from gateway.core.framing.multipart import (
    Headers,
    MultipartSplitter,
    PartBegin,
    PartData,
    PartEvent,
    check_boundary,
)
from gateway.core.framing.multipart import parse_boundary as parse_boundary
from gateway.core.values import quick

OCSP = "application/ocsp-response"
REST_REQUEST = "application/x-road-rest-request"
REST_RESPONSE = "application/x-road-rest-response"
REST_BODY = "application/x-road-rest-body"
HASH_CHAIN_RESULT = "application/hash-chain-result"
HASH_CHAIN = "application/hash-chain"
SIGNATURE = "signature/bdoc-1.0/ts"
FAULT = "text/xml; charset=UTF-8"
_XML = "text/xml"
_XOP = "application/xop+xml"
_MIXED = "multipart/mixed"
_WITH_PARAMETERS = frozenset({_XML, _XOP, _MIXED})


class Direction(Enum):
    __hash__ = object.__hash__  # Enum's own is Python code, and every message asks for it

    REQUEST = auto()
    RESPONSE = auto()


class MessageKind(Enum):
    """FAULT: the message holds no signed answer (`fault` is set), even when a message part came before the fault."""

    REST = auto()
    SOAP = auto()
    FAULT = auto()


@dataclass(frozen=True, slots=True)
class FramingLimits:
    """Bytes, but for `ocsp_parts` and `attachments`. `part`: each of chain, chain result, signature, fault. `body`: all
    attachments together."""

    message: int = 1024 * 1024
    part: int = 1024 * 1024
    ocsp: int = 64 * 1024
    ocsp_parts: int = 10
    attachments: int = 100
    body: int = 2**40


_DEFAULT_LIMITS = FramingLimits()


@quick
@dataclass(frozen=True, slots=True)
class AttachmentBegin:
    """`number` from 1: the N of `/attachmentN`. The REST body is attachment 1."""

    number: int
    headers: Headers


@quick
@dataclass(frozen=True, slots=True)
class AttachmentData:
    """Some undecoded bytes, never none."""

    data: bytes


@quick
@dataclass(frozen=True, slots=True)
class AttachmentEnd:
    number: int


Event: TypeAlias = AttachmentBegin | AttachmentData | AttachmentEnd


@quick
@dataclass(frozen=True, slots=True)
class TransportMessage:
    """Exact bytes of the collected parts. `part` is empty when a fault stands in its place. `attachments`: how many came."""

    kind: MessageKind
    ocsp: tuple[bytes, ...]
    part: bytes
    part_headers: Headers
    attachments: int
    hash_chain_result: bytes | None
    hash_chain: bytes | None
    signature: bytes | None
    fault: bytes | None


class _Slot(Enum):
    __hash__ = object.__hash__  # Enum's own is Python code, and every part of every message asks for it

    OCSP = auto()
    MESSAGE = auto()
    SOAP_MESSAGE = auto()
    BODY = auto()
    NESTED = auto()
    CHAIN_RESULT = auto()
    CHAIN = auto()
    SIGNATURE = auto()
    FAULT = auto()


class _Phase(Enum):
    """What was read last."""

    __hash__ = object.__hash__

    START = auto()
    REST = auto()
    SOAP = auto()
    BODY = auto()
    CHAIN_RESULT = auto()
    CHAIN = auto()
    END = auto()


_Order: TypeAlias = dict[_Phase, dict[str, tuple[_Slot, _Phase]]]


def _order(direction: Direction) -> _Order:
    """Content types that may come next, what they are, and the phase they lead to."""
    last = {SIGNATURE: (_Slot.SIGNATURE, _Phase.END)}
    if direction is Direction.RESPONSE:
        last[_XML] = (_Slot.FAULT, _Phase.END)
    chain = {HASH_CHAIN_RESULT: (_Slot.CHAIN_RESULT, _Phase.CHAIN_RESULT), **last}
    return {
        _Phase.START: {
            OCSP: (_Slot.OCSP, _Phase.START),
            REST_REQUEST if direction is Direction.REQUEST else REST_RESPONSE: (_Slot.MESSAGE, _Phase.REST),
            _XML: (_Slot.SOAP_MESSAGE, _Phase.SOAP),
            _XOP: (_Slot.SOAP_MESSAGE, _Phase.SOAP),
        },
        _Phase.REST: {REST_BODY: (_Slot.BODY, _Phase.BODY), **chain},
        _Phase.SOAP: {_MIXED: (_Slot.NESTED, _Phase.BODY), **chain},
        _Phase.BODY: chain,
        _Phase.CHAIN_RESULT: {HASH_CHAIN: (_Slot.CHAIN, _Phase.CHAIN)},
        _Phase.CHAIN: last,
        _Phase.END: {},
    }


_ORDERS = {direction: _order(direction) for direction in Direction}


class TransportDecoder:
    """Feed the HTTP body in any pieces. MalformedMessage: `mime_parsing_failed` (framing, limits), `invalid_content_type` (a part
    of unknown type or out of order), `invalid_message` (a part after the last), `missing_rest`, `missing_signature`."""

    def __init__(self, boundary: str, direction: Direction, limits: FramingLimits = _DEFAULT_LIMITS) -> None:
        self._splitter = MultipartSplitter(boundary)
        self._nested: MultipartSplitter | None = None  # while a part of attachments is open
        self._direction = direction
        self._order = _ORDERS[direction]
        self._limits = limits
        self._phase = _Phase.START
        self._refused = False
        self._slot = _Slot.OCSP
        self._left = 0  # bytes the open part may still have
        self._chunks: list[bytes] = []
        self._ocsp: list[bytes] = []
        self._parts: dict[_Slot, bytes] = {}
        self._part_headers: Headers = ()
        self._attachments = 0
        self._body_left = self._limits.body

    def feed(self, data: bytes) -> list[Event]:
        """Events for these bytes. Never called again after it raised."""
        if self._refused:
            raise MalformedMessage("the message was already refused", code="mime_parsing_failed")
        events: list[Event] = []
        self._refused = True
        for event in self._splitter.feed(data):
            if isinstance(event, PartData):
                self._data(event.data, events)
            elif isinstance(event, PartBegin):
                self._begin(event.headers, events)
            else:
                self._end(events)
        self._refused = False
        return events

    def close(self) -> TransportMessage:
        """The whole message, after the last byte was fed."""
        if self._refused:
            raise MalformedMessage("the message was already refused", code="mime_parsing_failed")
        self._splitter.close()
        parts = self._parts
        if self._phase is _Phase.SOAP and self._direction is Direction.RESPONSE:
            parts = {_Slot.FAULT: parts[_Slot.SOAP_MESSAGE]}
        elif self._phase is _Phase.START:
            raise MalformedMessage("the message part is missing", code="missing_rest")
        elif self._phase is not _Phase.END:
            raise MalformedMessage("the signature part is missing", code="missing_signature")
        soap = _Slot.SOAP_MESSAGE in parts
        kind = MessageKind.FAULT if _Slot.FAULT in parts else MessageKind.SOAP if soap else MessageKind.REST
        return TransportMessage(
            kind=kind,
            ocsp=tuple(self._ocsp),
            part=parts.get(_Slot.SOAP_MESSAGE if soap else _Slot.MESSAGE, b""),
            part_headers=self._part_headers,
            attachments=self._attachments,
            hash_chain_result=parts.get(_Slot.CHAIN_RESULT),
            hash_chain=parts.get(_Slot.CHAIN),
            signature=parts.get(_Slot.SIGNATURE),
            fault=parts.get(_Slot.FAULT),
        )

    def _begin(self, headers: Headers, events: list[Event]) -> None:
        self._slot, self._phase, content_type = self._next(headers)
        if self._slot is _Slot.BODY:
            self._begin_attachment(headers, events)
        elif self._slot is _Slot.NESTED:
            self._nested = MultipartSplitter(parse_boundary(content_type), nested=True)
        elif self._slot is _Slot.OCSP:
            self._left = self._limits.ocsp
            if len(self._ocsp) >= self._limits.ocsp_parts:
                raise _too_much("too many OCSP parts")
        elif self._slot in (_Slot.MESSAGE, _Slot.SOAP_MESSAGE):
            self._left = self._limits.message
            self._part_headers = headers
        else:
            self._left = self._limits.part

    def _next(self, headers: Headers) -> tuple[_Slot, _Phase, str]:
        """What this part is. One content type; further headers only where X-Road copies those of a SOAP message."""
        content_type = _content_type(headers)
        expected = self._order[self._phase]
        found = expected.get(content_type)
        if found is None:
            media_type = content_type.partition(";")[0].strip(" \t").lower()
            found = expected.get(media_type) if media_type in _WITH_PARAMETERS else None
        if found is None:
            if self._phase is _Phase.END:
                raise MalformedMessage("a part after the signature or fault", code="invalid_message")
            raise MalformedMessage("a part of unexpected type", code="invalid_content_type")
        if len(headers) > 1 and found[0] is not _Slot.SOAP_MESSAGE:
            raise MalformedMessage("a part has unexpected headers", code="mime_parsing_failed")
        return *found, content_type

    def _data(self, data: bytes, events: list[Event]) -> None:
        if self._slot is _Slot.BODY:
            self._count_body(data)
            events.append(AttachmentData(data))
        elif self._nested is not None:
            self._count_body(data)
            for event in self._nested.feed(data):
                self._take_nested(event, events)
        else:
            self._left -= len(data)
            if self._left < 0:
                raise _too_much("a part is too large")
            self._chunks.append(data)

    def _end(self, events: list[Event]) -> None:
        if self._slot is _Slot.BODY:
            events.append(AttachmentEnd(self._attachments))
        elif self._nested is not None:
            self._nested.close()
            self._nested = None
            if self._attachments == 0:
                raise MalformedMessage("the attachments part is empty", code="mime_parsing_failed")
        else:
            content = b"".join(self._chunks)
            self._chunks.clear()
            if self._slot is _Slot.OCSP:
                self._ocsp.append(content)
            else:
                self._parts[self._slot] = content

    def _take_nested(self, event: PartEvent, events: list[Event]) -> None:
        if isinstance(event, PartData):
            events.append(AttachmentData(event.data))
        elif isinstance(event, PartBegin):
            self._begin_attachment(event.headers, events)
        else:
            events.append(AttachmentEnd(self._attachments))

    def _begin_attachment(self, headers: Headers, events: list[Event]) -> None:
        if self._attachments >= self._limits.attachments:
            raise _too_much("too many attachments")
        self._attachments += 1
        events.append(AttachmentBegin(self._attachments, headers))

    def _count_body(self, data: bytes) -> None:
        self._body_left -= len(data)
        if self._body_left < 0:
            raise _too_much("the body is too large")


@lru_cache(64)  # as `_parse_head`: the same few heads over and over
def _content_type(headers: Headers) -> str:
    types = [value for name, value in headers if name.lower() == "content-type"]
    if len(types) != 1:
        raise MalformedMessage("a part has exactly one content type", code="invalid_content_type")
    return types[0]


def _too_much(what: str) -> MalformedMessage:
    return MalformedMessage(what, code="mime_parsing_failed")


class TransportEncoder:
    """Bytes of a message, part after part. `boundary` is drawn at random for each message (`xtop` and 30 letters): that alone
    keeps content from containing it."""

    def __init__(self, boundary: str) -> None:
        self._boundary = check_boundary(boundary)
        self._delimiter = f"--{boundary}"

    @property
    def content_type(self) -> str:
        """For the HTTP header, as X-Road spells it (reference 3.5)."""
        return f"multipart/mixed; charset=UTF-8; boundary={self._boundary}"

    def part(self, content_type: str, data: bytes) -> bytes:
        """A whole part with the delimiter before it."""
        return self.open(content_type) + data

    def open(self, content_type: str) -> bytes:
        """Delimiter and head of a part whose bytes the caller sends itself."""
        head = f"{self._delimiter}\r\ncontent-type: {content_type}\r\n\r\n"
        self._delimiter = f"\r\n--{self._boundary}"
        return head.encode("ascii")

    def close(self) -> bytes:
        """The closing delimiter; the last bytes of the message."""
        return f"\r\n--{self._boundary}--\r\n".encode("ascii")
