from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Callable

import pytest

from gateway.core.errors import MalformedMessage
from gateway.core.messagelog.strictzip import NoZip, StrictZip
from tests.support.containers import pack

FILES = {"a.txt": b"first", "folder/b.txt": b"second" * 100, "empty": b""}


def opened(data: bytes) -> StrictZip:
    return StrictZip(io.BytesIO(data), code="bad", most_entries=10)


def contents(data: bytes, limit: int = 1000) -> dict[str, bytes]:
    archive = opened(data)
    return {entry.name: archive.read(entry, limit) for entry in archive.entries}


class Unseekable(io.BytesIO):
    """Makes `zipfile` write descriptors behind the data, as Java does."""

    def seekable(self) -> bool:
        return False

    def seek(self, *_: int) -> int:
        raise OSError

    def tell(self) -> int:
        raise OSError


def streamed() -> bytes:
    out = Unseekable()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in FILES.items():
            archive.writestr(name, content)
    return out.getvalue()


@pytest.mark.parametrize(
    "data",
    [pack(FILES), pack(FILES, method=zipfile.ZIP_STORED), streamed(), pack({"folder/": b"", **FILES})],
    ids=["deflated", "stored", "streamed", "with a folder"],
)
def test_what_is_read(data: bytes) -> None:
    assert contents(data) == FILES


def test_pieces_of_two_entries_in_turn() -> None:
    archive = opened(pack({"a": b"a" * 200_000, "b": b"b" * 200_000}, method=zipfile.ZIP_STORED))
    both = list(zip(*(archive.pieces(entry, 200_000) for entry in archive.entries), strict=True))
    assert b"".join(a for a, _ in both) == b"a" * 200_000
    assert {bytes(set(b)) for _, b in both} == {b"b"}


def test_an_empty_zip_has_no_entries_and_is_refused() -> None:
    with pytest.raises(MalformedMessage):
        opened(pack({}) + b"x")


@pytest.mark.parametrize("data", [b"", b"PK", b"no zip at all", b"PK\x03\x04" + bytes(100)])
def test_no_zip(data: bytes) -> None:
    with pytest.raises(NoZip):
        opened(data)


@pytest.mark.parametrize(
    "name", ["../a", "/a", "a/../b", "a//b", "./a", "C:a", "a\\b", "a\nb", "a\x00b", "..", "x" * 600]
)
def test_names_that_lead_elsewhere(name: str) -> None:
    data = bytearray(pack({"N" * len(name): b"x"}))
    data = bytearray(bytes(data).replace(b"N" * len(name), name.encode()))
    with pytest.raises(MalformedMessage):
        opened(bytes(data))


def test_a_name_that_occurs_twice() -> None:
    with pytest.raises(MalformedMessage, match="twice"), pytest.warns(UserWarning, match="Duplicate"):
        opened(pack([("a", b"1"), ("a", b"2")]))
    with pytest.raises(MalformedMessage, match="twice"):
        opened(pack([("a", b"1"), ("A", b"2")]))


def test_too_many_entries() -> None:
    with pytest.raises(MalformedMessage, match="too many"):
        opened(pack({str(n): b"" for n in range(11)}))


def test_an_entry_above_the_limit_is_not_unpacked() -> None:
    archive = opened(pack({"bomb": bytes(1 << 20)}))
    with pytest.raises(MalformedMessage, match="too large"):
        archive.read(archive.entries[0], (1 << 20) - 1)


def test_a_bomb_that_lies_about_its_size_stops_there() -> None:
    data = pack({"bomb": bytes(1 << 20)}).replace(struct.pack("<L", 1 << 20), struct.pack("<L", 10))
    archive = opened(data)
    pieces = archive.pieces(archive.entries[0], 100)
    with pytest.raises(MalformedMessage, match="not what the directory says"):
        next(pieces)


def local(data: bytes, offset: int, value: bytes) -> bytes:
    """A field of the first local header."""
    return data[:offset] + value + data[offset + len(value) :]


def central(data: bytes, offset: int, value: bytes) -> bytes:
    return local(data, data.index(b"PK\x01\x02") + offset, value)


@pytest.mark.parametrize(
    "change",
    [
        lambda d: b"#!/bin/sh\n" + d,
        lambda d: d + b"behind",
        lambda d: local(d, 30, b"z"),
        lambda d: local(d, 14, b"\x00\x00\x00\x01"),
        lambda d: local(d, 18, b"\xf0\x00\x00\x00"),
        lambda d: local(d, 8, b"\x00\x00"),
        lambda d: local(d, 6, b"\x01\x00"),
        lambda d: central(local(d, 6, b"\x01\x00"), 8, b"\x01\x00"),
        lambda d: central(local(d, 8, b"\x0e\x00"), 10, b"\x0e\x00"),
        lambda d: central(local(d, 14, b"\x00\x00\x00\x01"), 16, b"\x00\x00\x00\x01"),
        lambda d: central(d, 42, b"\x05\x00\x00\x00"),
        lambda d: d[: len(d) // 2],
    ],
    ids=[
        "something before",
        "something behind",
        "another local name",
        "another local CRC",
        "another local size",
        "another local method",
        "locally encrypted",
        "encrypted",
        "unknown method",
        "a wrong CRC in both",
        "another offset",
        "cut in half",
    ],
)
def test_files_that_can_be_read_in_two_ways(change: Callable[[bytes], bytes]) -> None:
    with pytest.raises(MalformedMessage):
        contents(change(pack(FILES)))


def test_something_behind_the_packed_data() -> None:
    """A stream reader would find the rest of the entry, a directory reader the next."""
    raw = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = raw.compress(b"data") + raw.flush()
    data = pack({"a": b"data"}, method=zipfile.ZIP_STORED)
    assert packed not in data
    padded = _with_packed(packed + b"hidden", b"data")
    with pytest.raises(MalformedMessage, match="behind a packed entry"):
        contents(padded)
    assert contents(_with_packed(packed, b"data")) == {"a": b"data"}


def _with_packed(packed: bytes, content: bytes) -> bytes:
    crc, sizes = zlib.crc32(content), (len(packed), len(content))
    head = struct.pack("<4s5H3L2H", b"PK\x03\x04", 20, 0, 8, 0, 33, crc, *sizes, 1, 0) + b"a" + packed
    directory = struct.pack("<4s6H3L5H2L", b"PK\x01\x02", 20, 20, 0, 8, 0, 33, crc, *sizes, 1, 0, 0, 0, 0, 0, 0) + b"a"
    return head + directory + struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 1, 1, len(directory), len(head), 0)
