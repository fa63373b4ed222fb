"""REST parts: the one spelling, what is refused, and what a caller is told (reference 1.2, 1.3, 3.8, 3.9)."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from dataclasses import replace

import pytest

from gateway.core.digest import sha512
from gateway.core.errors import MalformedMessage
from gateway.core.identifiers import MemberId, SecurityServerId, ServiceId, SubsystemId
from gateway.core.messages.rest import (
    SKIPPED_HEADERS,
    RestRequest,
    RestResponse,
    build_request,
    build_response,
    header,
    parse_request,
    parse_response,
    request_hash,
)

CLIENT = SubsystemId("VN", "GOV", "G02", "hotich")
SERVICE = ServiceId(SubsystemId("VN", "GOV", "G01", "dancu"), "persons")
PREFIX = "/r1/VN/GOV/G01/dancu/persons"
REQUEST_ID = "9a1c0c55-52c0-4b4f-a8a0-1b2f6cb0a111"
HASH = b64encode(bytes(64)).decode()

REQUEST = (
    "POST\r\n/r1/VN/GOV/G01/dancu/persons/items?x=1\r\nX-Road-Client:VN/GOV/G02/hotich\r\nX-Road-Id:abc-1\r\n"
    f"Content-Type:application/json\r\nx-road-request-id:{REQUEST_ID}\r\n"
).encode()
RESPONSE = (
    "200\r\nOK\r\nContent-Type:application/json\r\nx-road-id:abc-1\r\nx-road-client:VN/GOV/G02/hotich\r\n"
    f"x-road-service:VN/GOV/G01/dancu/persons\r\nx-road-request-id:{REQUEST_ID}\r\nx-road-request-hash:{HASH}\r\n"
).encode()


def build(
    target: str = PREFIX, *headers: tuple[str, str], verb: str = "GET", client: str | None = "VN/GOV/G02/hotich"
) -> RestRequest:
    first = () if client is None else (("X-Road-Client", client),)
    return build_request(
        verb=verb, target=target, headers=(*first, *headers), request_id=REQUEST_ID, message_id="VN-made"
    )


def answer(*headers: tuple[str, str], status: int = 200, reason: str = "OK") -> RestResponse:
    request = parse_request(REQUEST)
    return build_response(request, status=status, reason=reason, headers=headers, request_hash=bytes(64))


# --- request parts ---------------------------------------------------------------------------------------------------


def test_request_is_read_completely() -> None:
    request = parse_request(REQUEST)
    assert request == RestRequest(
        raw=REQUEST,
        verb="POST",
        path=PREFIX + "/items",
        query="x=1",
        service_path="/items",
        headers=(
            ("X-Road-Client", "VN/GOV/G02/hotich"),
            ("X-Road-Id", "abc-1"),
            ("Content-Type", "application/json"),
            ("x-road-request-id", REQUEST_ID),
        ),
        client=CLIENT,
        service=SERVICE,
        message_id="abc-1",
        request_id=REQUEST_ID,
        target_server=None,
    )
    assert request.target == PREFIX + "/items?x=1"


@pytest.mark.parametrize(
    ("target", "service_path", "query"),
    [
        (PREFIX, "", None),
        (PREFIX + "/", "/", None),
        (PREFIX + "?", "", ""),
        (PREFIX + "/a/../b?c=[1]&d=%20/?", "/a/../b", "c=[1]&d=%20/?"),
        (PREFIX + "/%2F%C4%91;v=1", "/%2F%C4%91;v=1", None),
    ],
)
def test_target_stays_as_written(target: str, service_path: str, query: str | None) -> None:
    request = build(target)
    assert (request.service_path, request.query, request.target) == (service_path, query, target)
    assert parse_request(request.raw) == request


def test_escaped_identifiers_are_decoded_after_splitting() -> None:
    request = build("/r1/VN/GOV/G%C4%9001/a%20b/svc")
    assert request.service == ServiceId(SubsystemId("VN", "GOV", "GĐ01", "a b"), "svc")


BAD_REQUESTS = {
    "empty": b"",
    "only a line end": b"\r\n",
    "LF line ends": REQUEST.replace(b"\r\n", b"\n"),
    "CR line ends": REQUEST.replace(b"\r\n", b"\r"),
    "one LF line end": REQUEST.replace(b"abc-1\r\n", b"abc-1\n"),
    "no last line end": REQUEST[:-2],
    "blank line at the end": REQUEST + b"\r\n",
    "trailing byte": REQUEST + b"x",
    "byte order mark": b"\xef\xbb\xbf" + REQUEST,
    "not UTF-8": REQUEST.replace(b"abc-1", b"abc-\xff"),
    "overlong UTF-8": REQUEST.replace(b"abc-1", b"abc-\xc0\xaf"),
    "UTF-8 surrogate": REQUEST.replace(b"abc-1", b"abc-\xed\xa0\x80"),
    "unknown verb": REQUEST.replace(b"POST", b"BREW"),
    "lower-case verb": REQUEST.replace(b"POST", b"post"),
    "CONNECT": REQUEST.replace(b"POST", b"CONNECT"),
    "space after verb": REQUEST.replace(b"POST", b"POST "),
    "authority": REQUEST.replace(b"/r1/", b"//r1/"),
    "scheme": REQUEST.replace(b"/r1/", b"http://h/r1/"),
    "fragment": REQUEST.replace(b"?x=1", b"?x=1#f"),
    "space in path": REQUEST.replace(b"items", b"it ms"),
    "bracket in path": REQUEST.replace(b"items", b"it[ms"),
    "pipe in query": REQUEST.replace(b"x=1", b"x=|"),
    "raw letter beyond ASCII in path": REQUEST.replace(b"items", "đ".encode()),
    "broken escape": REQUEST.replace(b"items", b"it%4"),
    "tab in target": REQUEST.replace(b"items", b"it\tms"),
    "protocol r2": REQUEST.replace(b"/r1/", b"/r2/"),
    "no subsystem": REQUEST.replace(b"/dancu/persons/items", b"/persons"),
    "empty member code": REQUEST.replace(b"G01", b""),
    "slash in an identifier": REQUEST.replace(b"G01", b"G%2F"),
    "header without colon": REQUEST + b"nonsense\r\n",
    "header without name": REQUEST + b":x\r\n",
    "space in header name": REQUEST.replace(b"Content-Type:", b"Content-Type :"),
    "folded header": REQUEST + b" folded:x\r\n",
    "NUL in value": REQUEST.replace(b"json", b"js\0n"),
    "escape character in value": REQUEST.replace(b"json", b"js\x1bn"),
    "DEL in value": REQUEST.replace(b"json", b"js\x7fn"),
    "lone CR in value": REQUEST.replace(b"json", b"js\rn"),
    "no request id": REQUEST.replace(f"x-road-request-id:{REQUEST_ID}\r\n".encode(), b""),
    "title-case request id": REQUEST.replace(b"x-road-request-id", b"X-Road-Request-Id"),
    "request id twice": REQUEST + f"x-road-request-id:{REQUEST_ID}\r\n".encode(),
    "request id in two cases": REQUEST + f"X-Road-Request-Id:{REQUEST_ID}\r\n".encode(),
    "two request ids, the second title-case": REQUEST + b"X-Road-Request-Id:other\r\n",
    "empty request id": REQUEST.replace(REQUEST_ID.encode(), b""),
    "space in request id": REQUEST.replace(REQUEST_ID.encode(), b"a b"),
    "no client": REQUEST.replace(b"X-Road-Client", b"X-Other"),
    "no message id": REQUEST.replace(b"X-Road-Id", b"X-Other"),
    "empty message id": REQUEST.replace(b"X-Road-Id:abc-1", b"X-Road-Id:"),
    "message id of 256": REQUEST.replace(b"abc-1", b"a" * 256),
    "represented party of three pieces": REQUEST + b"X-Road-Represented-Party:A/B/C\r\n",
    "too many headers": REQUEST + b"a:\r\n" * 1000,
    **{f"skipped header {name}": REQUEST + f"{name.title()}:x\r\n".encode() for name in sorted(SKIPPED_HEADERS)},
}


@pytest.mark.parametrize("raw", BAD_REQUESTS.values(), ids=BAD_REQUESTS.keys())
def test_request_parse_fail(raw: bytes) -> None:
    with pytest.raises(MalformedMessage) as e:
        parse_request(raw)
    assert e.value.code == "invalid_rest"


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"X-Road-Client:VN/GOV\r\n", "invalid_client_identifier"),
        (b"X-Road-Client:VN/GOV/a%zz\r\n", "invalid_client_identifier"),
        (b"X-Road-Security-Server:VN/GOV/G01\r\n", "invalid_security_server"),
    ],
)
def test_request_identifier_fail(line: bytes, code: str) -> None:
    with pytest.raises(MalformedMessage) as e:
        parse_request(REQUEST + line)
    assert e.value.code == code


def test_last_of_repeated_headers_wins() -> None:
    request = parse_request(
        REQUEST + b"X-ROAD-CLIENT:VN/GOV/G03\r\nx-road-id:last\r\nx-Road-security-server:A/B/C/D\r\n"
    )
    assert request.client == MemberId("VN", "GOV", "G03")
    assert request.message_id == "last"
    assert request.target_server == SecurityServerId("A", "B", "C", "D")


def test_values_keep_spaces_colons_tabs_and_c1_letters() -> None:
    request = parse_request(REQUEST + "X-A: b:c\t\x85ễ \r\nX-Empty:\r\n".encode())
    assert request.headers[-2:] == (("X-A", " b:c\t\x85ễ "), ("X-Empty", ""))


# --- building from a call --------------------------------------------------------------------------------------------


def test_worked_example_of_the_reference() -> None:
    request = build_request(
        verb="POST",
        target="/r1/DEV/COM/1234/TestService/mock1/items?x=1",
        headers=(
            ("Host", "ss1:8080"),
            ("X-Road-Client", "DEV/COM/4321/TestClient"),
            ("X-Road-Id", "abc-1"),
            ("Content-Type", "application/json"),
            ("Content-Length", "7"),
        ),
        request_id="9a1c",
        message_id="unused",
    )
    assert request.raw == (
        b"POST\r\n/r1/DEV/COM/1234/TestService/mock1/items?x=1\r\nX-Road-Client:DEV/COM/4321/TestClient\r\n"
        b"X-Road-Id:abc-1\r\nContent-Type:application/json\r\nx-road-request-id:9a1c\r\n"
    )


def test_generated_id_comes_after_the_request_id_and_replaced_headers_go() -> None:
    request = build(PREFIX, ("X-Road-Request-Id", "mine"), ("x-road-request-hash", "x"), ("B", "1"), ("b", "2"))
    assert request.headers == (
        ("X-Road-Client", "VN/GOV/G02/hotich"),
        ("B", "1"),
        ("b", "2"),
        ("x-road-request-id", REQUEST_ID),
        ("x-road-id", "VN-made"),
    )
    assert (request.message_id, request.request_id) == ("VN-made", REQUEST_ID)


def test_latin1_text_is_written_as_utf8() -> None:
    """`ễ` as an information system sends it in UTF-8 is signed doubly encoded (reference 1.3)."""
    request = build(PREFIX, ("X-Name", "ễ".encode().decode("latin-1")))
    assert b"X-Name:\xc3\xa1\xc2\xbb\xc2\x85\r\n" in request.raw


def test_skipped_headers_do_not_travel() -> None:
    request = build(PREFIX, *((name.title(), "x") for name in SKIPPED_HEADERS), ("Cookie", "c"))
    assert [name for name, _ in request.headers] == ["X-Road-Client", "Cookie", "x-road-request-id", "x-road-id"]


BAD_TARGETS = {
    "not r1": "/r2/VN/GOV/G01/dancu/persons",
    "too short": "/r1/VN/GOV/G01/persons",
    "absolute form": "http://h" + PREFIX,
    "fragment": PREFIX + "#x",
    "raw space": PREFIX + "/a b",
    "raw braces": PREFIX + "/{id}",
    "raw bracket": PREFIX + "/[1]",
    "raw UTF-8": PREFIX + "/đ",
    "newline": PREFIX + "/a\r\nX-Evil:1",
    "bad escape": PREFIX + "/%g1",
    "bad escape in query": PREFIX + "?%1",
    "raw pipe in query": PREFIX + "?a|b",
    "over 8 KiB": PREFIX + "?" + "a" * 8192,
    # X-Road's client proxy refuses these as ambiguous, its provider fails on the rest (reference 1.1, 1.2 a)
    "empty segment": PREFIX + "/a//b",
    "escaped dot segment": PREFIX + "/%2e%2E/x",
    "half-escaped dot segment": PREFIX + "/.%2e",
    "dot segment with parameter": PREFIX + "/..;/x",
    "escaped space": PREFIX + "/a%20b",
    "escaped percent": PREFIX + "/a%2541",
    "escaped brace": PREFIX + "/%7Bid%7D",
    "escaped quote": PREFIX + "/%22",
    "escaped backslash": PREFIX + "/a%5Cb",
    "escaped bracket": PREFIX + "/%5B",
    "escaped control": PREFIX + "/a%00",
    "escaped C1 control": PREFIX + "/%C2%85",
    "escaped no-break space": PREFIX + "/%C2%A0",
    "escaped line separator": PREFIX + "/%E2%80%A8",
    "two escaped hashes": PREFIX + "/a%23b%23",
    "only an escaped slash": PREFIX + "/%2F",
    "escape that is not UTF-8": PREFIX + "/%FF",
    "identifier escape that is not UTF-8": "/r1/VN/GOV/%FF/dancu/persons",
    "percent in an identifier": "/r1/VN/GOV/a%25/dancu/persons",
}


@pytest.mark.parametrize("target", BAD_TARGETS.values(), ids=BAD_TARGETS.keys())
def test_build_target_fail(target: str) -> None:
    with pytest.raises(MalformedMessage) as e:
        build(target)
    assert e.value.code == "bad_request"


def test_what_only_our_client_side_refuses_still_parses() -> None:
    """Another gateway may send an escaped space: the part is canonical, so the provider's side takes it."""
    assert parse_request(REQUEST.replace(b"items", b"a%20b")).service_path == "/a%20b"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X-A", "a\r\nX-Road-Client:VN/GOV/G01"),
        ("X-A", "a\nb"),
        ("X-A", "a\rb"),
        ("X-A", "a\0"),
        ("X-A", "a\x1b"),
        ("X-A", "ễ"),  # a character that no single byte decodes to
        ("X-A", "\udcff"),
        ("X A", "a"),
        ("X-A:", "a"),
        ("", "a"),
        ("X-Ạ", "a"),
        ("X-Road-Id", ""),
        ("X-Road-Id", "a" * 256),
        ("X-Road-Represented-Party", "a/b/c"),
        ("X-Road-Represented-Party", "a/%"),
    ],
)
def test_build_header_fail(name: str, value: str) -> None:
    with pytest.raises(MalformedMessage) as e:
        build(PREFIX, (name, value))
    assert e.value.code == "bad_request"


@pytest.mark.parametrize("client", [None, "", "VN/GOV", "VN/GOV/G02/hotich/x", "VN//G02", "VN/GOV/G02/ho tich"])
def test_build_client_fail(client: str | None) -> None:
    with pytest.raises(MalformedMessage) as e:
        build(PREFIX, client=client)
    assert e.value.code == "invalid_client_identifier"


def test_build_other_fail() -> None:
    with pytest.raises(MalformedMessage) as e:
        build(PREFIX, verb="CONNECT")
    assert e.value.code == "bad_request"
    with pytest.raises(MalformedMessage) as e:
        build(PREFIX, ("X-Road-Security-Server", "VN/GOV/G01"))
    assert e.value.code == "invalid_security_server"
    with pytest.raises(MalformedMessage) as e:
        build(PREFIX, *[("A", "b")] * 1000)
    assert e.value.code == "bad_request"


# --- response parts --------------------------------------------------------------------------------------------------


def test_response_is_read_completely() -> None:
    response = parse_response(RESPONSE)
    assert (response.raw, response.status, response.reason) == (RESPONSE, 200, "OK")
    assert response.headers[0] == ("Content-Type", "application/json")
    assert (response.client, response.service) == (CLIENT, SERVICE)
    assert (response.message_id, response.request_id) == ("abc-1", REQUEST_ID)
    assert response.request_hash == bytes(64)


def test_response_is_built_in_order_and_filtered() -> None:
    response = answer(
        ("Server", "x"),
        ("Content-Type", "application/json"),
        ("X-Road-Id", "forged"),
        ("X-Road-Client", "forged"),
        ("X-Road-Request-Id", "forged"),
        ("X-Road-Request-Hash", "forged"),
        ("Transfer-Encoding", "chunked"),
    )
    assert response.raw == RESPONSE
    assert response == parse_response(RESPONSE)


def test_service_header_of_the_service_stays_and_ours_wins() -> None:
    response = answer(("x-road-service", "A/B/C/D/E"), ("x-road-error", "theirs"))
    assert response.service == SERVICE
    assert [value for name, value in response.headers if name == "x-road-service"] == [
        "A/B/C/D/E",
        "VN/GOV/G01/dancu/persons",
    ]
    assert header(response.headers, "X-Road-Error") == "theirs"


def test_empty_reason_and_escaped_identifiers() -> None:
    request = replace(parse_request(REQUEST), client=MemberId("VN", "GOV", "Bộ Y"), service=SERVICE)
    response = build_response(request, status=404, reason="", headers=(), request_hash=bytes(64))
    assert response.raw.startswith(b"404\r\n\r\nx-road-id:abc-1\r\nx-road-client:VN/GOV/B%E1%BB%99%20Y\r\n")


BAD_RESPONSES = {
    "empty": b"",
    "one line": b"200\r\n",
    "no last line end": RESPONSE[:-2],
    "LF": RESPONSE.replace(b"\r\n", b"\n"),
    "blank line at the end": RESPONSE + b"\r\n",
    "interim status": RESPONSE.replace(b"200\r\n", b"101\r\n", 1),
    "status of four digits": RESPONSE.replace(b"200\r\n", b"2000\r\n", 1),
    "sign before status": RESPONSE.replace(b"200\r\n", b"+20\r\n", 1),
    "digit of another script": RESPONSE.replace(b"200\r\n", "٢٠٠\r\n".encode(), 1),
    "control in reason": RESPONSE.replace(b"OK", b"O\x08K"),
    "skipped header": RESPONSE + b"Connection:close\r\n",
    "no id": RESPONSE.replace(b"x-road-id", b"x-other"),
    "empty id": RESPONSE.replace(b"x-road-id:abc-1", b"x-road-id:"),
    "no client": RESPONSE.replace(b"x-road-client", b"x-other"),
    "no service": RESPONSE.replace(b"x-road-service", b"x-other"),
    "service of four pieces": RESPONSE.replace(b"/persons", b""),
    "no request id": RESPONSE.replace(b"x-road-request-id", b"x-other"),
    "no request hash": RESPONSE.replace(b"x-road-request-hash", b"x-other"),
    "hash that is not base64": RESPONSE.replace(HASH.encode(), b"!!!!"),
    "hash beyond ASCII": RESPONSE.replace(HASH.encode(), "ễ".encode()),
    "short hash": RESPONSE.replace(HASH.encode(), b64encode(bytes(32))),
    "hash with stray bits": RESPONSE.replace(b"AA==", b"AB=="),
}


@pytest.mark.parametrize("raw", BAD_RESPONSES.values(), ids=BAD_RESPONSES.keys())
def test_response_parse_fail(raw: bytes) -> None:
    with pytest.raises(MalformedMessage) as e:
        parse_response(raw)
    assert e.value.code == "invalid_rest"


@pytest.mark.parametrize(
    ("status", "reason", "headers"),
    [
        (100, "Continue", ()),
        (1000, "", ()),
        (-20, "", ()),
        (200, "O\r\nK", ()),
        (200, "ễ", ()),
        (200, "OK", (("X", "a\r\nb"),)),
        (200, "OK", (("X Y", "a"),)),
        (200, "OK", (("Server", "a\0"),)),  # even one that would not travel: the answer is not what it seems
    ],
)
def test_build_response_fail(status: int, reason: str, headers: tuple[tuple[str, str], ...]) -> None:
    with pytest.raises(MalformedMessage) as e:
        answer(*headers, status=status, reason=reason)
    assert e.value.code == "invalid_response"


# --- hash and look-up ------------------------------------------------------------------------------------------------


def test_request_hash_with_without_and_with_empty_body() -> None:
    of_part = hashlib.sha512(b"part").digest()
    assert request_hash(b"part", None) == of_part
    assert request_hash(b"part", sha512(b"")) == hashlib.sha512(of_part + hashlib.sha512(b"").digest()).digest()
    assert request_hash(b"part", sha512(b"x")) == hashlib.sha512(of_part + hashlib.sha512(b"x").digest()).digest()


def test_header_ignores_case_and_takes_the_last() -> None:
    headers = (("Accept", "a"), ("ACCEPT", "b"), ("X", ""))
    assert header(headers, "accept") == "b"
    assert header(headers, "x") == ""
    assert header(headers, "y") is None
