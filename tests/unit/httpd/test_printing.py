"""Heads of answers: what HTTP adds to the handler's headers, and where a body has no place."""

from __future__ import annotations

import pytest

from gateway.httpd.printing import print_head
from gateway.httpd.values import Answer

DATED = (("Date", "d"),)


@pytest.mark.parametrize(
    ("method", "status", "body", "length"),
    [
        ("GET", 200, b"abc", b"Content-Length: 3\r\n"),
        ("GET", 200, b"", b"Content-Length: 0\r\n"),
        ("GET", 205, b"", b"Content-Length: 0\r\n"),
        ("HEAD", 200, b"abc", b"Content-Length: 3\r\n"),
        ("HEAD", 200, b"", b""),
        ("GET", 204, b"", b""),
        ("GET", 304, b"", b""),
        ("CONNECT", 200, b"abc", b""),
        ("CONNECT", 400, b"", b"Content-Length: 0\r\n"),
    ],
)
def test_length(method: str, status: int, body: bytes, length: bytes) -> None:
    head = print_head(method, "1.1", Answer(status, (*DATED, ("Content-Type", "t")), body), keep=True)
    assert head.partition(b"\r\n")[2] == b"Date: d\r\nContent-Type: t\r\n" + length + b"\r\n"


@pytest.mark.parametrize(
    ("version", "keep", "connection"),
    [
        ("1.1", True, b""),
        ("1.1", False, b"Connection: close\r\n"),
        ("1.0", True, b"Connection: keep-alive\r\n"),
        ("1.0", False, b""),
    ],
)
def test_what_becomes_of_the_connection(version: str, keep: bool, connection: bytes) -> None:
    head = print_head("GET", version, Answer(204, DATED), keep=keep)
    assert head == b"HTTP/%b 204 No Content\r\nDate: d\r\n%b\r\n" % (version.encode(), connection)


def test_bytes_of_headers_are_those_that_came() -> None:
    headers = (("x-a", "\xc3\xa1\xff"), ("X-A", ""))
    head = print_head("GET", "1.1", Answer(299, headers, b"abc"), keep=True)
    assert head.startswith(b"HTTP/1.1 299 \r\nx-a: \xc3\xa1\xff\r\nX-A: \r\nContent-Length: 3\r\n")
    assert b"\r\nContent-Type: application/octet-stream\r\nDate: " in head
    assert b"erver:" not in head


def test_text_of_a_header_that_no_bytes_read_as_leaves_as_utf_8() -> None:
    headers = (("x-a", "\xc3\xa1\xff"), ("x-name", "Nguyễn"))
    head = print_head("GET", "1.1", Answer(200, headers), keep=True)
    assert b"\r\nx-a: \xc3\xa1\xff\r\nx-name: Nguy\xe1\xbb\x85n\r\nContent-Length: 0\r\n" in head
    assert head.endswith(b"\r\n\r\n")
    assert head.count(b"\r\n\r\n") == 1
