"""Answers of a 5577 look-up, as real servers frame them and as nobody should (reference 3.4)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.errors import MalformedMessage
from gateway.signer.multipart import parse_ocsp_parts

TYPE = 'multipart/related; type="application/ocsp-response"; charset=UTF-8; boundary=jetty1'
HEAD = b"--jetty1\r\nContent-Type: application/ocsp-response\r\n\r\n"

GOOD = {
    "one": (TYPE, HEAD + b"DER" + b"\r\n--jetty1--\r\n", (b"DER",)),
    "two in order": (TYPE, HEAD + b"A\r\n" + HEAD + b"B\r\n--jetty1--\r\n", (b"A", b"B")),
    "none": (TYPE, b"--jetty1--", ()),
    "first delimiter after a line break": (TYPE, b"\r\n" + HEAD + b"A\r\n--jetty1--\r\n", (b"A",)),
    "line breaks inside": (TYPE, HEAD + b"\r\nA\r\n\r\n\r\n--jetty1--\r\n", (b"\r\nA\r\n\r\n",)),
    "quoted boundary": (TYPE.replace("jetty1", '"jetty1"'), HEAD + b"A\r\n--jetty1--\r\n", (b"A",)),
    "header in another case": (
        TYPE,
        b"--jetty1\r\nX-Y: z\r\ncontent-type:  Application/OCSP-Response; x=y\r\n\r\nA\r\n--jetty1--\r\n",
        (b"A",),
    ),
    "other types are passed over": (
        TYPE,
        b"--jetty1\r\nContent-Type: text/plain\r\n\r\nhello\r\n" + HEAD + b"A\r\n--jetty1--\r\n",
        (b"A",),
    ),
}


@pytest.mark.parametrize("name", GOOD)
def test_parsed(name: str) -> None:
    content_type, body, expected = GOOD[name]
    assert parse_ocsp_parts(content_type, body) == expected


BAD = {
    "empty": (TYPE, b""),
    "no closing delimiter": (TYPE, HEAD + b"A\r\n"),
    "cut inside the closing delimiter": (TYPE, HEAD + b"A\r\n--jetty1-"),
    "something after the end": (TYPE, HEAD + b"A\r\n--jetty1--\r\nmore"),
    "something before the beginning": (TYPE, b"hello\r\n" + HEAD + b"A\r\n--jetty1--"),
    "no blank line": (TYPE, b"--jetty1\r\nContent-Type: application/ocsp-response\r\n--jetty1--"),
    "delimiter runs on": (TYPE, b"--jetty12\r\n\r\nA\r\n--jetty1--"),
    "headers without end": (TYPE, b"--jetty1\r\n" + b"a: b\r\n" * 400 + b"\r\nA\r\n--jetty1--"),
    "another type": ("multipart/mixed; boundary=jetty1", HEAD + b"A\r\n--jetty1--"),
    "no type": ("", HEAD + b"A\r\n--jetty1--"),
    "no boundary": ("multipart/related", HEAD + b"A\r\n--jetty1--"),
    "two boundaries": (TYPE + "; boundary=x", HEAD + b"A\r\n--jetty1--"),
    "empty boundary": ('multipart/related; boundary=""', b"--\r\n"),
    "unreadable parameters": ("multipart/related; boundary=jetty1; ???", HEAD + b"A\r\n--jetty1--"),
}


@pytest.mark.parametrize("name", BAD)
def test_malformed_fail(name: str) -> None:
    with pytest.raises(MalformedMessage) as e:
        parse_ocsp_parts(*BAD[name])
    assert e.value.code == "ocsp_response_parsing_failure"


alphabet = st.sampled_from([b"--jetty1", b"--", b"\r\n", b"\r\n\r\n", b"Content-Type: application/ocsp-response", b"A"])


@given(st.lists(alphabet | st.binary(max_size=5)).map(b"".join), st.text(max_size=30))
def test_any_bytes_give_parts_or_our_error(body: bytes, content_type: str) -> None:
    for given_type in (TYPE, content_type):
        try:
            parts = parse_ocsp_parts(given_type, body)
        except MalformedMessage:
            continue
        assert all(isinstance(p, bytes) for p in parts)


@given(st.lists(st.binary(max_size=50), max_size=4))
def test_what_a_server_writes_comes_back(ders: list[bytes]) -> None:
    boundary = "q7Zk0xT4p"
    body = b"".join(
        b"--%b\r\nContent-Type: application/ocsp-response\r\n\r\n%b\r\n" % (boundary.encode(), d) for d in ders
    )
    assert parse_ocsp_parts(TYPE.replace("jetty1", boundary), body + b"--q7Zk0xT4p--\r\n") == tuple(ders)
