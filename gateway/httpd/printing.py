"""The head of an answer: the handler's headers in order and unchanged, then those that are HTTP's own business.
Names no software.
"""

from __future__ import annotations

import re
import time
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus

from gateway.httpd.values import Answer

_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_FRAMING = frozenset({"content-length", "transfer-encoding", "connection"})


def print_head(method: str, version: str, answer: Answer, *, keep: bool) -> bytes:
    """Of the answer to a request with this method and version. `keep`: the connection stays open. ValueError for headers that would
    break the head: nothing of them leaves."""
    lines = [f"{name}: {value}" for name, value in answer.headers]
    names = {name.lower() for name, _ in answer.headers}
    if _CONTROL.search("\t".join(lines)) or not names.isdisjoint(_FRAMING):
        raise ValueError("headers that no answer may have")
    lines.insert(0, f"HTTP/{version} {_status(answer.status)}")
    length = len(answer.body) if answer.pieces is None else answer.length
    if _has_length(method, answer.status, length):
        lines.append(f"Content-Length: {length}")
    if length and "content-type" not in names and not without_body(method, answer.status):
        lines.append("Content-Type: application/octet-stream")
    if "date" not in names:
        lines.append(_date(int(time.time())))
    if not keep and version == "1.1":
        lines.append("Connection: close")
    elif keep and version == "1.0":
        lines.append("Connection: keep-alive")
    lines.append("\r\n")
    try:
        return "\r\n".join(lines).encode("latin-1")
    except UnicodeEncodeError:  # what no byte reads as leaves as UTF-8, as it does to a service
        return b"\r\n".join(_bytes(line) for line in lines)


def _bytes(line: str) -> bytes:
    try:
        return line.encode("latin-1")
    except UnicodeEncodeError:
        return line.encode()


def without_body(method: str, status: int) -> bool:
    """Bytes of a body that HTTP does not expect would be taken for the next answer on this connection (response splitting)."""
    return method == "HEAD" or status in (204, 304) or (method == "CONNECT" and status < 300)


def _has_length(method: str, status: int, length: int) -> bool:
    """RFC 9110, 8.6. Of what a HEAD or a 304 leaves out 0 would be a guess."""
    if status == 204 or (method == "CONNECT" and status < 300):
        return False
    return length > 0 or not without_body(method, status)


@lru_cache(128)
def _status(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return f"{status} "


@lru_cache(1)
def _date(second: int) -> str:
    return f"Date: {formatdate(second, usegmt=True)}"
