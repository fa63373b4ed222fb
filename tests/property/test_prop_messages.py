"""Message parts: any bytes give a value or MalformedMessage; what we build is what a peer reads; no second spelling."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from gateway.core.errors import MalformedMessage
from gateway.core.messages.fault import Fault, parse_soap_fault, print_rest_error, print_soap_fault
from gateway.core.messages.rest import (
    VERBS,
    RestRequest,
    build_request,
    build_response,
    parse_request,
    parse_response,
)
from gateway.core.messages.soap import parse_soap

REQUEST = (
    b"POST\r\n/r1/VN/GOV/G01/dancu/persons/a%20b?x=1\r\nX-Road-Client:VN/GOV/G02/hotich\r\nX-Road-Id:abc-1\r\nA: b\r\n"
    b"X-Road-Security-Server:VN/GOV/G01/ss1\r\nx-road-request-id:9a1c\r\n"
)
RESPONSE = (
    b"200\r\nOK\r\nContent-Type:a/b\r\nx-road-id:abc-1\r\nx-road-client:VN/GOV/G02/hotich\r\nx-road-service:VN/GOV/G01/dancu/p"
    b"\r\nx-road-request-id:9a1c\r\nx-road-request-hash:" + b"A" * 86 + b"==\r\n"
)
SOAP = (
    b'<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" xmlns:x="http://x-road.eu/xsd/xroad.xsd" '
    b'xmlns:i="http://x-road.eu/xsd/identifiers"><s:Header><x:client i:objectType="MEMBER"><i:xRoadInstance>VN'
    b"</i:xRoadInstance><i:memberClass>GOV</i:memberClass><i:memberCode>G01</i:memberCode></x:client><x:id>1</x:id>"
    b"</s:Header><s:Body><s:Fault><faultcode>a</faultcode><detail><d>x</d></detail></s:Fault></s:Body></s:Envelope>"
)

_PARSERS: list[tuple[Callable[[bytes], object], bytes]] = [
    (parse_request, REQUEST),
    (parse_response, RESPONSE),
    (parse_soap, SOAP),
    (parse_soap_fault, SOAP),
]


@pytest.mark.parametrize("parse", [parse for parse, _ in _PARSERS])
@given(data=st.binary(max_size=300))
@example(b"\r\n" * 5)
@example(b"")
def test_any_bytes(parse: Callable[[bytes], object], data: bytes) -> None:
    with suppress(MalformedMessage):
        parse(data)


@pytest.mark.parametrize(("parse", "sample"), _PARSERS)
@given(data=st.data())
def test_damaged_messages(parse: Callable[[bytes], object], sample: bytes, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(sample)))
    end = data.draw(st.integers(start, min(len(sample), start + 20)))
    with suppress(MalformedMessage):
        parse(sample[:start] + data.draw(st.binary(max_size=8)) + sample[end:])


@given(st.integers(0, len(REQUEST) - 1), st.integers(0, 255))
def test_one_altered_byte_is_never_the_same_request(at: int, byte: int) -> None:
    """X-Road takes several spellings for one request and hashes yet another (reference 3.8)."""
    assume(REQUEST[at] != byte)
    altered = REQUEST[:at] + bytes([byte]) + REQUEST[at + 1 :]
    try:
        parsed = parse_request(altered)
    except MalformedMessage:
        return
    assert parsed.raw == altered
    assert replace(parsed, raw=REQUEST) != parse_request(REQUEST)


latin1 = st.text(
    st.characters(max_codepoint=0xFF, blacklist_characters="".join(map(chr, [*range(9), *range(10, 32), 127])))
)
names = st.text("abcXYZ09-_.!#$%&'*+^`|~", min_size=1, max_size=12)
pieces = st.sampled_from(["VN", "a-b", "G%C4%9001", "x'(),=@+~$!&*"])
segments = st.sampled_from(["", "/", "/a", "/a/../b", "/%2F%3Fx", "/a;b=c"])
queries = st.one_of(st.just(""), st.text("ab09=&?/[]%", max_size=12).filter(lambda t: "%" not in t).map("?".__add__))
headers = st.lists(
    st.tuples(st.one_of(names, st.sampled_from(["Host", "X-Road-Issue", "x-road-Request-ID"])), latin1), max_size=6
)


@st.composite
def requests(draw: st.DrawFn) -> RestRequest:
    path = "/r1/" + "/".join(draw(st.tuples(*[pieces] * 5))) + draw(segments)
    client = "/".join(draw(st.lists(pieces, min_size=3, max_size=4)))
    fields = draw(headers)
    fields.insert(draw(st.integers(0, len(fields))), ("X-Road-Client", client))
    return build_request(
        verb=draw(st.sampled_from(sorted(VERBS))),
        target=path + draw(queries),
        headers=fields,
        request_id=str(draw(st.uuids())),
        message_id="VN-1",
    )


@given(requests())
def test_built_request_parses_to_itself(request: RestRequest) -> None:
    assert parse_request(request.raw) == request
    assert request.raw.decode().count("\r\n") == 2 + len(request.headers)


@given(requests(), st.integers(200, 999), latin1, headers, st.binary(min_size=64, max_size=64))
def test_built_response_parses_to_itself(
    request: RestRequest, status: int, reason: str, fields: list[tuple[str, str]], digest: bytes
) -> None:
    response = build_response(request, status=status, reason=reason, headers=fields, request_hash=digest)
    assert parse_response(response.raw) == response
    assert (response.client, response.service) == (request.client, request.service)
    assert (response.message_id, response.request_id) == (request.message_id, request.request_id)
    assert response.request_hash == digest


texts = st.text(st.characters(blacklist_categories=["Cc", "Cs"], blacklist_characters="%\ufffe\uffff"), max_size=40)


@given(st.text("abcAB._:-", min_size=1, max_size=40), texts, st.none() | texts, st.none() | texts)
def test_fault_round_trip(code: str, text: str, detail: str | None, actor: str | None) -> None:
    fault = Fault(code, text, detail, actor)
    assert parse_soap_fault(print_soap_fault(fault)) == fault


@given(st.text(max_size=40), st.none() | st.text(max_size=20))
def test_any_text_can_be_printed(text: str, accept: str | None) -> None:
    fault = Fault("a", text, text, text)
    assert b"%" not in print_soap_fault(fault)
    parse_soap_fault(print_soap_fault(fault))
    assert print_rest_error(fault, accept)[1]
