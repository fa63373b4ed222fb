from __future__ import annotations

import pytest

from gateway.core.errors import MalformedMessage
from gateway.core.globalconf.mimeform import UNREADABLE, read_header, read_parameters, split_parts


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        (b"A: 1\r\nb:2\r\n\r\nrest\r\n", ({"a": "1", "b": "2"}, b"rest\r\n")),
        (b"A: 1\nb: \t2 \n\nrest", ({"a": "1", "b": "2"}, b"rest")),
        (b"\r\nrest", ({}, b"rest")),
        (b"a: 1", ({"a": "1"}, b"")),
        (b"a: Vi\xe1\xbb\x87t\n\n", ({"a": "Việt"}, b"")),
        (b"", ({}, b"")),
    ],
)
def test_headers(part: bytes, expected: tuple[dict[str, str], bytes]) -> None:
    assert read_header(part) == expected


@pytest.mark.parametrize(
    "part", [b"a\r\n\r\n", b": b\n\n", b"a: 1\n folded\n\n", b"a: 1\nA: 2\n\n", b"a: \xff\n\n", b"a: \0\n\n"]
)
def test_broken_headers(part: bytes) -> None:
    with pytest.raises(MalformedMessage) as caught:
        read_header(part)
    assert caught.value.code == UNREADABLE


@pytest.mark.parametrize(("lines", "length"), [(65, 1), (1, 4096)])
def test_headers_are_bounded(lines: int, length: int) -> None:
    with pytest.raises(MalformedMessage):
        read_header(b"".join(b"a%d: " % n + b"x" * length + b"\n" for n in range(lines)))


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        (b"--b\r\none\r\n--b\r\ntwo\r\n--b--\r\n", [b"one", b"two"]),
        (b"--b\none\n--b\ntwo\n--b--", [b"one", b"two"]),
        (b"before\r\n--b\r\none\r\n\r\n--b--\r\nafter", [b"one\r\n"]),
        (b"--b \r\none\r\n--bb\r\n--b--", [b"one\r\n--bb"]),
        (b"--b--", []),
    ],
)
def test_parts(content: bytes, parts: list[bytes]) -> None:
    assert split_parts(content, b"b", closed=True) == parts
    assert split_parts(content, b"b", closed=False) == parts


def test_the_closing_boundary_may_be_missing_where_that_is_said() -> None:
    content = b"--b\r\none\r\n--b\r\ntwo\r\n"
    assert split_parts(content, b"b", closed=False) == [b"one", b"two\r\n"]
    with pytest.raises(MalformedMessage):
        split_parts(content, b"b", closed=True)


@pytest.mark.parametrize("content", [b"--b\n--b\n--b--", b"--b"])
def test_parts_without_content(content: bytes) -> None:
    with pytest.raises(MalformedMessage):
        split_parts(content, b"b", closed=False)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("main", ("main", {})),
        ("main; A=1;b=2", ("main", {"a": "1", "b": "2"})),
        ("""main; a='x;y'; b="p'q" ; c = 3""", ("main", {"a": "x;y", "b": "p'q"})),
        ("SHARED-PARAMETERS; instance='DEV'", ("SHARED-PARAMETERS", {"instance": "DEV"})),
        ('aGFzaA==; hash-algorithm-id="u#h"', ("aGFzaA==", {"hash-algorithm-id": "u#h"})),
        ("; a=", ("", {"a": ""})),
    ],
)
def test_parameters(value: str, expected: tuple[str, dict[str, str]]) -> None:
    assert read_parameters(value) == expected
