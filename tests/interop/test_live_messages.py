"""Messages of real X-Road 7.8.1 servers, and messages they accepted: we take every one apart, write the same bytes, and
refuse what we must. Signatures are checked in `test_live_signatures.py`."""

from __future__ import annotations

import re
from base64 import b64encode
from pathlib import Path

import pytest

from gateway.core.digest import sha512
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
    Direction,
    MessageKind,
    TransportDecoder,
    TransportEncoder,
    TransportMessage,
    parse_boundary,
)
from gateway.core.messages.fault import Fault, parse_soap_fault, print_soap_fault
from gateway.core.messages.rest import (
    RestRequest,
    build_request,
    build_response,
    parse_request,
    parse_response,
    request_hash,
)
from gateway.core.messages.soap import parse_soap
from tests.support.http_raw import VECTORS, RawHttp, parse_http

LIVE = VECTORS / "xroad-live"
TRANSPORT = VECTORS / "xroad" / "transport"
SOAP = VECTORS / "xroad" / "soap"

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(not LIVE.is_dir(), reason="the folder shared/vectors beside the checkout is absent"),
]

REQUESTS = sorted(LIVE.rglob("*-request.bin"))
SOAP_REQUESTS = [path for path in REQUESTS if path.name in ("03-request.bin", "04-request.bin")]
REST_REQUESTS = [path for path in REQUESTS if path not in SOAP_REQUESTS]
RESPONSES = {path: path.with_name(path.name.replace("-request.bin", "-response.bin")) for path in REQUESTS}
BARE_FAULTS = [path for path in RESPONSES.values() if path.exists() and b"Content-Type: text/xml" in path.read_bytes()]
LATE_FAULT = LIVE / "accepted" / "to-consumer" / "rsa-fault-as-last-part-response.bin"
ANSWERED = [path for path in REST_REQUESTS if RESPONSES[path] not in BARE_FAULTS and RESPONSES[path] != LATE_FAULT]


def name(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


def load(path: Path) -> RawHttp:
    return parse_http(path.read_bytes())


def decode(http: RawHttp, pieces: tuple[bytes, ...] | None = None) -> tuple[TransportMessage, list[bytes]]:
    """The message and its attachments. `pieces`: another chunking than the one on the wire."""
    direction = Direction.REQUEST if http.start_line.startswith("POST ") else Direction.RESPONSE
    decoder = TransportDecoder(parse_boundary(http.headers["content-type"]), direction)
    bodies: list[bytes] = []
    for piece in http.pieces if pieces is None else pieces:
        for event in decoder.feed(piece):
            if isinstance(event, AttachmentBegin):
                bodies.append(b"")
            elif isinstance(event, AttachmentData):
                bodies[-1] += event.data
    return decoder.close(), bodies


def encode(http: RawHttp, message: TransportMessage, bodies: list[bytes]) -> bytes:
    """The same REST message in our spelling."""
    encoder = TransportEncoder(parse_boundary(http.headers["content-type"]))
    parts = [(OCSP, data) for data in message.ocsp]
    parts.append((REST_REQUEST if http.start_line.startswith("POST ") else REST_RESPONSE, message.part))
    parts += [(REST_BODY, body) for body in bodies]
    rest = {
        HASH_CHAIN_RESULT: message.hash_chain_result,
        HASH_CHAIN: message.hash_chain,
        SIGNATURE: message.signature,
        FAULT: message.fault,
    }
    parts += [(content_type, data) for content_type, data in rest.items() if data is not None]
    return b"".join(encoder.part(*part) for part in parts) + encoder.close()


def test_the_vectors_are_there() -> None:
    assert len(REQUESTS) == 67
    assert len(ANSWERED) == 59
    assert len(BARE_FAULTS) == 5


@pytest.mark.parametrize("path", REST_REQUESTS, ids=name)
def test_rest_request(path: Path) -> None:
    http = load(path)
    message, bodies = decode(http)
    request = parse_request(message.part)
    assert message.kind is MessageKind.REST
    assert len(message.ocsp) == 1
    assert message.attachments == len(bodies) <= 1
    assert request.request_id == http.headers["x-road-request-id"]
    assert request.raw == message.part
    assert encode(http, message, bodies) == http.body
    assert TransportEncoder("xtopA").content_type == re.sub("xtop[A-Za-z]{30}", "xtopA", http.headers["content-type"])


NOT_OURS = {
    "rsa-get-space-in-path-FAULT-request.bin",  # escaped space in the path: real providers always fail
    "rsa-post-nonascii-header-request.bin",  # letters no Latin-1 byte decodes to: no HTTP header can have said that
}


@pytest.mark.parametrize("path", REST_REQUESTS, ids=name)
def test_we_would_have_built_the_same_request(path: Path) -> None:
    """Headers as the information system sent them, that is without the generated lines."""
    request = parse_request(decode(load(path))[0].part)
    names = [n for n, _ in request.headers]
    generated = {"x-road-request-id"}
    if "x-road-id" in names and names.index("x-road-id") > names.index("x-road-request-id"):
        generated.add("x-road-id")
    headers = [(n, v) for n, v in request.headers if n not in generated]
    if path.name not in NOT_OURS:
        assert rebuild(request, headers) == request
        return
    with pytest.raises(MalformedMessage) as e:
        rebuild(request, headers)
    assert e.value.code == "bad_request"


def rebuild(request: RestRequest, headers: list[tuple[str, str]]) -> RestRequest:
    return build_request(
        verb=request.verb,
        target=request.target,
        headers=headers,
        request_id=request.request_id,
        message_id=request.message_id,
    )


@pytest.mark.parametrize("path", ANSWERED, ids=name)
def test_rest_response_answers_its_request(path: Path) -> None:
    sent, sent_bodies = decode(load(path))
    http = load(RESPONSES[path])
    message, bodies = decode(http)
    request, response = parse_request(sent.part), parse_response(message.part)
    body = sha512(sent_bodies[0]) if sent_bodies else None
    assert response.request_hash == request_hash(sent.part, body)
    assert (response.client, response.service) == (request.client, request.service)
    assert (response.message_id, response.request_id) == (request.message_id, request.request_id)
    assert encode(http, message, bodies) == http.body
    rebuilt = build_response(
        request,
        status=response.status,
        reason=response.reason,
        headers=[(n, v) for n, v in response.headers if n != "x-road-service"],
        request_hash=response.request_hash,
    )
    assert rebuilt == response


@pytest.mark.parametrize("path", BARE_FAULTS, ids=name)
def test_bare_fault_is_written_byte_for_byte(path: Path) -> None:
    body = load(path).body
    assert print_soap_fault(parse_soap_fault(body)) == body


def test_faults_are_read() -> None:
    assert parse_soap_fault(load(LIVE / "wire" / "05-response.bin").body) == Fault(
        "server.serverproxy.access_denied",
        "Request is not allowed: SERVICE:DEV/COM/1234/TestService/restecho",
        "43b6825b-eaed-40b9-8886-2f2ae4f83cf1",
        "",
    )


def test_late_fault() -> None:
    http = load(LATE_FAULT)
    message, bodies = decode(http)
    assert (message.kind, message.signature, bodies) == (MessageKind.FAULT, None, [])
    assert message.fault is not None
    assert parse_soap_fault(message.fault) == Fault("server.serverproxy.internal_error", "late", "det-2")
    assert parse_response(message.part).status == 200
    assert encode(http, message, bodies) == http.body


@pytest.mark.parametrize("path", SOAP_REQUESTS, ids=name)
def test_soap_exchange(path: Path) -> None:
    sent, sent_bodies = decode(load(path))
    received, received_bodies = decode(load(RESPONSES[path]))
    request, response = parse_soap(sent.part), parse_soap(received.part)
    assert (sent.kind, received.kind) == (MessageKind.SOAP, MessageKind.SOAP)
    assert (request.is_response, response.is_response) == (False, True)
    assert (response.client, response.service, response.message_id) == (
        request.client,
        request.service,
        request.message_id,
    )
    assert str(request.service) == f"DEV/COM/1234/TestService/{'addNumbers' if '03' in path.name else 'echoFile'}/v1"
    assert (request.request_hash, response.request_hash) == (None, sha512(sent.part).value)
    assert len(sent_bodies) == len(received_bodies) == (0 if "03" in path.name else 1)


@pytest.mark.parametrize("side", ["request", "response"])
def test_soap_attachment_is_what_the_hash_chain_covers(side: str) -> None:
    """Undecoded: in the response the base64 text itself (reference 3.7)."""
    message, bodies = decode(load(LIVE / "wire" / f"04-{side}.bin"))
    assert message.hash_chain is not None
    covered = dict(re.findall(rb'URI="(/[a-z.0-9]+)">\s*<DigestValue>([^<]+)<', message.hash_chain))
    assert covered == {
        b"/message.xml": b64encode(sha512(message.part).value),
        b"/attachment1": b64encode(sha512(bodies[0]).value),
    }


@pytest.mark.parametrize(
    "path", [LIVE / "wire" / f"0{n}-{side}.bin" for n in (2, 4) for side in ("request", "response")], ids=name
)
def test_chunking_does_not_matter(path: Path) -> None:
    http = load(path)
    expected = decode(http)
    for size in (1, 7, 100, len(http.body)):
        pieces = tuple(http.body[i : i + size] for i in range(0, len(http.body), size))
        assert decode(http, pieces) == expected


@pytest.mark.parametrize("path", [LIVE / "wire" / "02-request.bin", LIVE / "wire" / "04-response.bin"], ids=name)
def test_every_cut_is_noticed(path: Path) -> None:
    http = load(path)
    for end in range(0, len(http.body), 37):
        with pytest.raises(MalformedMessage):
            decode(http, (http.body[:end],))


# --- transport messages of X-Road's own tests: SOAP with LF line ends ---------------------------------------------------

# With line ends made CR LF: kind, or the code of the refusal. (*): X-Road accepts it.
RELAXED = {
    "attachment.request": MessageKind.SOAP,
    "extracontent.request": "invalid_message",
    "fault-signature.request": "invalid_content_type",  # (*) a fault in a request
    "invalid-contenttype-signature.request": "invalid_content_type",
    "invalid-soap-contenttype.request": "invalid_content_type",
    "normal-soapfault.request": "mime_parsing_failed",  # (*) no line end after the closing boundary
    "normal.request": MessageKind.SOAP,
    "normal.response": "mime_parsing_failed",  # (*) the same
    "ocsp.request": MessageKind.SOAP,
}


def transport(path: Path, data: bytes) -> TransportMessage:
    boundary = data[2 : data.index(b"\n")].strip().decode()
    direction = Direction.REQUEST if path.suffix == ".request" else Direction.RESPONSE
    decoder = TransportDecoder(boundary, direction)
    decoder.feed(data)
    return decoder.close()


@pytest.mark.parametrize("file", RELAXED)
def test_lf_line_ends_are_refused(file: str) -> None:
    """X-Road's parser takes them; no X-Road server writes them (reference 3.7)."""
    path = TRANSPORT / file
    with pytest.raises(MalformedMessage) as e:
        transport(path, path.read_bytes())
    assert e.value.code == "mime_parsing_failed"


@pytest.mark.parametrize(("file", "expected"), RELAXED.items())
def test_the_same_with_proper_line_ends(file: str, expected: MessageKind | str) -> None:
    path = TRANSPORT / file
    data = re.sub(rb"(?<!\r)\n", b"\r\n", path.read_bytes())
    if isinstance(expected, MessageKind):
        message = transport(path, data)
        assert message.kind is expected
        assert str(parse_soap(message.part).service) == "EE/BUSINESS/producer/getState"
        return
    with pytest.raises(MalformedMessage) as e:
        transport(path, data)
    assert e.value.code == expected


# --- SOAP messages of X-Road's own tests ---------------------------------------------------------------------------------

SOAP_CASES = {
    "simple.query": "EE/BUSINESS/producer/testQuery",
    "simple.answer": "EE/BUSINESS/producer/testQuery",
    "simple-comment.answer": "EE/BUSINESS/producer/testQuery",
    "cdata.query": "EE/BUSINESS/producer/getState",
    "nowhitespace.query": "EE/BUSINESS/producer/getState",
    "xmlencoded.answer": "EE/BUSINESS/producer/testQuery",
    "getstate-subsystem.query": "EE/BUSINESS/producer/subsys2/getState",
    "getstate-defaultnamespace.query": "EE/BUSINESS/producer/getState",
    "split-header.answer": "EE/BUSINESS/producer/getState",
    "response-with-requestId.answer": "EE/GOV/TS1OWNER/mgmt service provider/clientReg",
}
SOAP_FAILS = {
    "empty.query": "invalid_xml",
    "attachm-faulty-soap.query": "invalid_xml",
    "faulty-header.query": "missing_header_field",
    "faulty-header2.query": "duplicate_header_field",
    "no-header.query": "missing_header_field",
    "missing-protocolVersion.query": "missing_header_field",
    "malformed-protocolVersion.query": "invalid_protocol_version",
    "wrong-protocolVersion.query": "invalid_protocol_version",
    "wrong-version.query": "invalid_protocol_version",
    "missing-body.query": "missing_body",
    "malformed-body1.query": "invalid_body",
    "malformed-body2.query": "invalid_body",
    "malformed-body3.query": "inconsistent_headers",
    "inconsistent-headers.query": "inconsistent_headers",
    "missingobjecttype.query": "invalid_soap",
    "requesthash.answer": "invalid_soap",
    "fault.query": "missing_header_field",
}
FAULT_CASES = {
    "fault.query": Fault("CODE", "STRING", "DETAIL", "ACTOR"),
    "customfault.answer": Fault("foo:FOOCODE", "STRING", "DETAIL", "ACTOR"),
    "customsoapenv.answer": Fault("soapenv:Server.CODE", "STRING", "DETAIL", "ACTOR"),
}


@pytest.mark.parametrize(("file", "service"), SOAP_CASES.items())
def test_soap(file: str, service: str) -> None:
    message = parse_soap((SOAP / file).read_bytes())
    assert str(message.service) == service
    assert message.is_response is file.endswith(".answer")


@pytest.mark.parametrize(("file", "code"), SOAP_FAILS.items())
def test_soap_fail(file: str, code: str) -> None:
    with pytest.raises(MalformedMessage) as e:
        parse_soap((SOAP / file).read_bytes())
    assert e.value.code == code


@pytest.mark.parametrize(("file", "fault"), FAULT_CASES.items())
def test_fault_of_others(file: str, fault: Fault) -> None:
    assert parse_soap_fault((SOAP / file).read_bytes()) == fault
