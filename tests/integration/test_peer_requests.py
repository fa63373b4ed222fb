"""A registered peer that misbehaves at port 5500, made by hand: real keys, any bytes (reference 3.5-3.10, 4.4)."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import uuid
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from gateway.core.framing import transport as framing
from gateway.core.messages.fault import Fault, parse_soap_fault
from gateway.signer.tokens import open_token
from tests.support.handmade import HandMadePeer
from tests.support.rawhttp import answer, talk
from tests.support.wire import (
    Hand,
    Part,
    add_part,
    append_part,
    drop_part,
    extend,
    joined,
    put,
    reorder,
    repeat_part,
    split,
    substitute,
    tamper,
)
from tests.support.world import BODY_LIMIT, PERSON, World

THEIRS = "server.serverproxy"
FRAMING, SIGNED = f"{THEIRS}.service_failed", f"{THEIRS}.signature_verification"
SERVED = ("server request granted", "server response")
OCSP, REST, BODY = framing.OCSP, framing.REST_REQUEST, framing.REST_BODY
RESULT, CHAIN, SIGNATURE = framing.HASH_CHAIN_RESULT, framing.HASH_CHAIN, framing.SIGNATURE


def fault(data: bytes) -> Fault:
    got = answer(data)
    assert got.start_line == "HTTP/1.1 200 OK"
    assert got.headers["content-type"] == "text/xml;charset=utf-8"
    return parse_soap_fault(got.body)


async def test_an_honest_message_is_served(world: World, peer: HandMadePeer) -> None:
    async with world.expect(*SERVED):
        request = peer.request(PERSON, verb="POST")
        got = answer(await peer.post(peer.parts(request.raw, b"abc"), request.request_id))
        assert got.headers["x-hash-algorithm"] == "SHA-512"
        parts = split(got.headers["content-type"], got.body)
        assert [p.content_type for p in parts] == [framing.REST_RESPONSE, BODY, RESULT, CHAIN, SIGNATURE]
        assert world.service.calls[0][1] == b"abc"


@dataclass(frozen=True)
class Spoilt:
    """What a hand does to an honest POST with a body, and the code of the fault."""

    name: str
    hand: Hand
    code: str


SPOILT = [
    # a changed byte in any part
    Spoilt("byte of the OCSP answer", tamper(OCSP, -1), f"{FRAMING}.ssl_authentication_failed"),
    Spoilt("OCSP answer is garbage", put(OCSP, b"garbage"), f"{FRAMING}.ssl_authentication_failed"),
    Spoilt(
        "byte of the path",
        substitute(REST, b"/person\r\n", b"/persos\r\n"),
        f"{SIGNED}.malformed_signature.invalid_hash_chain",
    ),
    Spoilt(
        "byte of a header",
        substitute(REST, b"X-A:b\r\n", b"X-A:c\r\n"),
        f"{SIGNED}.malformed_signature.invalid_hash_chain",
    ),
    Spoilt(
        "another method", substitute(REST, b"POST\r\n", b"PUT\r\n"), f"{SIGNED}.malformed_signature.invalid_hash_chain"
    ),
    Spoilt("one more header", extend(REST, b"X-B:c\r\n"), f"{SIGNED}.malformed_signature.invalid_hash_chain"),
    Spoilt("byte of the body", tamper(BODY, 1), f"{SIGNED}.malformed_signature.invalid_hash_chain"),
    Spoilt("longer body", extend(BODY, b"x"), f"{SIGNED}.malformed_signature.invalid_hash_chain"),
    Spoilt("empty body", put(BODY, b""), f"{SIGNED}.malformed_signature.invalid_hash_chain"),
    Spoilt("byte of the chain result", tamper(RESULT, -30), f"{SIGNED}.malformed_signature.malformed_hash_chain"),
    Spoilt("chain result is garbage", put(RESULT, b"<a/>"), f"{SIGNED}.malformed_signature.malformed_hash_chain"),
    Spoilt("byte of the chain", tamper(CHAIN, -60), f"{SIGNED}.malformed_signature.malformed_hash_chain"),
    Spoilt("chain is no XML", put(CHAIN, b"\x00\xff"), f"{SIGNED}.malformed_signature.malformed_hash_chain"),
    Spoilt("signature is no XML", put(SIGNATURE, b"\x00\xff"), f"{SIGNED}.invalid_xml"),
    Spoilt("signature is empty", put(SIGNATURE, b""), f"{SIGNED}.invalid_xml"),
    Spoilt(
        "signature value",
        substitute(SIGNATURE, b"SignatureValue>", b"SignatureValue>AAAA"),
        f"{SIGNED}.malformed_signature",
    ),
    Spoilt(
        "entities in the signature",
        put(SIGNATURE, b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'),
        f"{SIGNED}.invalid_xml",
    ),
    # parts missing, one too many, out of order
    Spoilt("no OCSP answer", drop_part(OCSP), f"{FRAMING}.ssl_authentication_failed"),
    Spoilt("no request part", drop_part(REST), f"{FRAMING}.invalid_content_type"),
    Spoilt("no body though the chain has one", drop_part(BODY), f"{SIGNED}.malformed_signature.invalid_reference"),
    Spoilt("no chain", drop_part(RESULT, CHAIN), f"{SIGNED}.malformed_signature"),
    Spoilt("no chain result", drop_part(RESULT), f"{FRAMING}.invalid_content_type"),
    Spoilt("chain result without chain", drop_part(CHAIN), f"{FRAMING}.invalid_content_type"),
    Spoilt("no signature", drop_part(SIGNATURE), f"{FRAMING}.missing_signature"),
    Spoilt("two request parts", repeat_part(REST), f"{FRAMING}.invalid_content_type"),
    Spoilt("two bodies", repeat_part(BODY), f"{FRAMING}.invalid_content_type"),
    Spoilt("two signatures", repeat_part(SIGNATURE), f"{FRAMING}.invalid_message"),
    Spoilt("eleven OCSP answers", lambda parts: (*(parts[0],) * 10, *parts), f"{FRAMING}.mime_parsing_failed"),
    Spoilt("something after the signature", append_part(Part("text/plain", b"x")), f"{FRAMING}.invalid_message"),
    Spoilt("unknown part", add_part(Part("text/plain", b"x"), before=SIGNATURE), f"{FRAMING}.invalid_content_type"),
    Spoilt("signature before the chain", reorder(SIGNATURE, CHAIN), f"{FRAMING}.invalid_content_type"),
    Spoilt(
        "a fault before the end",
        add_part(Part(framing.FAULT, b"<a/>"), before=SIGNATURE),
        f"{FRAMING}.invalid_content_type",
    ),
    Spoilt("body before request", reorder(REST, BODY), f"{FRAMING}.invalid_content_type"),
    Spoilt("chain before its result", reorder(RESULT, CHAIN), f"{FRAMING}.invalid_content_type"),
    Spoilt("signature first", reorder(OCSP, SIGNATURE), f"{FRAMING}.invalid_content_type"),
    Spoilt("OCSP answer of 70 kB", put(OCSP, b"o" * 70_000), f"{FRAMING}.mime_parsing_failed"),
    Spoilt(
        "request part of 2 MB", extend(REST, b"X-B:" + b"c" * (2 << 20) + b"\r\n"), f"{FRAMING}.mime_parsing_failed"
    ),
    Spoilt("signature of 2 MB", extend(SIGNATURE, b" " * (2 << 20)), f"{FRAMING}.mime_parsing_failed"),
    Spoilt("body over the limit", put(BODY, b"b" * (BODY_LIMIT + 1)), f"{FRAMING}.mime_parsing_failed"),
]


@pytest.mark.parametrize("row", SPOILT, ids=lambda row: row.name)
async def test_spoilt_message(world: World, peer: HandMadePeer, row: Spoilt) -> None:
    """Nothing is recorded: there is nothing that anybody could be held to."""
    async with world.expect():
        request = peer.request(PERSON, verb="POST", headers=[("X-A", "b")])
        got = fault(await peer.post(row.hand(peer.parts(request.raw, b"abc")), request.request_id))
        assert got.code == row.code
        assert got.detail is not None
        assert uuid.UUID(got.detail)
        assert not world.service.calls


async def test_body_that_no_signature_covers(world: World, peer: HandMadePeer) -> None:
    """X-Road serves this (reference 4.4)."""
    async with world.expect():
        request = peer.request(PERSON, verb="POST")
        parts = add_part(Part(BODY, b"forged"), before=SIGNATURE)(peer.parts(request.raw))
        assert fault(await peer.post(parts, request.request_id)).code.startswith(SIGNED)
        assert not world.service.calls


async def test_body_and_chain_of_another_message(world: World, peer: HandMadePeer) -> None:
    """A chain that its signature does not reference proves nothing."""
    async with world.expect():
        request = peer.request(PERSON, verb="POST")
        with_body, without = peer.parts(request.raw, b"forged"), peer.parts(request.raw)
        parts = (*with_body[:-1], without[-1])
        assert fault(await peer.post(parts, request.request_id)).code.startswith(SIGNED)


async def test_signature_of_another_message(world: World, peer: HandMadePeer) -> None:
    async with world.expect():
        request, other = peer.request(PERSON), peer.request(PERSON)
        parts = (*peer.parts(request.raw)[:-1], peer.parts(other.raw)[-1])
        assert fault(await peer.post(parts, request.request_id)).code.startswith(SIGNED)


@dataclass(frozen=True)
class Spelling:
    """A request part, freshly and validly signed, that no canonical message has."""

    name: str
    old: bytes
    new: bytes
    code: str


PARTS = [
    Spelling("LF line ends", b"\r\n", b"\n", "invalid_rest"),
    Spelling("blank line at the end", b"$", b"\r\n", "invalid_rest"),
    Spelling("no last line end", b"\r\n$", b"", "invalid_rest"),
    Spelling("blank line between", b"X-A:b\r\n", b"X-A:b\r\n\r\n", "invalid_rest"),
    Spelling("not UTF-8", b"X-A:b", b"X-A:\xff\xfe", "invalid_rest"),
    Spelling("NUL in a header", b"X-A:b", b"X-A:\x00", "invalid_rest"),
    Spelling("bare CR in a header", b"X-A:b", b"X-A:b\rX-B:c", "invalid_rest"),
    Spelling("header that must not travel", b"X-A:b", b"Host:evil", "invalid_rest"),
    Spelling("length in the part", b"X-A:b", b"Content-Length:0", "invalid_rest"),
    Spelling("chunks in the part", b"X-A:b", b"Transfer-Encoding:chunked", "invalid_rest"),
    Spelling("header without colon", b"X-A:b", b"X-A", "invalid_rest"),
    Spelling("blank in a header's name", b"X-A:b", b"X A:b", "invalid_rest"),
    Spelling("method unknown", b"GET\r\n", b"BREW\r\n", "invalid_rest"),
    Spelling("method in small letters", b"GET\r\n", b"get\r\n", "invalid_rest"),
    Spelling("target without slash", b"/r1/", b"r1/", "invalid_rest"),
    Spelling("target with authority", b"/r1/", b"//evil/r1/", "invalid_rest"),
    Spelling("target of another version", b"/r1/", b"/r2/", "invalid_rest"),
    Spelling("target with a scheme", b"/r1/", b"http://evil/r1/", "invalid_rest"),
    Spelling("target with a fragment", b"/person\r\n", b"/person#x\r\n", "invalid_rest"),
    Spelling("target with a blank", b"/person\r\n", b"/person/a b\r\n", "invalid_rest"),
    Spelling("no client", b"X-Road-Client:VN/GOV/G15/hotich\r\n", b"", "invalid_rest"),
    Spelling("client of one piece", b"VN/GOV/G15/hotich", b"VN", "invalid_client_identifier"),
    Spelling("two request ids", b"X-A:b", b"x-road-request-id:another", "invalid_rest"),
    Spelling("request id in capitals", b"x-road-request-id", b"X-Road-Request-Id", "invalid_rest"),
    Spelling("message id too long", b"x-road-id:", b"x-road-id:" + b"i" * 255, "invalid_rest"),
    Spelling("1001 headers", b"X-A:b\r\n", b"X-A:b\r\n" * 1001, "invalid_rest"),
    Spelling("a response", b"GET\r\n/r1", b"200\r\n/r1", "invalid_rest"),
]


@pytest.mark.parametrize("row", PARTS, ids=lambda row: row.name)
async def test_signed_part_of_another_spelling(world: World, peer: HandMadePeer, row: Spelling) -> None:
    raw = peer.request(PERSON, headers=[("X-A", "b")])
    marked = raw.raw + b"$"
    assert row.old in marked
    spoilt = marked.replace(row.old, row.new).removesuffix(b"$")
    async with world.expect():
        assert fault(await peer.post(peer.parts(spoilt), raw.request_id)).code == f"{FRAMING}.{row.code}"
        assert not world.service.calls


# --- who is asking, for whom, for what --------------------------------------------------------------------------------


async def test_a_neighbour_on_the_same_server_cannot_sign_for_another(world: World, peer: HandMadePeer) -> None:
    """The server G15 is not registered for clients of G22."""
    async with world.expect():
        request = peer.request(PERSON, client="VN/GOV/G22/dvc")
        got = fault(await peer.post(peer.parts(request.raw), request.request_id))
        assert got.code == f"{FRAMING}.ssl_authentication_failed"


async def test_signature_of_another_member(world: World, peer: HandMadePeer) -> None:
    async with world.expect():
        other = HandMadePeer(*peer.address, peer.client, await world.signatory("G22"), peer.identity)
        request = other.request(PERSON)
        got = fault(await other.post(other.parts(request.raw), request.request_id))
        assert got.code == f"{SIGNED}.incorrect_certificate"


async def test_signed_with_the_tls_key(world: World, peer: HandMadePeer) -> None:
    async with world.expect():
        signatory = replace(peer.signatory, token=peer.identity.token, ocsp=peer.identity.ocsp)
        other = HandMadePeer(*peer.address, peer.client, signatory, peer.identity)
        request = other.request(PERSON)
        got = fault(await other.post(other.parts(request.raw), request.request_id))
        assert got.code == f"{SIGNED}.malformed_signature"


@pytest.mark.parametrize(
    ("target", "code", "recorded"),
    [
        ("/r1/VN/GOV/G01/dancu/closed", "access_denied", True),
        ("/r1/VN/GOV/G01/dancu/nothing", "unknown_service", True),
        ("/r1/VN/GOV/G01/dancu/off", "service_disabled", True),
        ("/r1/VN/GOV/G01/dancu/limited/public/1", "access_denied", True),
        ("/r1/VN/GOV/G01/nothing/person", "service_failed.unknown_member", False),
        ("/r1/VN/GOV/G22/dvc/person", "service_failed.unknown_member", False),
        ("/r1/XX/GOV/G01/dancu/person", "service_failed.unknown_member", False),
    ],
)
async def test_what_a_peer_may_not(world: World, peer: HandMadePeer, target: str, code: str, recorded: bool) -> None:
    """A refusal is evidence, as soon as there is a member whom this server serves."""
    async with world.expect(*([f"server request refused:{code}"] if recorded else [])):
        request = peer.request(target)
        assert fault(await peer.post(peer.parts(request.raw), request.request_id)).code == f"{THEIRS}.{code}"
        assert not world.service.calls


@pytest.mark.parametrize("certificate", ["unregistered", "revoked", "expired"])
async def test_certificate_of_a_peer(world: World, peer: HandMadePeer, certificate: str) -> None:
    """Expired ones end in the handshake, the others with a fault that names nobody."""
    async with world.expect():
        identity = await world.issued(certificate)
        request = peer.request(PERSON)
        try:
            data = await peer.post(peer.parts(request.raw, ocsp=identity.ocsp), request.request_id, identity=identity)
        except (ssl.SSLError, ConnectionError):
            data = b""
        if certificate == "expired":
            assert data == b""
        else:
            assert fault(data).code == f"{FRAMING}.ssl_authentication_failed"


async def test_nothing_of_a_message_is_read_from_a_server_that_is_not_registered(
    world: World, peer: HandMadePeer
) -> None:
    """Listed authorities certify many: only registered servers may have bodies spooled (reference 3.1). It is told so at once, on
    each connection, and not only when its message is whole or too long in coming."""
    async with world.expect():
        stranger = await world.issued("unregistered")
        head = (
            b"POST / HTTP/1.1\r\nHost: x\r\nx-hash-algorithm: SHA-512\r\nx-road-message-type: REST\r\n"
            b"Content-Type: multipart/mixed; boundary=b\r\nContent-Length: 1000000\r\n\r\n--b\r\n"
        )
        got = fault(await talk(*peer.address, head, tls=peer.tls(stranger)))
        assert (got.code, "registered" in got.text) == (f"{FRAMING}.ssl_authentication_failed", True)


async def test_no_certificate(world: World, peer: HandMadePeer) -> None:
    async with world.expect():
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        with contextlib.suppress(ssl.SSLError, ConnectionError):
            assert await talk(*peer.address, b"POST / HTTP/1.1\r\nHost: x\r\n\r\n", tls=context) == b""


async def test_certificate_of_an_unknown_authority(world: World, peer: HandMadePeer) -> None:
    async with world.expect():
        token = open_token(
            f"file:{world.country.cert('dvc-is.key')}", certificate=Path(world.country.cert("dvc-is.pem"))
        )
        stranger = replace(peer.identity, token=token)
        with contextlib.suppress(ssl.SSLError, ConnectionError):
            assert await peer.post((), "x", identity=stranger) == b""


async def test_plain_http_at_5500(world: World, peer: HandMadePeer) -> None:
    async with world.expect():
        with contextlib.suppress(ConnectionError):
            assert b"HTTP/1.1 2" not in await talk(*peer.address, b"POST / HTTP/1.1\r\nHost: x\r\n\r\n")


# --- replay --------------------------------------------------------------------------------------------------------


async def test_the_same_bytes_again(world: World, peer: HandMadePeer) -> None:
    """X-Road serves them again (reference 3.10)."""
    async with world.expect(*SERVED):
        request = peer.request(PERSON)
        parts = peer.parts(request.raw)
        assert answer(await peer.post(parts, request.request_id)).headers["content-type"].startswith("multipart/mixed")
        for _ in range(2):
            assert fault(await peer.post(parts, request.request_id)).code == f"{THEIRS}.replayed_request"
        assert len(world.service.calls) == 1


async def test_the_same_request_id_under_another_signature(world: World, peer: HandMadePeer) -> None:
    async with world.expect("server request refused:access_denied"):
        request = peer.request("/r1/VN/GOV/G01/dancu/closed")
        assert fault(await peer.post(peer.parts(request.raw), request.request_id)).code == f"{THEIRS}.access_denied"
        again = request.raw.replace(b"/closed", b"/person")
        assert fault(await peer.post(peer.parts(again), request.request_id)).code == f"{THEIRS}.replayed_request"
        assert not world.service.calls


async def test_twenty_copies_at_once_are_served_once(world: World, peer: HandMadePeer) -> None:
    async with world.expect(*SERVED):
        request = peer.request(PERSON)
        parts = peer.parts(request.raw)
        got = await asyncio.gather(*(peer.post(parts, request.request_id) for _ in range(20)))
        assert sum(b"replayed_request" in data for data in got) == 19
        assert len(world.service.calls) == 1


async def test_a_refused_forgery_uses_up_no_id(world: World, peer: HandMadePeer) -> None:
    async with world.expect(*SERVED):
        request = peer.request(PERSON)
        parts = peer.parts(request.raw)
        assert fault(await peer.post(tamper(REST, -4)(parts), request.request_id)).code
        assert answer(await peer.post(parts, request.request_id)).headers["content-type"].startswith("multipart/mixed")


# --- HTTP between servers ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Header:
    name: str
    changed: dict[str, str]
    code: str


HEADERS = [
    Header("no hash algorithm", {"x_hash_algorithm": ""}, f"{THEIRS}.internal_error"),
    Header("another hash algorithm", {"x_hash_algorithm": "SHA-256"}, f"{THEIRS}.internal_error"),
    Header("SOAP", {"x_road_message_type": ""}, f"{THEIRS}.invalid_message"),
    Header("no request id", {"x_road_request_id": ""}, f"{THEIRS}.invalid_request"),
    Header("another request id", {"x_road_request_id": "another"}, f"{THEIRS}.invalid_request"),
    Header("no content type", {"content_type": ""}, f"{FRAMING}.invalid_content_type"),
    Header("another content type", {"content_type": "text/plain"}, f"{FRAMING}.invalid_content_type"),
    Header("no boundary", {"content_type": "multipart/mixed"}, f"{FRAMING}.invalid_content_type"),
    Header("another boundary", {"content_type": "multipart/mixed; boundary=other"}, f"{FRAMING}.mime_parsing_failed"),
    Header(
        "two boundaries", {"content_type": "multipart/mixed; boundary=a; boundary=b"}, f"{FRAMING}.invalid_content_type"
    ),
    Header(
        "boundary of 200 letters",
        {"content_type": f"multipart/mixed; boundary={'b' * 200}"},
        f"{FRAMING}.invalid_content_type",
    ),
]


@pytest.mark.parametrize("row", HEADERS, ids=lambda row: row.name)
async def test_http_header(world: World, peer: HandMadePeer, row: Header) -> None:
    async with world.expect():
        request = peer.request(PERSON)
        got = fault(await peer.post(peer.parts(request.raw), request.request_id, **row.changed))  # type: ignore[arg-type]
        assert got.code == row.code


async def test_another_method(world: World, peer: HandMadePeer) -> None:
    async with world.expect():
        got = await talk(*peer.address, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", tls=peer.tls())
        assert fault(got).code == f"{THEIRS}.invalid_http_method"


@dataclass(frozen=True)
class Framing:
    """What stands around the parts of an honest message."""

    name: str
    before: bytes
    after: bytes
    code: str


FRAMINGS = [
    Framing("preamble", b"hello\r\n", b"", "mime_parsing_failed"),
    Framing("empty line first", b"\r\n", b"", "mime_parsing_failed"),
    Framing("epilogue", b"", b"more", "mime_parsing_failed"),
    Framing("a second message", b"", b"--x\r\n", "mime_parsing_failed"),
]


@pytest.mark.parametrize("row", FRAMINGS, ids=lambda row: row.name)
async def test_bytes_around_the_message(world: World, peer: HandMadePeer, row: Framing) -> None:
    async with world.expect():
        request = peer.request(PERSON)
        content_type, data = joined(peer.parts(request.raw))
        data = row.before + data + row.after
        got = fault(await peer.post_bytes(data, request.request_id, content_type=content_type))
        assert got.code == f"{FRAMING}.{row.code}"


@pytest.mark.parametrize("cut", [1, 10, 60, 500, 1500])
async def test_message_cut_short(world: World, peer: HandMadePeer, cut: int) -> None:
    """HTTP says it is whole; the closing boundary says it is not."""
    async with world.expect():
        request = peer.request(PERSON)
        content_type, data = joined(peer.parts(request.raw))
        got = fault(await peer.post_bytes(data[:-cut], request.request_id, content_type=content_type))
        assert got.code.startswith(f"{FRAMING}.")
        assert not world.service.calls


@pytest.mark.parametrize("how", ["silent", "gone"])
async def test_half_a_message(world: World, peer: HandMadePeer, how: str) -> None:
    async with world.expect():
        request = peer.request(PERSON)
        content_type, data = joined(peer.parts(request.raw))
        head = (
            f"POST / HTTP/1.1\r\nHost: x\r\nx-hash-algorithm: SHA-512\r\nx-road-message-type: REST\r\n"
            f"x-road-request-id: {request.request_id}\r\nContent-Type: {content_type}\r\nContent-Length: {len(data)}\r\n\r\n"
        )
        got = await talk(*peer.address, head.encode() + data[:-50], tls=peer.tls(), hang_up=how != "silent")
        if how == "silent":
            assert fault(got).code == f"{FRAMING}.io_error"
        assert not world.service.calls


async def test_peer_that_leaves_before_its_answer(world: World, peer: HandMadePeer) -> None:
    """Recorded to the end: the service was asked."""
    async with world.expect(*SERVED):
        world.service.wait = 0.2
        request = peer.request(PERSON)
        content_type, data = joined(peer.parts(request.raw))
        head = (
            f"POST / HTTP/1.1\r\nHost: x\r\nx-hash-algorithm: SHA-512\r\nx-road-message-type: REST\r\n"
            f"x-road-request-id: {request.request_id}\r\nContent-Type: {content_type}\r\nContent-Length: {len(data)}\r\n\r\n"
        )
        await talk(*peer.address, head.encode() + data, b"", pause=0.1, tls=peer.tls(), hang_up=True)


async def test_header_injection_through_the_message_id(world: World, peer: HandMadePeer) -> None:
    """What the peer chose comes back in the answer's part, nowhere in its HTTP head."""
    async with world.expect():
        request = peer.request(PERSON, headers=[("X-Road-Id", "i")])
        raw = request.raw.replace(b"X-Road-Id:i", b"X-Road-Id:i\x0bX-Evil: 1")
        assert fault(await peer.post(peer.parts(raw), request.request_id)).code == f"{FRAMING}.invalid_rest"
