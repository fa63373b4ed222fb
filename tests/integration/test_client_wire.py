"""Bytes at 8080 and 8443 that no proper information system sends, and the three ways in which a client's systems must connect
(reference 1.1, 1.4)."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from dataclasses import dataclass

import pytest

from tests.integration.test_information_systems import OURS, check_json
from tests.support.rawhttp import answer, head
from tests.support.world import BODY_LIMIT, DVC, PERSON, STALL, World

GET = f"GET {PERSON} HTTP/1.1"
POST = f"POST {PERSON} HTTP/1.1"
BASE = (("Host", "x"), ("Connection", "close"), DVC)
SERVED = ("client request", "client response", "server request granted", "server response")


def systems(certificate: str | None, world: World) -> ssl.SSLContext:
    """As an information system: the server's certificate is not this test's matter."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if certificate is not None:
        context.load_cert_chain(world.country.cert(f"{certificate}.pem"), world.country.cert(f"{certificate}.key"))
    return context


@pytest.mark.parametrize(
    ("client", "connection", "served"),
    [
        ("dvc", "plain", True),
        ("dvc", "TLS", True),
        ("dvc", "dvct-is", True),  # a certificate is ignored
        ("dvcs", "plain", False),
        ("dvcs", "TLS", True),
        ("dvcs", "dvct-is", True),
        ("dvct", "plain", False),
        ("dvct", "TLS", False),
        ("dvct", "dvct-is", True),
        ("dvct", "dvc-is", False),  # known to this server, but another client's
        ("dvct", "G22-ss1-tls", True),  # the server's own internal certificate (reference 1.4)
    ],
)
async def test_client_authentication(world: World, client: str, connection: str, served: bool) -> None:
    tls = None if connection == "plain" else systems(None if connection == "TLS" else connection, world)
    async with world.expect(*(SERVED if served else ())):
        got = await world.call(client=("X-Road-Client", f"VN/GOV/G22/{client}"), tls=tls)
        if served:
            assert (got.start_line, got.body) == ("HTTP/1.1 200 OK", b'{"ok":true}')
        else:
            assert got.start_line.startswith("HTTP/1.1 500 ")
            assert got.headers["x-road-error"] == f"{OURS}.ssl_authentication_failed"
            check_json(got, f"{OURS}.ssl_authentication_failed")


async def test_certificate_of_nobody_ends_in_the_handshake(world: World) -> None:
    async with world.expect():
        given = head(GET, [("Host", "x"), ("X-Road-Client", "VN/GOV/G22/dvct")])
        with contextlib.suppress(
            ssl.SSLError, ConnectionError
        ):  # TLS 1.3: a client learns of it at any of several moments
            assert await world.raw(given, tls=systems("bhxh-is", world)) == b""


async def test_plain_http_at_the_tls_port(world: World) -> None:
    async with world.expect():
        reader, writer = await asyncio.open_connection(world.consumer, 8443)
        writer.write(head(GET, BASE))
        async with asyncio.timeout(5):
            assert b"HTTP/1.1 2" not in await reader.read()
        writer.close()


@dataclass(frozen=True)
class Bytes:
    """`status`: of the answer, 0 when the connection just ends; `code`: X-Road-Error, if X-Road speaks at all."""

    name: str
    data: bytes
    status: int = 400
    code: str | None = None
    records: tuple[str, ...] = ()


def chunked(*chunks: bytes, more: bytes = b"0\r\n\r\n") -> bytes:
    return head(POST, [*BASE, ("Transfer-Encoding", "chunked")]) + b"".join(chunks) + more


ODD = [
    # one request that two readers could take for two
    Bytes(
        "both length and chunks",
        head(POST, [*BASE, ("Content-Length", "3"), ("Transfer-Encoding", "chunked")]) + b"0\r\n\r\n",
    ),
    Bytes("two lengths", head(POST, [*BASE, ("Content-Length", "3"), ("Content-Length", "4")]) + b"abcd"),
    Bytes("length with sign", head(POST, [*BASE, ("Content-Length", "+3")]) + b"abc"),
    Bytes("length not a number", head(POST, [*BASE, ("Content-Length", "3x")]) + b"abc"),
    Bytes("negative length", head(POST, [*BASE, ("Content-Length", "-1")])),
    Bytes("chunks not last", head(POST, [*BASE, ("Transfer-Encoding", "chunked, gzip")]) + b"0\r\n\r\n"),
    Bytes("unknown coding", head(POST, [*BASE, ("Transfer-Encoding", "xchunked")]) + b"0\r\n\r\n"),
    Bytes("blank before the colon", head(GET, [*BASE, ("X-A ", "b")])),
    Bytes("folded header", head(GET, [*BASE, ("X-A", "b\r\n folded: c")])),
    Bytes("header without name", head(GET, [*BASE, ("", "b")])),
    Bytes("header without colon", GET.encode() + b"\r\nHost: x\r\nno colon here\r\n\r\n"),
    Bytes("bare CR in a header", head(GET, [*BASE, ("X-A", "b\rX-Road-UserId: admin")])),
    Bytes("bare LF in a header", head(GET, [*BASE, ("X-A", b"b\nX-Road-UserId: admin")])),
    Bytes("NUL in a header", head(GET, [*BASE, ("X-A", b"b\x00c")])),
    Bytes("NUL in the target", f"GET {PERSON}/\x00 HTTP/1.1\r\n".encode() + b"Host: x\r\n\r\n"),
    Bytes("blank in the target", f"GET {PERSON}/a b HTTP/1.1\r\n".encode() + b"Host: x\r\n\r\n"),
    Bytes("tab in the target", f"GET {PERSON}/a\tb HTTP/1.1\r\n".encode() + b"Host: x\r\n\r\n"),
    Bytes("target not ASCII", head(f"GET {PERSON}/Tr\xe1\xba\xa7n HTTP/1.1", BASE)),
    Bytes("fragment in the target", head(f"GET {PERSON}#x HTTP/1.1", BASE), 500, f"{OURS}.bad_request"),
    Bytes("no version", head(f"GET {PERSON}", BASE)),
    Bytes("HTTP/2 preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    Bytes("no HTTP at all", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 64),
    Bytes("line of 70 kB", head(f"GET {PERSON}?{'q' * 70_000} HTTP/1.1", BASE)),
    Bytes("header of 70 kB", head(GET, [*BASE, ("X-A", "b" * 70_000)])),
    Bytes("chunk size not a number", chunked(b"zz\r\nabc\r\n")),
    Bytes("chunk longer than it says", chunked(b"2\r\nabc\r\n")),
    Bytes("chunk size of 40 digits", chunked(b"1" * 40 + b"\r\nabc\r\n")),
    Bytes("CONNECT", head("CONNECT 127.0.0.1:22 HTTP/1.1", BASE), 200),
    # legal, if seldom seen
    Bytes("absolute form", head(f"GET http://any.host:1{PERSON} HTTP/1.1", BASE), 200, records=SERVED),
    Bytes("absolute form, a path in its query", head(f"GET http://any.host?a={PERSON} HTTP/1.1", BASE), 200),
    Bytes("HTTP/1.0", head(f"GET {PERSON} HTTP/1.0", [DVC]), 200, records=SERVED),
    Bytes("chunks with extensions", chunked(b"3;a=b\r\nabc\r\n"), 200, records=SERVED),
    Bytes("chunks with trailer", chunked(b"3\r\nabc\r\n", more=b"0\r\nX-Road-UserId: x\r\n\r\n"), 200, records=SERVED),
    Bytes("length 0", head(POST, [*BASE, ("Content-Length", "0")]), 200, records=SERVED),
    Bytes("user id not UTF-8", head(GET, [*BASE, ("X-Road-UserId", b"\xff\xfe")]), 200, records=SERVED),
]


@pytest.mark.parametrize("row", ODD, ids=lambda row: row.name)
async def test_odd_bytes(world: World, row: Bytes) -> None:
    async with world.expect(*row.records):
        got = answer(await world.raw(row.data))
        assert int(got.start_line.split()[1]) == row.status
        assert got.headers.get("x-road-error") == row.code
        if row.code is not None:
            check_json(got, row.code)
        assert len(world.service.calls) == bool(row.records)


@pytest.mark.parametrize("chunk", [b"zz\r\nabc\r\n", b"2\r\nabc\r\n", b"1" * 40 + b"\r\n"])
async def test_broken_chunk_after_a_good_head(world: World, chunk: bytes) -> None:
    async with world.expect():
        first, _, _ = chunked(more=b"").partition(b"\0")
        got = answer(await world.raw(first, b"3\r\nabc\r\n", chunk, pause=0.02))
        check_json(got, f"{OURS}.io_error")


async def test_trailer_is_no_header(world: World) -> None:
    async with world.expect(*SERVED):
        await world.raw(chunked(b"3\r\nabc\r\n", more=b"0\r\nX-Road-UserId: admin\r\n\r\n"))
        ((given, body),) = world.service.calls
        assert body == b"abc"
        assert b"admin" not in given


async def test_expect_continue(world: World) -> None:
    """The caller is told to go on, and the header does not travel (reference 11.1, 29)."""
    async with world.expect(*SERVED):
        request = head(POST, [*BASE, ("Content-Length", "3"), ("Expect", "100-continue")])
        got = await world.raw(request, b"abc", pause=0.05)
        assert got.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n")
        assert b"expect" not in world.service.calls[0][0].lower()


async def test_head_has_no_body(world: World) -> None:
    async with world.expect(*SERVED):
        world.service.answer = (
            b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 11\r\nConnection: close\r\n\r\n"
        )
        got = await world.call(verb="HEAD")
        assert (got.start_line, got.body) == ("HTTP/1.1 200 OK", b"")


async def test_head_of_an_error_has_no_body(world: World) -> None:
    async with world.expect():
        got = await world.call(verb="HEAD", client=("X-Road-Client", "VN/GOV/G22/nobody"))
        assert (got.headers["x-road-error"], got.body) == (f"{OURS}.unknown_member", b"")


async def test_two_requests_in_one_piece(world: World) -> None:
    async with world.expect(*SERVED, *SERVED):
        first = head(GET, [("Host", "x"), DVC])
        got = await world.raw(first + head(GET, BASE), to_end=True)
        assert got.count(b"HTTP/1.1 200 OK\r\n") == 2
        assert len(world.service.calls) == 2


@pytest.mark.parametrize(
    "request_",
    [
        head(POST, [*BASE, ("Content-Length", "10")]) + b"half",
        chunked(b"5\r\nha", more=b""),
        chunked(b"4\r\nhalf\r\n", more=b""),
    ],
    ids=["length", "inside a chunk", "between chunks"],
)
@pytest.mark.parametrize("how", ["silent", "finished", "gone"])
async def test_half_a_body(world: World, request_: bytes, how: str) -> None:
    """Never served, never recorded; who only falls silent is told after a while."""
    async with world.expect():
        got = await world.raw(request_, finish=how == "finished", hang_up=how == "gone")
        assert not world.service.calls
        if how == "silent":
            assert answer(got).headers["x-road-error"] == f"{OURS}.io_error"
    assert world.consumer


@pytest.mark.parametrize(
    ("client", "code"),
    [
        ("VN/GOV/G22/nothing", "unknown_member"),
        ("VN/GOV/G22/dvct", "ssl_authentication_failed"),
        ("VN/GOV/%2/dvc", "invalid_client_identifier"),
        ("", "invalid_client_identifier"),
    ],
)
async def test_no_body_is_read_of_who_may_not_call(world: World, client: str, code: str) -> None:
    """Told before the rest of the body comes (reference 1.5): nobody fills the spool who is not admitted."""
    async with world.expect():
        headers = (("Host", "x"), ("X-Road-Client", client), ("Content-Length", "200000"))
        got = await world.raw(head(POST, headers) + b"some of it")
        assert answer(got).headers["x-road-error"] == f"{OURS}.{code}"


async def test_slow_body_is_waited_for(world: World) -> None:
    async with world.expect(*SERVED):
        pieces = [b"a", b"b", b"c"]
        got = await world.raw(head(POST, [*BASE, ("Content-Length", "3")]), *pieces, pause=STALL / 4)
        assert answer(got).start_line == "HTTP/1.1 200 OK"
        assert world.service.calls[0][1] == b"abc"


async def test_who_hangs_up_is_recorded_to_the_end(world: World) -> None:
    """Once the request is in the log, the exchange runs to its recorded end."""
    async with world.expect(*SERVED):
        world.service.wait = 0.2
        await world.raw(head(GET, BASE), b"", pause=0.1, hang_up=True)


async def test_body_at_the_limit(world: World) -> None:
    async with world.expect(*SERVED):
        got = await world.call(verb="POST", body=b"b" * BODY_LIMIT)
        assert got.start_line == "HTTP/1.1 200 OK"
        assert len(world.service.calls[0][1]) == BODY_LIMIT


@pytest.mark.parametrize(
    "first", ["GET / HTTP/1.1", "GET /r2/VN HTTP/1.1", "GET /listclients HTTP/1.1", "OPTIONS * HTTP/1.1"]
)
async def test_what_is_not_rest_gets_a_soap_fault(world: World, first: str) -> None:
    async with world.expect():
        got = answer(await world.raw(head(first, BASE)))
        assert got.start_line == "HTTP/1.1 200 OK"
        assert got.headers["content-type"] == "text/xml;charset=utf-8"
        assert b"<faultcode>client.invalid_http_method</faultcode>" in got.body


async def test_soap_is_not_spoken(world: World) -> None:
    async with world.expect():
        got = answer(await world.raw(head("POST / HTTP/1.1", [*BASE, ("Content-Length", "3")]) + b"<a>"))
        assert b"<faultcode>client.invalid_message</faultcode>" in got.body
