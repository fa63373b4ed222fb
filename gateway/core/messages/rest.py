"""The REST message part: exact bytes <-> values (reference 1.2, 1.3, 3.8, 3.9).

    request    VERB CRLF path["?"query] CRLF  { name ":" value CRLF }
    response   status CRLF reason CRLF        { name ":" value CRLF }

Rule: the bytes received are what is signed, hashed and logged, so a part has exactly one spelling. Whatever is not in it
(LF line ends, blank line, fragment, header that must not travel) is refused. Header values are text whose characters
are the Latin-1 decoding of the bytes an information system sent; the part is the UTF-8 of that text (reference 1.3).

Codes: a part that a peer sent is refused with `invalid_rest`; a mistake of the calling information system, for which X-Road
only says `internal_error`, with `bad_request`.
"""

from __future__ import annotations

import binascii
import hashlib
import re
import unicodedata
from base64 import b64encode
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias, TypeVar
from urllib.parse import unquote_to_bytes

from gateway.core.digest import Digest
from gateway.core.errors import MalformedMessage
from gateway.core.identifiers import (
    ClientId,
    SecurityServerId,
    ServiceId,
    decode_piece,
    parse_client_id,
    parse_security_server_id,
    parse_service_id,
)
from gateway.core.values import quick

Headers: TypeAlias = tuple[tuple[str, str], ...]

VERBS = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"})
SKIPPED_HEADERS = frozenset(
    {
        "transfer-encoding",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "te",
        "trailer",
        "upgrade",
        "connection",
        "user-agent",
        "host",
        "content-length",
        "server",
        "expect",
    }
)
MAX_TARGET = 8 * 1024
MAX_HEADERS = 1000

_CLIENT = "x-road-client"
_ID = "x-road-id"
_SERVICE = "x-road-service"
_SERVER = "x-road-security-server"
_PARTY = "x-road-represented-party"
_REQUEST_ID = "x-road-request-id"
_REQUEST_HASH = "x-road-request-hash"
_REQUEST_ID_LINE = f"\r\n{_REQUEST_ID}:".encode()
_NOT_FROM_CALLER = SKIPPED_HEADERS | {_REQUEST_ID, _REQUEST_HASH}
_NOT_FROM_SERVICE = SKIPPED_HEADERS | {_ID, _CLIENT, _REQUEST_ID, _REQUEST_HASH}

# C1 controls stay legal: they are the halves of UTF-8 letters that arrived as Latin-1 (reference 1.3).
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_LINE = re.compile(r"([!#$%&'*+\-.^_`|~0-9A-Za-z]+):([^\x00-\x08\x0a-\x1f\x7f]*)\r\n")  # of a header: name, value
_WIDE = re.compile(r"[^\x00-\xff]")
# java.net.URI (RFC 2396 with `[]` in the query), without its tolerance for raw non-ASCII: no HTTP target may hold that.
_PATH = re.compile(r"/(?!/)(?:[A-Za-z0-9_\-!.~'()*;:@&=+$,/]++|%[0-9A-Fa-f]{2})*+")
_QUERY = re.compile(r"(?:[A-Za-z0-9_\-!.~'()*;:@&=+$,/?\[\]]++|%[0-9A-Fa-f]{2})*+")
_ILLEGAL_DECODED = re.compile(r"""[\x00-\x20"<>\\^{|}\[\]`%\x7f-\xa0]|#.*#|\A//\Z""", re.DOTALL)
# What the web server of a real client proxy calls ambiguous (reference 1.1): empty segment, escaped or parametrised dots.
_AMBIGUOUS = re.compile(r"//|/(?:\.|%2e){1,2};|/(?:\.?%2e\.?|%2e%2e)(?:/|\Z)", re.IGNORECASE)
_STATUS = re.compile(r"[2-9][0-9]{2}")  # an interim 1xx as final answer would break the caller's HTTP framing
_REQUEST_ID_FORM = re.compile(r"[!-~]{1,255}")
_MAX_MESSAGE_ID = 255  # column width of X-Road's message log: longer ones fail there

_T = TypeVar("_T")
_client_id = lru_cache(1024)(parse_client_id)
_service_id = lru_cache(1024)(parse_service_id)
_server_id = lru_cache(1024)(parse_security_server_id)


@quick
@dataclass(frozen=True, slots=True)
class RestRequest:
    """A request part. `path` is raw and begins with `/r1/`; `service_path` is "" or begins with "/"; `query` keeps the
    difference between none and empty. `raw` is exactly what is transmitted, signed and logged."""

    raw: bytes
    verb: str
    path: str
    query: str | None
    service_path: str
    headers: Headers
    client: ClientId
    service: ServiceId
    message_id: str
    request_id: str
    target_server: SecurityServerId | None

    @property
    def target(self) -> str:
        return self.path if self.query is None else f"{self.path}?{self.query}"


@quick
@dataclass(frozen=True, slots=True)
class RestResponse:
    """A response part. `request_hash`: 64 raw bytes."""

    raw: bytes
    status: int
    reason: str
    headers: Headers
    message_id: str
    client: ClientId
    service: ServiceId
    request_id: str
    request_hash: bytes


def header(headers: Headers, name: str) -> str | None:
    """Value of the last header of this name in any case, as X-Road takes it; None when absent."""
    wanted = name.lower()
    for found, value in reversed(headers):
        if found.lower() == wanted:
            return value
    return None


def calling_client(headers: Headers) -> ClientId:
    """Whose call this is, while its body is not here yet. MalformedMessage `invalid_client_identifier`."""
    value = header(headers, _CLIENT)
    if not value:
        raise _no_client()
    return _identifier(_client_id, value, "invalid_client_identifier")


def _no_client() -> MalformedMessage:
    return MalformedMessage("the header X-Road-Client is missing", code="invalid_client_identifier")


def request_hash(part: bytes, body: Digest | None) -> bytes:
    """x-road-request-hash as 64 raw bytes (reference 3.9). `body` is the SHA-512 of the body part, None when there is no
    body part; an empty body part has a digest."""
    of_part = hashlib.sha512(part).digest()
    return of_part if body is None else hashlib.sha512(of_part + body.value).digest()


def parse_request(raw: bytes) -> RestRequest:
    """The request part a peer sent (reference 3.8). MalformedMessage for every spelling but the canonical one: X-Road answers
    with the hash of a re-serialisation, so any other would be signed, logged and hashed as different things."""
    verb, target, headers, known = _parse_part(raw)
    if raw.lower().count(_REQUEST_ID_LINE) != 1 or _REQUEST_ID_LINE not in raw:
        raise MalformedMessage("x-road-request-id stands exactly once, in lower case", code="invalid_rest")
    return _request(raw, verb, target, headers, known, "invalid_rest")


def build_request(
    *, verb: str, target: str, headers: Iterable[tuple[str, str]], request_id: str, message_id: str
) -> RestRequest:
    """The part for an information system's call (reference 1.2, 1.3). `target`: request target as received, never
    normalised. `message_id` is used when the caller sent no X-Road-Id. MalformedMessage: `invalid_client_identifier`,
    `invalid_security_server`, else `bad_request`."""
    _check_caller_target(target)
    kept = _travelling(headers, _NOT_FROM_CALLER, "bad_request")
    known = _by_name(kept)
    if not known.get(_CLIENT):
        raise _no_client()
    own = {_REQUEST_ID: request_id} if _ID in known else {_REQUEST_ID: request_id, _ID: message_id}
    kept += own.items()
    return _request(_print_part(verb, target, kept), verb, target, tuple(kept), known | own, "bad_request")


def parse_response(raw: bytes) -> RestResponse:
    """The response part a peer sent (reference 3.8). MalformedMessage `invalid_rest`."""
    status, reason, headers, known = _parse_part(raw)
    if not _STATUS.fullmatch(status):
        raise MalformedMessage("the status of a response is a final HTTP status", code="invalid_rest")
    return _response(raw, int(status), reason, headers, known)


def build_response(
    request: RestRequest, *, status: int, reason: str, headers: Iterable[tuple[str, str]], request_hash: bytes
) -> RestResponse:
    """The part for a service's answer to `request` (reference 1.3): its headers in order, filtered, then the five that bind the
    answer. `reason` may be empty. MalformedMessage `invalid_response` when the service's answer cannot travel."""
    if not _STATUS.fullmatch(str(status)) or _CONTROL.search(reason) or _WIDE.search(reason):
        raise MalformedMessage("the service answered with an illegal status line", code="invalid_response")
    kept = _travelling(headers, _NOT_FROM_SERVICE, "invalid_response")
    own = {
        _ID: request.message_id,
        _CLIENT: _encoded(request.client),
        _SERVICE: _encoded(request.service),
        _REQUEST_ID: request.request_id,
        _REQUEST_HASH: b64encode(request_hash).decode(),
    }
    kept += own.items()
    return _response(_print_part(str(status), reason, kept), status, reason, tuple(kept), own)


def _print_part(first: str, second: str, headers: Iterable[tuple[str, str]]) -> bytes:
    return f"{first}\r\n{second}\r\n{_print_headers(headers)}".encode()


def _print_headers(headers: Iterable[tuple[str, str]]) -> str:
    return "".join([f"{name}:{value}\r\n" for name, value in headers])


def _parse_part(raw: bytes) -> tuple[str, str, Headers, dict[str, str]]:
    """First line, second line, headers, the same by name. Lines end CRLF, the last one too, and hold no control character: what is
    returned is printed as `raw` again."""
    try:
        first, second, rest = raw.decode("utf-8").split("\r\n", 2)
    except ValueError as e:  # UnicodeDecodeError is one
        raise MalformedMessage("a REST part is UTF-8 text with lines ending in CR LF", code="invalid_rest") from e
    if _CONTROL.search(first) or _CONTROL.search(second):
        raise MalformedMessage("a REST part holds no control character", code="invalid_rest")
    if rest.count("\r\n") > MAX_HEADERS:
        raise MalformedMessage("too many headers in a REST part", code="invalid_rest")
    headers = tuple(_LINE.findall(rest))
    known = _by_name(headers)
    if _print_headers(headers) != rest or not SKIPPED_HEADERS.isdisjoint(known):
        raise MalformedMessage("illegal header line in a REST part", code="invalid_rest")
    return first, second, headers, known


def _travelling(headers: Iterable[tuple[str, str]], dropped: frozenset[str], code: str) -> list[tuple[str, str]]:
    """Headers that enter the part. A CR or LF in a value would be a header of the attacker's choice, signed by us: what is printed
    must read as the same headers again."""
    given = list(headers)
    text = _print_headers(given)
    if _LINE.findall(text) != given or (not text.isascii() and _WIDE.search(text)):
        raise MalformedMessage("illegal character in an HTTP header", code=code)
    kept = [header for header in given if header[0].lower() not in dropped]
    if len(kept) > MAX_HEADERS - 5:  # room for ours
        raise MalformedMessage("too many HTTP headers", code=code)
    return kept


def _by_name(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Values by name in lower case; of repeated ones the last, as X-Road takes it."""
    return {name.lower(): value for name, value in headers}


def _request(raw: bytes, verb: str, target: str, headers: Headers, known: dict[str, str], code: str) -> RestRequest:
    if verb not in VERBS:
        raise MalformedMessage("unknown HTTP method", code=code)
    path, mark, query = target.partition("?")
    if not _PATH.fullmatch(path) or not _QUERY.fullmatch(query):
        raise MalformedMessage("the target is not a legal URI path and query", code=code)
    pieces = path.split("/", 7)
    if len(pieces) < 7 or pieces[1] != "r1":
        raise MalformedMessage("expected /r1/instance/class/member/subsystem/service", code=code)
    _check_party(known.get(_PARTY), code)
    server = known.get(_SERVER)
    return RestRequest(
        raw=raw,
        verb=verb,
        path=path,
        query=query if mark else None,
        service_path="/" + pieces[7] if len(pieces) == 8 else "",
        headers=headers,
        client=_identifier(_client_id, _required(known, _CLIENT, code), "invalid_client_identifier"),
        service=_identifier(_service_id, "/".join(pieces[2:7]), code),
        message_id=_message_id(known, code),
        request_id=_request_id(known, code),
        target_server=None if server is None else _identifier(_server_id, server, "invalid_security_server"),
    )


def _response(raw: bytes, status: int, reason: str, headers: Headers, known: dict[str, str]) -> RestResponse:
    return RestResponse(
        raw=raw,
        status=status,
        reason=reason,
        headers=headers,
        message_id=_message_id(known, "invalid_rest"),
        client=_identifier(_client_id, _required(known, _CLIENT, "invalid_rest"), "invalid_rest"),
        service=_identifier(_service_id, _required(known, _SERVICE, "invalid_rest"), "invalid_rest"),
        request_id=_request_id(known, "invalid_rest"),
        request_hash=_hash_value(_required(known, _REQUEST_HASH, "invalid_rest")),
    )


def _required(known: dict[str, str], name: str, code: str) -> str:
    value = known.get(name)
    if not value:
        raise MalformedMessage(f"the header {name} is missing or empty", code=code)
    return value


def _message_id(known: dict[str, str], code: str) -> str:
    value = _required(known, _ID, code)
    if len(value) > _MAX_MESSAGE_ID:
        raise MalformedMessage("x-road-id is longer than 255 characters", code=code)
    return value


def _request_id(known: dict[str, str], code: str) -> str:
    value = _required(known, _REQUEST_ID, code)
    if not _REQUEST_ID_FORM.fullmatch(value):
        raise MalformedMessage("x-road-request-id is not a plain identifier", code=code)
    return value


def _hash_value(text: str) -> bytes:
    try:
        value = binascii.a2b_base64(text.encode("ascii"), strict_mode=True)
    except ValueError as e:  # binascii.Error and UnicodeEncodeError are
        raise MalformedMessage("x-road-request-hash is not base64", code="invalid_rest") from e
    if len(value) != 64 or b64encode(value).decode() != text:
        raise MalformedMessage("x-road-request-hash is not a SHA-512 value", code="invalid_rest")
    return value


def _identifier(parse: Callable[[str], _T], text: str, code: str) -> _T:
    try:
        return parse(text)
    except MalformedMessage as e:
        raise MalformedMessage(e.safe_detail, code=code) from e


def _check_party(value: str | None, code: str) -> None:
    """`[class/]code`; a real provider fails on more pieces."""
    if value is None:
        return
    pieces = value.split("/")
    if len(pieces) > 2:
        raise MalformedMessage("x-road-represented-party has one or two pieces", code=code)
    for piece in pieces:
        _identifier(decode_piece, piece, code)


def _check_caller_target(target: str) -> None:
    """What a real provider or a real client proxy always refuses is told to the caller before anything is signed: a service
    path whose escapes decode to a character illegal in java.net.URI (reference 1.2 a), and ambiguous paths (1.1)."""
    if len(target) > MAX_TARGET:
        raise MalformedMessage("the request target is longer than 8 KiB", code="bad_request")
    path = target.partition("?")[0]
    if _AMBIGUOUS.search(path):
        raise MalformedMessage("the path has an empty segment or disguised dot segment", code="bad_request")
    if "%" not in path:
        return
    tail = path.split("/", 7)[7:]
    try:
        decoded = unquote_to_bytes("/" + "".join(tail)).decode("utf-8")
    except ValueError as e:
        raise MalformedMessage("an escape in the path is not UTF-8", code="bad_request") from e
    if _ILLEGAL_DECODED.search(decoded) or any(unicodedata.category(c)[0] == "Z" for c in decoded):
        raise MalformedMessage(
            "the path escapes a character that no X-Road provider accepts there (a space, for instance); use the query",
            code="bad_request",
        )


@lru_cache(1024)
def _encoded(identifier: ClientId | ServiceId) -> str:
    return identifier.encoded()
