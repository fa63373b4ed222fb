"""The splitter reads one form only (reference 3.7); each refusal says what X-Road's parser would have made of it."""

from __future__ import annotations

import pytest

from gateway.core.errors import MalformedMessage
from gateway.core.framing.multipart import (
    MAX_HEAD,
    MultipartSplitter,
    PartBegin,
    PartData,
    PartEnd,
    PartEvent,
    parse_boundary,
)

TWO = b"--B\r\ncontent-type: a/b\r\n\r\none\r\n--B\r\nA: b\r\nC:\td e\r\n\r\n\r\n\r\n--B--\r\n"
EVENTS: list[PartEvent] = [
    PartBegin((("content-type", "a/b"),)),
    PartData(b"one"),
    PartEnd(),
    PartBegin((("A", "b"), ("C", "d e"))),
    PartData(b"\r\n"),
    PartEnd(),
]


def split(*pieces: bytes, nested: bool = False) -> list[PartEvent]:
    splitter = MultipartSplitter("B", nested=nested)
    events = [event for piece in pieces for event in splitter.feed(piece)]
    splitter.close()
    return events


def bytewise(data: bytes) -> list[bytes]:
    return [data[i : i + 1] for i in range(len(data))]


def test_parts_come_out_undecoded() -> None:
    assert split(TWO) == EVENTS


def test_byte_by_byte() -> None:
    events = split(*bytewise(TWO))
    assert b"".join(event.data for event in events if isinstance(event, PartData)) == b"one\r\n"
    assert [event for event in events if not isinstance(event, PartData)] == [
        event for event in EVENTS if not isinstance(event, PartData)
    ]


def test_content_goes_out_before_its_end_is_seen() -> None:
    splitter = MultipartSplitter("B")
    assert list(splitter.feed(b"--B\r\nA: b\r\n\r\n" + b"x" * 100)) == [PartBegin((("A", "b"),)), PartData(b"x" * 96)]


@pytest.mark.parametrize(
    ("content", "event"),
    [(b"", []), (b"\r\n", [PartData(b"\r\n")]), (b"\r\n-", [PartData(b"\r\n-")]), (b"\r\n--A", [PartData(b"\r\n--A")])],
)
def test_content_like_a_delimiter(content: bytes, event: list[PartEvent]) -> None:
    assert split(b"--B\r\nA: b\r\n\r\n" + content + b"\r\n--B--\r\n")[1:-1] == event


def test_part_without_headers() -> None:
    assert split(b"--B\r\n\r\nx\r\n--B--\r\n") == [PartBegin(()), PartData(b"x"), PartEnd()]


def test_nested_message_begins_with_one_line_end() -> None:
    assert split(b"\r\n" + TWO, nested=True) == EVENTS


BAD = {
    "nothing": b"",
    "preamble": b"hello\r\n" + TWO,
    "line end before the first boundary (X-Road accepts)": b"\r\n" + TWO,
    "another boundary": TWO.replace(b"--B", b"--C"),
    "LF line ends (X-Road accepts)": TWO.replace(b"\r\n", b"\n"),
    "LF before a boundary (X-Road accepts)": TWO.replace(b"one\r\n--B", b"one\n--B"),
    "boundary inside a line": TWO.replace(b"one\r\n--B", b"one--B"),
    "boundary straight after the head (X-Road accepts)": TWO.replace(b"one\r\n--B", b"--B"),
    "CR LF of the head serves as delimiter (X-Road accepts)": b"--B\r\nA: b\r\n\r\n--B--\r\n",
    "longer boundary (X-Road takes it for content)": TWO.replace(b"one\r\n--B", b"one\r\n--BB"),
    "space after boundary (X-Road accepts)": TWO.replace(b"one\r\n--B\r\n", b"one\r\n--B \r\n"),
    "half closing boundary": TWO.replace(b"--B--\r\n", b"--B-\r\n"),
    "LF after boundary": TWO.replace(b"--B\r\n", b"--B\n", 1),
    "no line end after the closing boundary (X-Road accepts)": TWO[:-2],
    "no closing boundary (X-Road accepts)": TWO[: -len(b"\r\n--B--\r\n")],
    "epilogue (X-Road accepts)": TWO + b"x",
    "empty line as epilogue (X-Road accepts)": TWO + b"\r\n",
    "cut in a head": b"--B\r\ncontent-type: a/b\r\n",
    "folded header (X-Road accepts)": TWO.replace(b"a/b", b"a/b;\r\n c=d"),
    "header without colon": TWO.replace(b"A: b", b"A"),
    "header name with space": TWO.replace(b"A: b", b"A : b"),
    "control character in a header": TWO.replace(b"A: b", b"A: \0"),
    "LF in a head": TWO.replace(b"A: b", b"A: b\nD: e"),
    "oversized head": TWO.replace(b"A: b", b"A: " + b"b" * MAX_HEAD),
}


@pytest.mark.parametrize("data", BAD.values(), ids=BAD.keys())
def test_split_fail(data: bytes) -> None:
    for pieces in ([data], bytewise(data)):
        with pytest.raises(MalformedMessage) as e:
            split(*pieces)
        assert e.value.code == "mime_parsing_failed"


def test_nested_message_without_line_end_fail() -> None:
    with pytest.raises(MalformedMessage):
        split(TWO, nested=True)


def test_a_refused_message_stays_refused() -> None:
    splitter = MultipartSplitter("B")
    with pytest.raises(MalformedMessage):
        list(splitter.feed(b"x"))
    with pytest.raises(MalformedMessage):
        list(splitter.feed(b"--B\r\n"))
    with pytest.raises(MalformedMessage):
        splitter.close()


def test_head_limit_holds_before_its_end_is_seen() -> None:
    splitter = MultipartSplitter("B")
    assert list(splitter.feed(b"--B\r\n" + b"A" * MAX_HEAD)) == []
    with pytest.raises(MalformedMessage):
        list(splitter.feed(b"AAAA"))


@pytest.mark.parametrize(
    ("content_type", "boundary"),
    [
        ("multipart/mixed; charset=UTF-8; boundary=xtopAbC", "xtopAbC"),
        ("Multipart/Mixed;boundary=x", "x"),
        ('multipart/mixed; boundary="x:=?"; charset="a b"', "x:=?"),
        ("multipart/mixed; BOUNDARY=x ; type=a/b ", "x"),
    ],
)
def test_boundary(content_type: str, boundary: str) -> None:
    assert parse_boundary(content_type) == boundary


@pytest.mark.parametrize(
    "content_type",
    [
        None,
        "",
        "text/xml;charset=utf-8",
        "multipart/related; boundary=x",
        "multipart/mixed",
        "multipart/mixed;",
        "multipart/mixed; charset=UTF-8",
        "multipart/mixed; boundary=",
        'multipart/mixed; boundary=""',
        'multipart/mixed; boundary="a b"',
        'multipart/mixed; boundary="a\r\nb"',
        'multipart/mixed; boundary="a',
        "multipart/mixed; boundary=a; boundary=b",
        "multipart/mixed; boundary=a; Boundary=a",
        "multipart/mixed; boundary=a, multipart/mixed; boundary=b",
        "multipart/mixed; boundary=ễ",
        "multipart/mixed; boundary=" + "a" * 71,
        "multipart/mixed; boundary=a" + "; a=b" * 300,
    ],
)
def test_boundary_fail(content_type: str | None) -> None:
    with pytest.raises(MalformedMessage) as e:
        parse_boundary(content_type)
    assert e.value.code == "invalid_content_type"
