"""The promise header: printed, read, and never the service's to give."""

from __future__ import annotations

import pytest

from gateway.core.disclosure.promise import Promise, parse_promise, print_promise, promise_of, with_promise
from gateway.core.errors import MalformedMessage

ONE = Promise("tlog.vn.example/access/2026", (bytes(32),))
TWO = Promise("tlog.vn.example/access/2026", (bytes(32), b"\xff" * 32))
ZEROS, ONES = "A" * 43 + "=", "/" * 42 + "8="


@pytest.mark.parametrize(
    ("promise", "text"),
    [(ONE, f"tlog.vn.example/access/2026 {ZEROS}"), (TWO, f"tlog.vn.example/access/2026 {ZEROS}, {ONES}")],
)
def test_there_and_back(promise: Promise, text: str) -> None:
    assert print_promise(promise) == text
    assert parse_promise(text) == promise


@pytest.mark.parametrize(
    "text",
    [
        "",
        "tlog.vn.example/access/2026",
        f" {ZEROS}",
        f"a+b {ZEROS}",
        f"a {ZEROS[:-1]}",
        f"a {'/' * 43}=",  # another spelling of the same bytes
        f"a {ZEROS},{ONES}",
        f"a {ZEROS}, ",
        f"a  {ZEROS}",
        "a AAAA",
        f"a {', '.join([ZEROS] * 251)}",
    ],
)
def test_no_promise(text: str) -> None:
    with pytest.raises(MalformedMessage):
        parse_promise(text)


def test_in_the_headers_of_a_response() -> None:
    service = [("Content-Type", "text/plain"), ("access-record", "forged")]
    assert with_promise(service, None) == service[:1]
    sent = tuple(with_promise(service, ONE))
    assert sent == (service[0], ("Access-Record", print_promise(ONE)))
    assert promise_of(sent) == ONE
    assert promise_of(tuple(service[:1])) is None
    with pytest.raises(MalformedMessage):
        promise_of((*sent, *sent))
