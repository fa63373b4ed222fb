"""Time-stamps: any bytes are a value or the one error; every signature of a batch leads to its stamp."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.digest import sha512
from gateway.core.errors import MalformedMessage, TimestampRejected
from gateway.core.signing.hashtree import build_tree
from gateway.core.signing.timestamp import verify_timestamp
from gateway.core.signing.timestampbatch import batch_chain, batch_result, verify_batch_chain
from gateway.core.signing.tsp import build_query, parse_query, parse_response, parse_token, with_certificates
from tests.support.pki import Pki

PKI = Pki()
QUERY = build_query(sha512(b"data"))
ANSWER = PKI.authority().answer(QUERY, PKI.now)
TOKEN = PKI.stamp(b"data")

PARSERS: list[tuple[Callable[[bytes], object], bytes]] = [
    (parse_query, QUERY),
    (parse_response, ANSWER),
    (parse_token, TOKEN),
    (lambda data: with_certificates(data, (PKI.tsa.certificate,)), TOKEN),
]


@st.composite
def near(draw: st.DrawFn, good: bytes) -> bytes:
    """A piece of `good` replaced by others: most of what is interesting in ASN.1 is a valid value in a wrong place."""
    start = draw(st.integers(0, len(good)))
    end = draw(st.integers(start, min(len(good), start + 40)))
    other = draw(st.integers(0, len(good)))
    piece = draw(st.one_of(st.binary(max_size=8), st.just(good[other : other + 20]), st.just(b"\x30\x80" * 300)))
    return good[:start] + piece + good[end:]


@pytest.mark.parametrize(("parse", "good"), PARSERS)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_bytes_are_a_value_or_the_error(parse: Callable[[bytes], object], good: bytes, data: st.DataObject) -> None:
    received = data.draw(st.one_of(st.binary(max_size=200), near(good)))
    try:
        parse(received)
    except MalformedMessage:
        return


@settings(max_examples=60, deadline=None)
@given(near(TOKEN))
def test_any_token_is_verified_or_rejected(token: bytes) -> None:
    try:
        verified = verify_timestamp(token, b"data", (PKI.approved_tsa,))
    except TimestampRejected:
        return
    assert verified == verify_timestamp(TOKEN, b"data", (PKI.approved_tsa,))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.binary(max_size=4), min_size=2, max_size=40), st.data())
def test_every_signature_of_a_batch_leads_to_the_stamp(signatures: list[bytes], data: st.DataObject) -> None:
    tree = build_tree([sha512(s) for s in signatures])
    n = data.draw(st.integers(0, len(signatures) - 1))
    result, chain = batch_result(tree.root), batch_chain(sha512(signatures[n]), tree.path(n))
    verify_batch_chain(result, chain, signatures[n])
    with pytest.raises(MalformedMessage):
        verify_batch_chain(result, chain, signatures[n] + b"x")


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_chain_is_verified_or_malformed(data: st.DataObject) -> None:
    tree = build_tree([sha512(x) for x in (b"a", b"b", b"c")])
    chain = batch_chain(sha512(b"a"), tree.path(0))
    try:
        verify_batch_chain(batch_result(tree.root), data.draw(near(chain)), b"a")
    except MalformedMessage:
        return
