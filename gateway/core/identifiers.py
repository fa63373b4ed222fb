"""X-Road identifiers: parse, compare, print, percent-encode (reference 1.2, 1.3 and `identifiers.xsd`).

Comparison is exact and case-sensitive. `str(id)` is for people and configuration (`VN/GOV/G01/dancu`); `encoded()` is the
header form in which each piece is percent-encoded on its own.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TypeAlias
from urllib.parse import quote, unquote_to_bytes

from gateway.core.errors import MalformedMessage
from gateway.core.remembering import remembered_by_object
from gateway.core.values import quick

_UNESCAPED = "-._~!$'()*,;&=@:+"  # what the path-segment escaper of X-Road servers leaves alone (reference 1.3)
_PCHAR = re.compile(r"(?:[A-Za-z0-9\-._~!$&'()*+,;=:@]|%[0-9A-Fa-f]{2})*", re.ASCII)
# X-Road only warns about these in identifiers; nothing good ever needs them (reference 1.2).
_FORBIDDEN = re.compile("[\x00-\x1f\x7f-\x9f%:;/\\\\\u200b\ufeff]")
MAX_PIECE = 255


def encode_piece(piece: str) -> str:
    """One identifier piece as it stands in a header or URL: UTF-8, upper-case hex escapes."""
    return quote(piece, safe=_UNESCAPED)


def decode_piece(piece: str) -> str:
    """One raw piece of a URL or header, decoded after splitting. MalformedMessage for anything that is no identifier."""
    if not _PCHAR.fullmatch(piece):
        raise MalformedMessage("illegal character or broken escape in an identifier", code="internal_error")
    try:
        text = unquote_to_bytes(piece).decode("utf-8")
    except UnicodeDecodeError as e:
        raise MalformedMessage("an identifier is not UTF-8", code="internal_error") from e
    return check_piece(text)


def check_piece(text: str) -> str:
    """An already decoded piece: not empty, at most 255 characters, none that hides or separates."""
    if not text or len(text) > MAX_PIECE or _FORBIDDEN.search(text):
        raise MalformedMessage("empty, oversized or illegal identifier", code="internal_error")
    return text


class _Pieces:
    """Printing shared by all identifiers; `pieces` are in X-Road's order."""

    __slots__ = ()

    @property
    def pieces(self) -> tuple[str, ...]:
        raise NotImplementedError  # pragma: no cover - every identifier defines it

    @remembered_by_object(4096)
    def __str__(self) -> str:
        return "/".join(self.pieces)

    def encoded(self) -> str:
        """Header and URL form: `VN/GOV/G01/dancu`, each piece percent-encoded."""
        return "/".join(encode_piece(p) for p in self.pieces)


@quick
@dataclass(frozen=True, slots=True)
class MemberId(_Pieces):
    instance: str
    member_class: str
    member_code: str

    @property
    def pieces(self) -> tuple[str, ...]:
        return (self.instance, self.member_class, self.member_code)

    @property
    def member(self) -> MemberId:
        return self

    __str__ = _Pieces.__str__


@quick
@dataclass(frozen=True, slots=True)
class SubsystemId(_Pieces):
    instance: str
    member_class: str
    member_code: str
    subsystem_code: str

    @property
    def pieces(self) -> tuple[str, ...]:
        return (self.instance, self.member_class, self.member_code, self.subsystem_code)

    @property
    @remembered_by_object(4096)
    def member(self) -> MemberId:
        return MemberId(self.instance, self.member_class, self.member_code)

    __str__ = _Pieces.__str__


ClientId: TypeAlias = MemberId | SubsystemId


@quick
@dataclass(frozen=True, slots=True)
class ServiceId(_Pieces):
    """A service of a client. REST services have no version (reference 1.2)."""

    client: ClientId
    service_code: str
    service_version: str | None = None

    @property
    def pieces(self) -> tuple[str, ...]:
        tail = (self.service_code,) if self.service_version is None else (self.service_code, self.service_version)
        return (*self.client.pieces, *tail)

    __str__ = _Pieces.__str__


@dataclass(frozen=True, slots=True)
class SecurityServerId(_Pieces):
    instance: str
    member_class: str
    member_code: str
    server_code: str

    @property
    def pieces(self) -> tuple[str, ...]:
        return (self.instance, self.member_class, self.member_code, self.server_code)

    @property
    def owner(self) -> MemberId:
        return MemberId(self.instance, self.member_class, self.member_code)

    __str__ = _Pieces.__str__


@dataclass(frozen=True, slots=True)
class GlobalGroupId(_Pieces):
    instance: str
    group_code: str

    @property
    def pieces(self) -> tuple[str, ...]:
        return (self.instance, self.group_code)

    __str__ = _Pieces.__str__


@dataclass(frozen=True, slots=True)
class LocalGroupId(_Pieces):
    """A group that one client defines for its own services."""

    group_code: str

    @property
    def pieces(self) -> tuple[str, ...]:
        return (self.group_code,)

    __str__ = _Pieces.__str__


def parse_client_id(text: str) -> ClientId:
    """`X-Road-Client` form: three or four percent-encoded pieces. MalformedMessage otherwise."""
    pieces = [decode_piece(p) for p in text.split("/")]
    if len(pieces) == 3:
        return MemberId(*pieces)
    if len(pieces) == 4:
        return SubsystemId(*pieces)
    raise MalformedMessage("a client identifier has three or four pieces", code="invalid_client_identifier")


def parse_security_server_id(text: str) -> SecurityServerId:
    """`X-Road-Security-Server` form: exactly four percent-encoded pieces. MalformedMessage otherwise."""
    pieces = [decode_piece(p) for p in text.split("/")]
    if len(pieces) != 4:
        raise MalformedMessage("a security server identifier has four pieces", code="invalid_security_server")
    return SecurityServerId(*pieces)


def parse_service_id(text: str) -> ServiceId:
    """`x-road-service` of a REST response: five percent-encoded pieces (subsystem and service code)."""
    pieces = [decode_piece(p) for p in text.split("/")]
    if len(pieces) != 5:
        raise MalformedMessage("a REST service identifier has five pieces", code="internal_error")
    return ServiceId(SubsystemId(*pieces[:4]), pieces[4])
