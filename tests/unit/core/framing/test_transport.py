"""The message between servers: part order, limits, faults, encoder (reference 3.7)."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from gateway.core.errors import MalformedMessage
from gateway.core.framing.transport import (
    FAULT,
    HASH_CHAIN,
    HASH_CHAIN_RESULT,
    OCSP,
    REST_BODY,
    REST_REQUEST,
    REST_RESPONSE,
    SIGNATURE,
    AttachmentBegin,
    AttachmentData,
    AttachmentEnd,
    Direction,
    Event,
    FramingLimits,
    MessageKind,
    TransportDecoder,
    TransportEncoder,
    TransportMessage,
    parse_boundary,
)

B = "xtopAbCdEfGhIjKlMnOpQrStUvWxYzAbCd"
SOAP = "text/xml; charset=UTF-8"
NESTED = "multipart/mixed; charset=UTF-8; boundary=xattN"
REQUEST, RESPONSE = Direction.REQUEST, Direction.RESPONSE
Part = tuple[str, bytes]

REQ: Part = (REST_REQUEST, b"req")
RES: Part = (REST_RESPONSE, b"res")
BODY: Part = (REST_BODY, b"body")
RESULT: Part = (HASH_CHAIN_RESULT, b"result")
CHAIN: Part = (HASH_CHAIN, b"chain")
SIG: Part = (SIGNATURE, b"sig")
FLT: Part = (FAULT, b"fault")
STATUS: Part = (OCSP, b"ocsp")
XML: Part = (SOAP, b"soap")
ATTACHED: Part = (NESTED, b"\r\n--xattN\r\nA: 1\r\n\r\none\r\n--xattN\r\nB: 2\r\n\r\n\r\n\r\n--xattN--\r\n")


def encode(parts: Iterable[Part]) -> bytes:
    encoder = TransportEncoder(B)
    return b"".join(encoder.part(*part) for part in parts) + encoder.close()


def decode(
    data: bytes, direction: Direction = REQUEST, limits: FramingLimits | None = None
) -> tuple[TransportMessage, list[Event]]:
    decoder = TransportDecoder(B, direction, limits) if limits else TransportDecoder(B, direction)
    events = decoder.feed(data)
    return decoder.close(), events


def head(content_type: str) -> tuple[tuple[str, str], ...]:
    return (("content-type", content_type),)


def test_encoder_writes_the_form_of_the_reference() -> None:
    encoder = TransportEncoder("xtopA")
    assert encoder.content_type == "multipart/mixed; charset=UTF-8; boundary=xtopA"
    assert parse_boundary(encoder.content_type) == "xtopA"
    assert encoder.part(OCSP, b"\0") == b"--xtopA\r\ncontent-type: application/ocsp-response\r\n\r\n\0"
    assert encoder.open(REST_BODY) == b"\r\n--xtopA\r\ncontent-type: application/x-road-rest-body\r\n\r\n"
    assert encoder.close() == b"\r\n--xtopA--\r\n"


@pytest.mark.parametrize("boundary", ["", "a b", "ễ", "a\r\nb", "a" * 71])
def test_encoder_boundary_fail(boundary: str) -> None:
    with pytest.raises(MalformedMessage):
        TransportEncoder(boundary)


def test_whole_rest_request() -> None:
    message, events = decode(encode([STATUS, (OCSP, b"two"), REQ, BODY, RESULT, CHAIN, SIG]))
    assert message == TransportMessage(
        kind=MessageKind.REST,
        ocsp=(b"ocsp", b"two"),
        part=b"req",
        part_headers=head(REST_REQUEST),
        attachments=1,
        hash_chain_result=b"result",
        hash_chain=b"chain",
        signature=b"sig",
        fault=None,
    )
    assert events == [AttachmentBegin(1, head(REST_BODY)), AttachmentData(b"body"), AttachmentEnd(1)]


def test_soap_attachments_come_out_raw_and_numbered() -> None:
    message, events = decode(encode([XML, ATTACHED, RESULT, CHAIN, SIG]), RESPONSE)
    assert (message.kind, message.part, message.attachments) == (MessageKind.SOAP, b"soap", 2)
    assert events == [
        AttachmentBegin(1, (("A", "1"),)),
        AttachmentData(b"one"),
        AttachmentEnd(1),
        AttachmentBegin(2, (("B", "2"),)),
        AttachmentData(b"\r\n"),
        AttachmentEnd(2),
    ]


def test_soap_part_keeps_its_original_headers() -> None:
    data = encode([XML, SIG]).replace(b"UTF-8\r\n", b"UTF-8\r\nContent-ID: <root>\r\n", 1)
    assert decode(data)[0].part_headers == (("content-type", SOAP), ("Content-ID", "<root>"))


GOOD = {
    "signature only over the message": (REQUEST, [REQ, SIG], MessageKind.REST),
    "empty body part": (REQUEST, [REQ, (REST_BODY, b""), RESULT, CHAIN, SIG], MessageKind.REST),
    "body signed by direct references": (RESPONSE, [RES, BODY, SIG], MessageKind.REST),
    "chain without body (batch)": (REQUEST, [REQ, RESULT, CHAIN, SIG], MessageKind.REST),
    "OCSP in a response": (RESPONSE, [STATUS, RES, SIG], MessageKind.REST),
    "soap": (REQUEST, [STATUS, XML, SIG], MessageKind.SOAP),
    "soap of another type": (REQUEST, [("application/xop+xml; type=a", b""), SIG], MessageKind.SOAP),
    "soap response": (RESPONSE, [XML, SIG], MessageKind.SOAP),
    "fault instead of a message": (RESPONSE, [FLT], MessageKind.FAULT),
    "fault instead of a signature": (RESPONSE, [RES, FLT], MessageKind.FAULT),
    "fault after the body": (RESPONSE, [RES, BODY, FLT], MessageKind.FAULT),
    "fault after the chain": (RESPONSE, [RES, BODY, RESULT, CHAIN, FLT], MessageKind.FAULT),
    "fault after soap": (RESPONSE, [XML, FLT], MessageKind.FAULT),
    "fault after soap attachments": (RESPONSE, [XML, ATTACHED, FLT], MessageKind.FAULT),
}


@pytest.mark.parametrize(("direction", "parts", "kind"), GOOD.values(), ids=GOOD.keys())
def test_order(direction: Direction, parts: list[Part], kind: MessageKind) -> None:
    message, _ = decode(encode(parts), direction)
    assert message.kind is kind
    assert (message.fault, message.signature) == ((b"fault", None) if kind is MessageKind.FAULT else (None, b"sig"))


def test_fault_instead_of_a_message_leaves_no_part() -> None:
    assert decode(encode([FLT]), RESPONSE)[0].part == b""
    assert decode(encode([RES, FLT]), RESPONSE)[0].part == b"res"


ORDER_FAILS = {
    "nothing": (REQUEST, [], "mime_parsing_failed"),
    "only OCSP": (REQUEST, [STATUS], "missing_rest"),
    "only a message": (REQUEST, [REQ], "missing_signature"),
    "only a response": (RESPONSE, [RES, BODY], "missing_signature"),
    "chain without signature": (REQUEST, [REQ, RESULT, CHAIN], "missing_signature"),
    "signature alone": (REQUEST, [SIG], "invalid_content_type"),
    "body before message": (REQUEST, [BODY, REQ, SIG], "invalid_content_type"),
    "response in a request": (REQUEST, [RES, SIG], "invalid_content_type"),
    "request in a response": (RESPONSE, [REQ, SIG], "invalid_content_type"),
    "two messages": (REQUEST, [REQ, REQ, SIG], "invalid_content_type"),
    "soap after rest": (REQUEST, [REQ, XML, SIG], "invalid_content_type"),
    "two bodies": (REQUEST, [REQ, BODY, BODY, SIG], "invalid_content_type"),
    "rest body of soap": (REQUEST, [XML, BODY, SIG], "invalid_content_type"),
    "attachments of rest": (REQUEST, [REQ, ATTACHED, SIG], "invalid_content_type"),
    "OCSP after the message": (REQUEST, [REQ, STATUS, SIG], "invalid_content_type"),
    "chain before its result": (REQUEST, [REQ, CHAIN, RESULT, SIG], "invalid_content_type"),
    "chain result without chain": (REQUEST, [REQ, RESULT, SIG], "invalid_content_type"),
    "body after chain": (REQUEST, [REQ, RESULT, CHAIN, BODY, SIG], "invalid_content_type"),
    "unknown part": (REQUEST, [REQ, ("text/plain", b""), SIG], "invalid_content_type"),
    "part after the signature": (REQUEST, [REQ, SIG, ("text/plain", b"")], "invalid_message"),
    "two signatures": (REQUEST, [REQ, SIG, SIG], "invalid_message"),
    "signature after fault": (RESPONSE, [RES, FLT, SIG], "invalid_message"),
    "fault after signature": (RESPONSE, [RES, SIG, FLT], "invalid_message"),
    "fault in a REST request (X-Road accepts)": (REQUEST, [REQ, FLT], "invalid_content_type"),
    "fault as request (X-Road accepts)": (REQUEST, [FLT], "missing_signature"),
    "parameter on a content type (X-Road accepts)": (
        REQUEST,
        [(REST_REQUEST + "; a=b", b""), SIG],
        "invalid_content_type",
    ),
    "attachments of an unusable type": (REQUEST, [XML, ("multipart/mixed; a=b", b""), SIG], "invalid_content_type"),
    "attachments without one": (REQUEST, [XML, (NESTED, b"\r\n--xattN--\r\n"), SIG], "mime_parsing_failed"),
    "attachments cut short": (REQUEST, [XML, (NESTED, ATTACHED[1][:-4]), SIG], "mime_parsing_failed"),
    "attachments without first line end": (REQUEST, [XML, (NESTED, ATTACHED[1][2:]), SIG], "mime_parsing_failed"),
    "bytes after the attachments": (REQUEST, [XML, (NESTED, ATTACHED[1] + b"x"), SIG], "mime_parsing_failed"),
}


@pytest.mark.parametrize(("direction", "parts", "code"), ORDER_FAILS.values(), ids=ORDER_FAILS.keys())
def test_order_fail(direction: Direction, parts: list[Part], code: str) -> None:
    with pytest.raises(MalformedMessage) as e:
        decode(encode(parts), direction)
    assert e.value.code == code


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"", "invalid_content_type"),
        (b"X-A: b\r\n", "invalid_content_type"),
        (b"content-type: signature/bdoc-1.0/ts\r\nContent-Type: signature/bdoc-1.0/ts\r\n", "invalid_content_type"),
        (b"content-type: signature/bdoc-1.0/ts\r\nX-A: b\r\n", "mime_parsing_failed"),  # X-Road accepts
    ],
)
def test_part_header_fail(line: bytes, code: str) -> None:
    data = encode([REQ, SIG]).replace(b"content-type: signature/bdoc-1.0/ts\r\n", line)
    with pytest.raises(MalformedMessage) as e:
        decode(data)
    assert e.value.code == code


def test_header_names_are_case_insensitive() -> None:
    assert decode(encode([REQ, SIG]).replace(b"content-type", b"Content-Type"))[0].signature == b"sig"


def test_missing_closing_boundary_fail() -> None:
    """A real server's answer may be framed by the end of the connection: a cut must not pass for an end (reference 3.6)."""
    whole = encode([RES, SIG])
    for cut in range(len(whole)):
        with pytest.raises(MalformedMessage):
            decode(whole[:cut], RESPONSE)


SMALL = FramingLimits(message=4, part=4, ocsp=4, ocsp_parts=2, attachments=2, body=7)
LIMIT_FAILS = {
    "message": [(REST_REQUEST, b"12345"), SIG],
    "soap message": [(SOAP, b"12345"), SIG],
    "signature": [REQ, (SIGNATURE, b"12345")],
    "chain result": [REQ, (HASH_CHAIN_RESULT, b"12345"), (HASH_CHAIN, b""), SIG],
    "chain": [REQ, (HASH_CHAIN_RESULT, b""), (HASH_CHAIN, b"12345"), SIG],
    "OCSP": [(OCSP, b"12345"), REQ, SIG],
    "OCSP parts": [STATUS, STATUS, STATUS, REQ, SIG],
    "body": [REQ, (REST_BODY, b"12345678"), SIG],
}


@pytest.mark.parametrize("parts", LIMIT_FAILS.values(), ids=LIMIT_FAILS.keys())
def test_limit_fail(parts: list[Part]) -> None:
    with pytest.raises(MalformedMessage) as e:
        decode(encode(parts), REQUEST, SMALL)
    assert e.value.code == "mime_parsing_failed"


def test_just_within_limits() -> None:
    parts: list[Part] = [STATUS, STATUS, (REST_REQUEST, b"1234"), (REST_BODY, b"1234567"), (SIGNATURE, b"1234")]
    assert decode(encode(parts), REQUEST, SMALL)[0].signature == b"1234"


def test_attachment_limit_fail() -> None:
    limits = FramingLimits(attachments=1)
    with pytest.raises(MalformedMessage):
        decode(encode([XML, ATTACHED, SIG]), REQUEST, limits)


def test_limit_strikes_while_reading() -> None:
    decoder = TransportDecoder(B, REQUEST, SMALL)
    decoder.feed(encode([REQ])[: -len(B) - 8])
    with pytest.raises(MalformedMessage):
        decoder.feed(b"x" * 100)


def test_body_passes_through_without_being_held() -> None:
    decoder = TransportDecoder(B, REQUEST)
    encoder = TransportEncoder(B)
    decoder.feed(encoder.part(*REQ) + encoder.open(REST_BODY))
    sizes = []
    for _ in range(100):
        events = decoder.feed(b"x" * 10_000)
        sizes.append(sum(len(event.data) for event in events if isinstance(event, AttachmentData)))
    assert sizes[0] > 9_900
    assert set(sizes[1:]) == {10_000}


def test_a_refused_message_stays_refused() -> None:
    decoder = TransportDecoder(B, REQUEST)
    with pytest.raises(MalformedMessage):
        decoder.feed(encode([SIG]))
    with pytest.raises(MalformedMessage):
        decoder.feed(b"")
    with pytest.raises(MalformedMessage):
        decoder.close()
