"""The answer to a look-up of OCSP responses by hash: `multipart/related` with one DER response a part (reference 3.4)."""

from __future__ import annotations

import re

from gateway.core.errors import MalformedMessage

_TYPE = "application/ocsp-response"
_BOUNDARY = r"[A-Za-z0-9'()+_,\-./:=?]{1,70}"  # RFC 2046 5.1.1, without the blank
_PARAMETER = re.compile(rf'\s*;\s*([A-Za-z0-9\-]+)=(?:"([^"\\\r\n]*)"|({_BOUNDARY}))\s*')
_MOST_HEADERS = 1024


def parse_ocsp_parts(content_type: str, body: bytes) -> tuple[bytes, ...]:
    """The DER of every `application/ocsp-response` part in order; parts of other types are passed over.

    MalformedMessage unless the body is complete, to its closing delimiter.
    """
    delimiter = b"--" + _boundary(content_type).encode()
    # A delimiter stands at the beginning of a line; so does the first, which may be the beginning of the body.
    pieces = (b"\r\n" + body).split(b"\r\n" + delimiter)
    if len(pieces) < 2 or pieces[0].strip(b"\r\n") or pieces[-1].rstrip(b" \t\r\n") != b"--":
        raise _malformed("is not framed by its boundary")
    return tuple(der for piece in pieces[1:-1] if (der := _part(piece)) is not None)


def _boundary(content_type: str) -> str:
    media_type, semicolon, rest = content_type.partition(";")
    found: list[str] = []
    at, rest = 0, semicolon + rest
    while at < len(rest):
        m = _PARAMETER.match(rest, at)
        if m is None:
            raise _malformed("has an unreadable Content-Type")
        if m[1].lower() == "boundary":
            found.append(m[2] if m[2] is not None else m[3])
        at = m.end()
    if media_type.strip().lower() != "multipart/related" or len(found) != 1 or not re.fullmatch(_BOUNDARY, found[0]):
        raise _malformed("is not multipart/related with one boundary")
    return found[0]


def _part(piece: bytes) -> bytes | None:
    line_end = re.match(rb"[ \t]*\r\n", piece)
    head, blank, der = (b"\r\n" + piece[line_end.end() :]).partition(b"\r\n\r\n") if line_end else (b"", b"", b"")
    if not blank or len(head) > _MOST_HEADERS:
        raise _malformed("has a part without headers")
    types = [v for n, _, v in (h.partition(b":") for h in head.split(b"\r\n")) if n.strip().lower() == b"content-type"]
    media_types = {t.partition(b";")[0].strip().lower() for t in types}
    return der if media_types == {_TYPE.encode()} else None


def _malformed(what: str) -> MalformedMessage:
    return MalformedMessage(f"The OCSP look-up's answer {what}", code="ocsp_response_parsing_failure")
