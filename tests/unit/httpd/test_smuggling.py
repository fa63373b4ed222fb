"""One request that two readers could take for two never becomes two, and what has no end is cut off."""

from __future__ import annotations

import pytest

from gateway.httpd.parsing import MOST_FIELD, MOST_FIELDS, MOST_HEAD, MOST_LINE
from tests.support.httpd import conversation, parsed

INSIDE = b"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
LENGTH = b"Content-Length: %d\r\n" % len(INSIDE)
CHUNKED = b"Transfer-Encoding: chunked\r\n"


def post(headers: bytes, body: bytes = INSIDE, version: bytes = b"1.1") -> bytes:
    return b"POST / HTTP/%b\r\nHost: x\r\n%b\r\n%b" % (version, headers, body)


@pytest.mark.parametrize(
    "data",
    [
        post(LENGTH + CHUNKED, b"0\r\n\r\n" + INSIDE),
        post(CHUNKED + LENGTH, b"0\r\n\r\n" + INSIDE),
        post(CHUNKED + LENGTH, b"0\r\n\r\n" + INSIDE, b"1.0"),
        post(b"Content-Length: 0\r\n" + LENGTH),
        post(LENGTH + b"Content-Length: 0\r\n"),
        post(b"Content-Length: 0, %d\r\n" % len(INSIDE)),
        post(b"Content-Length: +0\r\n"),
        post(b"Content-Length: 0x0\r\n"),
        post(b"Content-Length:\r\n"),
        post(b"Content-Length: 00 %d\r\n" % len(INSIDE)),
        post(b"Content-Length : 0\r\n"),
        post(b"X:\r\n Content-Length: 0\r\n"),
        post(b"X: y\nContent-Length: 0\r\n"),
        post(b"X: y\rContent-Length: 0\r\n"),
        post(LENGTH + b"Transfer-Encoding: xchunked\r\n", b"0\r\n\r\n" + INSIDE),
        post(LENGTH + b"Transfer-Encoding:\x0bchunked\r\n", b"0\r\n\r\n" + INSIDE),
        post(LENGTH + b"Transfer-Encoding : chunked\r\n", b"0\r\n\r\n" + INSIDE),
        post(LENGTH + b"X: y\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n" + INSIDE),
        post(b"Transfer-Encoding: chunked, identity\r\n", b"0\r\n\r\n" + INSIDE),
        post(b"Transfer-Encoding: identity\r\n", b"0\r\n\r\n" + INSIDE),
        post(CHUNKED + CHUNKED, b"0\r\n\r\n" + INSIDE),
        post(CHUNKED + b"Connection: keep-alive\r\n", b"0\r\n\r\n" + INSIDE, b"1.0"),
        post(b"Transfer-Encoding: gzip, chunked\r\n", b"0\r\n\r\n" + INSIDE),
        post(b"Transfer-Encoding: ,chunked\r\n", b"0\r\n\r\n" + INSIDE),
        post(CHUNKED, b"0x0\r\n\r\n" + INSIDE),
        post(CHUNKED, b"-0\r\n\r\n" + INSIDE),
        post(CHUNKED, b"0\n\r\n" + INSIDE),
        post(CHUNKED, b"0;a\nb\r\n\r\n" + INSIDE),
        post(CHUNKED, b"1\r\nab\r\n0\r\n\r\n" + INSIDE),
        post(CHUNKED, b"10000000000000000\r\n\r\n" + INSIDE),
        post(CHUNKED, b"0\r\n" + LENGTH + b"\r\n" + INSIDE),
        post(b"Host: y\r\n" + LENGTH),
        b"POST / HTTP/1.1\r\n%b\r\n" % LENGTH + INSIDE,
    ],
)
@pytest.mark.parametrize("cut", [False, True], ids=["whole", "byte by byte"])
async def test_a_confusion_of_lengths_is_one_refused_request(data: bytes, cut: bool) -> None:
    asked, statuses = await conversation([bytes([b]) for b in data] if cut else [data], pause=cut)
    assert asked == []
    assert statuses == [400]


@pytest.mark.parametrize(
    ("data", "asked"),
    [
        (post(LENGTH), [("POST", "/", INSIDE)]),
        (post(LENGTH + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"), [("POST", "/", INSIDE)]),
        (post(b"Upgrade: websocket\r\nConnection: Upgrade\r\n" + LENGTH), [("POST", "/", INSIDE)]),
        (post(CHUNKED + b"Connection: Upgrade\r\nUpgrade: h2c\r\n", b"3\r\nabc\r\n0\r\n\r\n"), [("POST", "/", b"abc")]),
        (post(CHUNKED, b"3\r\nabc\r\n0\r\nHost: y\r\nUpgrade: h2c\r\n\r\n"), [("POST", "/", b"abc")]),
        (post(LENGTH + b"Connection: close\r\n") + INSIDE, [("POST", "/", INSIDE)]),
        (b"CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n" + INSIDE, [("CONNECT", "x:1", b"")]),
    ],
    ids=["length", "upgrade", "websocket", "chunked upgrade", "trailer", "after the last", "connect"],
)
async def test_what_is_inside_a_body_or_behind_the_last_request_is_none(
    data: bytes, asked: list[tuple[str, str, bytes]]
) -> None:
    assert await conversation([data], pause=True) == (asked, [200])


async def test_who_asks_for_another_protocol_goes_on_in_this_one() -> None:
    data = post(LENGTH + b"Connection: Upgrade\r\nUpgrade: h2c\r\n") + INSIDE
    assert (await conversation([data], pause=True))[0] == [("POST", "/", INSIDE), ("GET", "/smuggled", b"")]
    (first, _), refused = parsed([data])
    assert "upgrade" not in [name.lower() for name, _ in first[3]]
    assert not refused


LINE = b"GET /%b HTTP/1.1\r\nHost: x\r\n"


@pytest.mark.parametrize(
    ("data", "refused"),
    [
        (LINE % (b"a" * (MOST_LINE - 1)) + b"\r\n", False),
        (LINE % (b"a" * MOST_LINE) + b"\r\n", True),
        (LINE % b"" + b"X: " + b"a" * (MOST_FIELD - 1) + b"\r\n\r\n", False),
        (LINE % b"" + b"X: " + b"a" * MOST_FIELD + b"\r\n\r\n", True),
        (LINE % b"" + b"X: y\r\n" * (MOST_FIELDS - 1) + b"\r\n", False),
        (LINE % b"" + b"X: y\r\n" * MOST_FIELDS + b"\r\n", True),
        (LINE % b"" + (b"X: " + b"a" * (MOST_FIELD - 1) + b"\r\n") * (MOST_HEAD // MOST_FIELD) + b"\r\n", True),
        # what never ends, and is kept while it has none
        (b"GET /" + b"a" * 2 * MOST_LINE, True),
        (LINE % b"" + b"X: " + b"a" * 2 * MOST_FIELD, True),
        (LINE % b"" + b"a" * 2 * MOST_FIELD, True),
        (b"\r\n" * MOST_LINE, True),
        (post(CHUNKED, b"0\r\nX: " + b"a" * 2 * MOST_FIELD), True),
        (post(CHUNKED, b"0\r\n" + (b"X: " + b"a" * 1000 + b"\r\n") * (MOST_HEAD // 1000)), True),
        (post(CHUNKED, b"3;" + b"a" * 2 * MOST_FIELD), True),
    ],
)
def test_limits(data: bytes, refused: bool) -> None:
    pieces = [data[at : at + 1000] for at in range(0, len(data), 1000)]
    found, ended = parsed(pieces)
    assert ended == refused
    assert refused or len(found) == 1


@pytest.mark.parametrize(
    ("line", "refused"),
    [
        (b"GET http://h/x HTTP/1.1", False),
        (b"OPTIONS * HTTP/1.1", False),
        (b"GET * HTTP/1.1", True),
        (b"GET http:///x HTTP/1.1", True),
        (b"GET http://[::1/x HTTP/1.1", True),
        (b"GET x HTTP/1.1", True),
        (b"GET / HTTP/2.0", True),
        (b"GET / HTTP/0.9", True),
        (b"GET /", True),
        (b"GET  / HTTP/1.1", False),  # more blanks than one: one reading all the same
        (b"get / HTTP/1.1", True),
    ],
)
def test_forms_of_a_request_line(line: bytes, refused: bool) -> None:
    assert parsed([line + b"\r\nHost: x\r\n\r\n"])[1] == refused


def test_header_bytes_come_in_order_and_unchanged() -> None:
    data = b"GET / HTTP/1.1\r\nHost: x\r\nX-B:  \xc3\xa1 \t\r\nx-a: \xff\r\nX-B:\r\n\r\n"
    ((_, _, _, headers, *_),), _ = parsed([data])
    assert headers == (("Host", "x"), ("X-B", "\xc3\xa1"), ("x-a", "\xff"), ("X-B", ""))
