"""Provider's information systems that answer badly: what the caller is told, what is recorded, and what never gets through
(reference 1.5, 3.10)."""

from __future__ import annotations

import gzip
from dataclasses import dataclass

import pytest

from tests.integration.test_client_wire import SERVED
from tests.integration.test_information_systems import GRANTED, THEIRS, check_json
from tests.support.raw_service import GOOD
from tests.support.world import BODY_LIMIT, PERSON, World

OK = b"HTTP/1.1 200 OK\r\n"
SLOW = "/r1/VN/GOV/G01/dancu/slow"


@dataclass(frozen=True)
class Answer:
    """`code`: what the caller gets instead of it."""

    name: str
    data: bytes
    code: str


BAD = [
    Answer("garbage", b"\x00\xffnot http at all\r\n\r\n", "io_error"),
    Answer("TLS where HTTP is due", b"\x15\x03\x01\x00\x02\x02\x28", "io_error"),
    Answer("nothing", b"", "network_error"),
    Answer("half a head", OK + b"Content-Ty", "network_error"),
    Answer("half a body", OK + b"Content-Length: 100\r\n\r\nonly this", "io_error"),
    Answer("half a chunk", OK + b"Transfer-Encoding: chunked\r\n\r\n9\r\nonly", "io_error"),
    Answer("no last chunk", OK + b"Transfer-Encoding: chunked\r\n\r\n4\r\nonly\r\n", "io_error"),
    Answer("chunk size not a number", OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", "io_error"),
    Answer("status 99", b"HTTP/1.1 099 Low\r\nContent-Length: 0\r\n\r\n", "invalid_response"),
    Answer("status 1000", b"HTTP/1.1 1000 High\r\nContent-Length: 0\r\n\r\n", "io_error"),
    Answer("status not a number", b"HTTP/1.1 abc X\r\nContent-Length: 0\r\n\r\n", "io_error"),
    Answer(
        "upgrade nobody asked for",
        b"HTTP/1.1 101 Switching\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n",
        "invalid_response",
    ),
    Answer("bare CR in a header", OK + b"X-A: b\rX-Road-Client: x\r\nContent-Length: 0\r\n\r\n", "io_error"),
    Answer("NUL in a header", OK + b"X-A: b\x00c\r\nContent-Length: 0\r\n\r\n", "io_error"),
    Answer("NUL in the reason", b"HTTP/1.1 200 O\x00K\r\nContent-Length: 0\r\n\r\n", "invalid_response"),
    Answer("length not a number", OK + b"Content-Length: 1x\r\n\r\na", "io_error"),
    Answer("two lengths", OK + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab", "io_error"),
    Answer("header of 1 MB", OK + b"X-A: " + b"b" * (1 << 20) + b"\r\n\r\n", "io_error"),
    Answer("1500 headers", OK + b"X-A: b\r\n" * 1500 + b"Content-Length: 0\r\n\r\n", "io_error"),
    Answer("999 headers, no room for ours", OK + b"X-A: b\r\n" * 999 + b"\r\n", "invalid_response"),
    Answer(
        "body over the limit",
        OK + b"Content-Length: %d\r\n\r\n" % (BODY_LIMIT + 1) + b"b" * (BODY_LIMIT + 1),
        "invalid_body",
    ),
    Answer("endless body", OK + b"\r\n" + b"b" * (BODY_LIMIT + 1), "invalid_body"),
]


@pytest.mark.parametrize("row", BAD, ids=lambda row: row.name)
async def test_bad_answer(world: World, row: Answer) -> None:
    """The request is recorded on both sides, no response is."""
    async with world.expect(*GRANTED):
        world.service.answer = row.data
        got = await world.call()
        assert got.start_line.startswith("HTTP/1.1 500 ")
        assert got.headers["x-road-error"] == f"{THEIRS}.{row.code}"
        check_json(got, f"{THEIRS}.{row.code}")
        assert len(world.service.calls) == 1


async def test_service_resets_the_connection(world: World) -> None:
    async with world.expect(*GRANTED):
        world.service.reset = True
        assert (await world.call()).headers["x-road-error"] == f"{THEIRS}.network_error"


@pytest.mark.parametrize(
    "answer", [b"", OK, OK + b"Content-Length: 10\r\n\r\nhalf"], ids=["head", "rest of head", "body"]
)
async def test_service_is_too_slow(world: World, answer: bytes) -> None:
    async with world.expect(*GRANTED):
        world.service.answer, world.service.hold = answer, True
        got = await world.call(SLOW)
        assert got.headers["x-road-error"] == f"{THEIRS}.io_error"


def answered(status: bytes, *headers: bytes, body: bytes = b"") -> bytes:
    return b"\r\n".join((b"HTTP/1.1 " + status, *headers, b"Content-Length: %d" % len(body), b"", body))


@pytest.mark.parametrize(
    "status",
    [b"200", b"204 No Content", b"304 Not Modified", b"302 Found", b"404 Not Found", b"418 \xff", b"500 Oh", b"999 X"],
)
async def test_any_final_status_travels(world: World, status: bytes) -> None:
    """A service's own 4xx and 5xx are answers, not X-Road errors."""
    async with world.expect(*SERVED):
        world.service.answer = answered(status, b"Location: http://elsewhere.invalid/")
        got = await world.call()
        assert got.start_line.split()[1].encode() == status[:3]
        assert "x-road-error" not in got.headers
        assert got.headers["location"] == "http://elsewhere.invalid/"
        assert len(world.service.calls) == 1  # not followed


async def test_reserved_headers_of_a_service_do_not_count(world: World) -> None:
    async with world.expect(*SERVED):
        world.service.answer = answered(
            b"200 OK",
            b"X-Road-Client: VN/GOV/G99/evil",
            b"X-Road-Request-Hash: AAAA",
            b"x-road-request-id: evil",
            b"X-Road-Id: evil",
            b"X-Road-Service: VN/GOV/G99/evil/x",
            b"Server: leaky/1.0",
            b"Connection: x-internal",
            b"Keep-Alive: timeout=1",
            body=b"b",
        )
        got = await world.call()
        assert got.headers["x-road-client"] == "VN/GOV/G22/dvc"
        assert got.headers["x-road-service"] == "VN/GOV/G01/dancu/person"  # the last one counts (reference 1.3)
        assert b"evil" not in "".join(v for n, v in got.headers.items() if n != "x-road-service").encode()
        assert not {"server", "keep-alive"} & got.headers.keys()


async def test_many_and_long_headers_travel(world: World) -> None:
    async with world.expect(*SERVED):
        many = [b"X-%d: b" % n for n in range(300)]
        world.service.answer = answered(b"200 OK", b"X-Long: " + b"v" * 20_000, *many)
        got = await world.call(PERSON, *((f"Y-{n}", "c") for n in range(300)))
        assert (len(got.headers["x-long"]), got.headers["x-299"]) == (20_000, "b")
        assert b"\r\nY-299: c\r\n" in world.service.calls[0][0]


async def test_forged_error_header_travels_as_the_service_wrote_it(world: World) -> None:
    """As in X-Road (reference 1.6): whoever reads it also has the signed answer it stands in."""
    async with world.expect(*SERVED):
        world.service.answer = answered(b"200 OK", b"X-Road-Error: server.x", body=b"b")
        assert (await world.call()).headers["x-road-error"] == "server.x"


async def test_gzip_is_passed_on_as_it_is(world: World) -> None:
    async with world.expect(*SERVED):
        packed = gzip.compress(b"x" * 1000)
        world.service.answer = answered(b"200 OK", b"Content-Encoding: gzip", body=packed)
        got = await world.call()
        assert (got.body, got.headers["content-encoding"]) == (packed, "gzip")
        assert b"accept-encoding" not in world.service.calls[0][0].lower()


async def test_cookies_stay_with_the_caller(world: World) -> None:
    async with world.expect(*SERVED, *SERVED):
        world.service.answer = answered(b"200 OK", b"Set-Cookie: a=b", b"Set-Cookie: c=d")
        assert (await world.call()).headers["set-cookie"] == "c=d"
        await world.call()
        assert all(b"cookie" not in head.lower() for head, _ in world.service.calls)


async def test_value_not_ascii_comes_back_byte_for_byte(world: World) -> None:
    async with world.expect(*SERVED):
        world.service.answer = answered(b"200 OK", "X-Name: Trần".encode(), b"X-Latin: \xe9")
        got = await world.raw(b"GET %b HTTP/1.1\r\nHost: x\r\nX-Road-Client: VN/GOV/G22/dvc\r\n\r\n" % PERSON.encode())
        assert "X-Name: Trần\r\n".encode() in got


async def test_value_not_ascii_reaches_the_service_byte_for_byte(world: World) -> None:
    async with world.expect(*SERVED):
        values = "X-Name: Trần".encode() + b"\r\nX-Latin: caf\xe9\r\n"
        await world.raw(
            b"GET %b HTTP/1.1\r\nHost: x\r\nX-Road-Client: VN/GOV/G22/dvc\r\n%b\r\n" % (PERSON.encode(), values)
        )
        assert values in world.service.calls[0][0]


@pytest.mark.parametrize("verb", ["GET", "DELETE", "HEAD", "OPTIONS", "TRACE", "POST", "PUT", "PATCH"])
async def test_every_method_with_a_body(world: World, verb: str) -> None:
    """The body is signed and recorded for each; what reaches the service is what was sent, once (reference 1.5)."""
    async with world.expect(*SERVED):
        if verb == "HEAD":
            world.service.answer = GOOD.partition(b"{")[0]
        assert (await world.call(verb=verb, body=b"abc")).start_line == "HTTP/1.1 200 OK"
        ((head, body),) = world.service.calls
        assert head.startswith(verb.encode() + b" /base HTTP/1.1\r\n")
        assert body in (b"abc", b"")


async def test_large_answer_to_a_caller_who_leaves(world: World) -> None:
    async with world.expect(*SERVED):
        world.service.answer = answered(b"200 OK", body=b"b" * BODY_LIMIT)
        world.service.wait = 0.1
        await world.raw(
            b"GET %b HTTP/1.1\r\nHost: x\r\nX-Road-Client: VN/GOV/G22/dvc\r\n\r\n" % PERSON.encode(), hang_up=True
        )
