"""A provider's security server that misbehaves, made by hand: what its answers do to a real consumer (reference 1.5, 3.6, 3.7)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import pytest
import pytest_asyncio

from gateway.core.framing import transport as framing
from gateway.core.messages.fault import Fault, print_soap_fault
from gateway.core.messages.rest import RestRequest
from tests.integration.test_information_systems import OURS, check_json
from tests.support.handmade import FalseProvider, http, multipart
from tests.support.rawhttp import head
from tests.support.wire import (
    Hand,
    Part,
    add_part,
    append_part,
    drop_part,
    extend,
    put,
    reorder,
    repeat_part,
    substitute,
    tamper,
)
from tests.support.world import ABROAD, BODY_LIMIT, DVC, World

FRAMING, SIGNED = f"{OURS}.service_failed", f"{OURS}.signature_verification"
REST, BODY, RESULT = framing.REST_RESPONSE, framing.REST_BODY, framing.HASH_CHAIN_RESULT
CHAIN, SIGNATURE = framing.HASH_CHAIN, framing.SIGNATURE
ANSWERED = ("client request", "client response")


@pytest_asyncio.fixture(autouse=True)
async def honest_again(liar: FalseProvider) -> AsyncIterator[None]:
    yield
    liar.answer = liar.good


def says(data: bytes) -> Callable[[RestRequest, bytes | None], object]:
    async def answer(_: RestRequest, __: bytes | None) -> bytes:
        return data

    return answer


async def refused(world: World, code: str, *records: str) -> None:
    got = await world.call(ABROAD)
    assert got.headers["x-road-error"] == code
    assert got.start_line.startswith("HTTP/1.1 500 ")
    check_json(got, code)


async def test_an_honest_answer_is_taken(world: World, liar: FalseProvider) -> None:
    async with world.expect(*ANSWERED):
        got = await world.call(ABROAD)
        assert (got.start_line, got.body) == ("HTTP/1.1 200 OK", b'{"ok":true}')


@dataclass(frozen=True)
class Spoilt:
    name: str
    hand: Hand
    code: str


SPOILT = [
    Spoilt(
        "status changed", substitute(REST, b"200\r\n", b"201\r\n"), f"{SIGNED}.malformed_signature.invalid_hash_chain"
    ),
    Spoilt(
        "header changed",
        substitute(REST, b"application/json", b"application/jsox"),
        f"{SIGNED}.malformed_signature.invalid_hash_chain",
    ),
    Spoilt("header added", extend(REST, b"Set-Cookie:a=b\r\n"), f"{SIGNED}.malformed_signature.invalid_hash_chain"),
    Spoilt("byte of the body", tamper(BODY, 1), f"{SIGNED}.malformed_signature.invalid_hash_chain"),
    Spoilt("longer body", extend(BODY, b" "), f"{SIGNED}.malformed_signature.invalid_hash_chain"),
    Spoilt("byte of the chain result", tamper(RESULT, -30), f"{SIGNED}.malformed_signature.malformed_hash_chain"),
    Spoilt("byte of the chain", tamper(CHAIN, -60), f"{SIGNED}.malformed_signature.malformed_hash_chain"),
    Spoilt(
        "signature value",
        substitute(SIGNATURE, b"SignatureValue>", b"SignatureValue>AAAA"),
        f"{SIGNED}.malformed_signature",
    ),
    Spoilt("signature is no XML", put(SIGNATURE, b"\x00"), f"{SIGNED}.invalid_xml"),
    Spoilt("LF line ends", substitute(REST, b"\r\n", b"\n"), f"{FRAMING}.invalid_rest"),
    Spoilt("status 100", substitute(REST, b"200\r\n", b"100\r\n"), f"{FRAMING}.invalid_rest"),
    Spoilt("header that must not travel", extend(REST, b"Content-Length:0\r\n"), f"{FRAMING}.invalid_rest"),
    Spoilt("no answer part", drop_part(REST), f"{FRAMING}.invalid_content_type"),
    Spoilt("no body", drop_part(BODY), f"{SIGNED}.malformed_signature.invalid_reference"),
    Spoilt("no chain", drop_part(RESULT, CHAIN), f"{SIGNED}.malformed_signature"),
    Spoilt("no signature", drop_part(SIGNATURE), f"{FRAMING}.missing_signature"),
    Spoilt("two answer parts", repeat_part(REST), f"{FRAMING}.invalid_content_type"),
    Spoilt("two bodies", repeat_part(BODY), f"{FRAMING}.invalid_content_type"),
    Spoilt("two signatures", repeat_part(SIGNATURE), f"{FRAMING}.invalid_message"),
    Spoilt("something after the signature", append_part(Part("text/plain", b"x")), f"{FRAMING}.invalid_message"),
    Spoilt("unknown part", add_part(Part("text/plain", b"x"), before=BODY), f"{FRAMING}.invalid_content_type"),
    Spoilt(
        "a request for an answer",
        lambda p: (Part(framing.REST_REQUEST, p[0].data), *p[1:]),
        f"{FRAMING}.invalid_content_type",
    ),
    Spoilt("body first", reorder(REST, BODY), f"{FRAMING}.invalid_content_type"),
    Spoilt("chain before its result", reorder(RESULT, CHAIN), f"{FRAMING}.invalid_content_type"),
    Spoilt("body over the limit", put(BODY, b"b" * (BODY_LIMIT + 1)), f"{FRAMING}.mime_parsing_failed"),
]


@pytest.mark.parametrize("row", SPOILT, ids=lambda row: row.name)
async def test_spoilt_answer(world: World, liar: FalseProvider, row: Spoilt) -> None:
    """The request stands recorded and unanswered."""

    async def answer(request: RestRequest, body: bytes | None) -> bytes:
        return multipart(row.hand(liar.honest(request, body, b'{"ok":true}')))

    async with world.expect("client request"):
        liar.answer = answer
        await refused(world, row.code)


async def test_body_that_no_signature_covers(world: World, liar: FalseProvider) -> None:
    """X-Road takes this (reference 4.4)."""

    async def answer(request: RestRequest, body: bytes | None) -> bytes:
        return multipart(add_part(Part(BODY, b"forged"), before=SIGNATURE)(liar.honest(request, body, None)))

    async with world.expect("client request"):
        liar.answer = answer
        await refused(world, f"{SIGNED}.malformed_signature")


async def test_the_answer_to_an_earlier_call(world: World, liar: FalseProvider) -> None:
    async with world.expect(*ANSWERED, "client request"):
        kept: list[bytes] = []

        async def answer(request: RestRequest, body: bytes | None) -> bytes:
            kept.append(multipart(liar.honest(request, body, b"old")))
            return kept[0]

        liar.answer = answer
        assert (await world.call(ABROAD)).body == b"old"
        await refused(world, f"{OURS}.inconsistent_response")


async def test_validly_signed_for_another_request(world: World, liar: FalseProvider) -> None:
    async def answer(request: RestRequest, body: bytes | None) -> bytes:
        return multipart(liar.honest(request, body, None, request_hash=bytes(64)))

    async with world.expect("client request"):
        liar.answer = answer
        await refused(world, f"{OURS}.inconsistent_response")


# --- HTTP ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Raw:
    name: str
    data: bytes
    code: str


GOOD_TYPE = "content-type: multipart/mixed; boundary=b"
RAW = [
    Raw("nothing", b"", f"{OURS}.network_error"),
    Raw("garbage", b"\x00\xff\x00\xff\r\n\r\n", f"{OURS}.http_error"),
    Raw("half a head", b"HTTP/1.1 200 OK\r\nConte", f"{OURS}.network_error"),
    Raw(
        "half a body",
        b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: 99\r\n\r\n<a",
        f"{OURS}.network_error",
    ),
    Raw("404", http(b"", status="404 Not Found"), f"{OURS}.http_error"),
    Raw("302", http(b"", "Location: http://x.invalid/", status="302 Found"), f"{OURS}.http_error"),
    Raw("101", b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", f"{OURS}.http_error"),
    Raw("no content type", http(b"x"), f"{OURS}.invalid_content_type"),
    Raw(
        "HTML",
        http(b"<html>", "Content-Type: text/html", "x-hash-algorithm: SHA-512"),
        f"{FRAMING}.invalid_content_type",
    ),
    Raw(
        "no boundary",
        http(b"x", "content-type: multipart/mixed", "x-hash-algorithm: SHA-512"),
        f"{FRAMING}.invalid_content_type",
    ),
    Raw("no hash algorithm", http(b"x", GOOD_TYPE), f"{OURS}.internal_error"),
    Raw("another hash algorithm", http(b"x", GOOD_TYPE, "x-hash-algorithm: MD5"), f"{OURS}.internal_error"),
    Raw("no part at all", http(b"", GOOD_TYPE, "x-hash-algorithm: SHA-512"), f"{FRAMING}.mime_parsing_failed"),
    Raw("fault is no XML", http(b"oops", "Content-Type: text/xml"), f"{OURS}.invalid_xml"),
    Raw("fault is no fault", http(b"<a/>", "Content-Type: text/xml"), f"{OURS}.invalid_soap"),
    Raw("fault of 2 MB", http(b"<" * (2 << 20), "Content-Type: text/xml"), f"{OURS}.invalid_body"),
    Raw(
        "fault with entities",
        http(b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', "Content-Type: text/xml"),
        f"{OURS}.invalid_xml",
    ),
    Raw("headers of 40 kB", http(b"", "X-A: " + "a" * 40_000), f"{OURS}.http_error"),
    Raw("two lengths", b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", f"{OURS}.http_error"),
]


@pytest.mark.parametrize("row", RAW, ids=lambda row: row.name)
async def test_raw_answer(world: World, liar: FalseProvider, row: Raw) -> None:
    async with world.expect("client request"):
        liar.answer = says(row.data)  # type: ignore[assignment]
        await refused(world, row.code)


@pytest.mark.slow
async def test_silent_provider(world: World, liar: FalseProvider) -> None:
    async def answer(_: RestRequest, __: bytes | None) -> bytes:
        await asyncio.sleep(3)
        return b""

    async with world.expect("client request"):
        liar.answer = answer
        await refused(world, f"{OURS}.io_error")


# --- faults: somebody else's words ---------------------------------------------------------------------------------------


def faulty(fault: Fault) -> bytes:
    return http(print_soap_fault(fault), "Content-Type: text/xml;charset=utf-8")


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("server.serverproxy.access_denied", 500),
        ("Server.ServerProxy.AccessDenied", 500),  # 7.7 and older; a 7.8 consumer says 400
        ("client.something", 400),
        ("made.up", 400),
    ],
)
async def test_fault_is_relayed(world: World, liar: FalseProvider, code: str, status: int) -> None:
    async with world.expect("client request"):
        liar.answer = says(faulty(Fault(code, "Request is not allowed", "0815")))  # type: ignore[assignment]
        got = await world.call(ABROAD)
        assert got.headers["x-road-error"] == code
        assert int(got.start_line.split()[1]) == status
        assert json.loads(got.body) == {"type": code, "message": "Request is not allowed", "detail": "0815"}


async def test_late_fault_is_relayed(world: World, liar: FalseProvider) -> None:
    """As the last part, where the signature would be (reference 3.6)."""

    async def answer(request: RestRequest, body: bytes | None) -> bytes:
        xml = print_soap_fault(Fault("server.serverproxy.io_error", "late"))
        parts = liar.honest(request, body, b"x")
        return multipart((*parts[:2], Part(framing.FAULT, xml)))

    async with world.expect("client request"):
        liar.answer = answer
        assert (await world.call(ABROAD)).headers["x-road-error"] == "server.serverproxy.io_error"


@pytest.mark.parametrize("code", ["a&#13;&#10;Set-Cookie: x=y", "a b", "a&#10;b", "ả", "", "c" * 300])
async def test_fault_code_that_would_break_a_header(world: World, liar: FalseProvider, code: str) -> None:
    async with world.expect("client request"):
        xml = print_soap_fault(Fault("CODE", "text")).replace(b"CODE", code.encode())
        liar.answer = says(http(xml, "Content-Type: text/xml"))  # type: ignore[assignment]
        got = await world.raw(head(f"GET {ABROAD} HTTP/1.1", [("Host", "x"), DVC]))
        assert b"\r\nX-Road-Error: server.clientproxy.invalid_soap\r\n" in got
        assert b"Set-Cookie" not in got


@pytest.mark.parametrize("accept", ["application/json", "text/xml"])
async def test_hostile_text_of_a_fault(world: World, liar: FalseProvider, accept: str) -> None:
    async with world.expect("client request"):
        text = '</message><type>x</type>\r\n"\\ %s %n \ufffe Trần' + "x" * 5000
        liar.answer = says(faulty(Fault("server.serverproxy.x", text, "d\r\nX: y")))  # type: ignore[assignment]
        got = await world.call(ABROAD, ("Accept", accept))
        assert got.headers["x-road-error"] == "server.serverproxy.x"
        assert b"<type>x</type>" not in got.body or accept == "application/json"
        if accept == "application/json":
            assert set(json.loads(got.body)) == {"type", "message", "detail"}


# --- whose certificate ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("certificate", ["false-unregistered", "false-revoked", "false-expired"])
async def test_certificate_of_a_provider(world: World, liar: FalseProvider, certificate: str) -> None:
    """The request is recorded, and not a byte of it sent."""
    async with world.expect("client request"):
        good, seen = liar.identity, len(liar.seen)
        liar.be(await world.issued(certificate))
        try:
            await refused(world, f"{OURS}.ssl_authentication_failed")
        finally:
            liar.be(good)
        assert len(liar.seen) == seen


async def test_provider_without_ocsp_answers(world: World, liar: FalseProvider) -> None:
    async with world.expect("client request"):
        good = liar.identity
        fresh = await world.issued("false-registered")
        liar.be(type(fresh)(fresh.token, b"garbage"))
        try:
            await refused(world, f"{OURS}.ssl_authentication_failed")
        finally:
            liar.be(good)


@pytest.mark.parametrize("size", [1, 3000], ids=["small", "large"])
@pytest.mark.parametrize(("verb", "status"), [("HEAD", 200), ("GET", 204), ("GET", 304)])
async def test_body_where_http_has_none(world: World, liar: FalseProvider, verb: str, status: int, size: int) -> None:
    """Validly signed, and yet its bytes would be taken for the next answer on the caller's connection."""

    async def answer(request: RestRequest, body: bytes | None) -> bytes:
        parts = liar.honest(request, body, b"HTTP/1.1 200 OK\r\nX: forged\r\n\r\n" * size, status=status)
        return multipart(parts)

    async with world.expect(*ANSWERED, *ANSWERED):
        liar.answer = answer
        first = head(f"{verb} {ABROAD} HTTP/1.1", [("Host", "x"), DVC])
        last = head(f"{verb} {ABROAD} HTTP/1.1", [("Host", "x"), DVC, ("Connection", "close")])
        got = await world.raw(first + last, to_end=True)
        assert b"forged" not in got
        assert got.count(b"HTTP/1.1 ") == 2
