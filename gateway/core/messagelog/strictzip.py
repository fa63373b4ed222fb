"""ZIP files made by others, read in one way only.

The rule: what two programs could read differently is refused. Entries stand one behind the other from the first byte to the
central directory, each local header says what the central directory says, no name occurs twice (upper and lower case are the same),
no name leads out of a folder, nothing is encrypted, and the end record is the end of the file. What is unpacked is counted while it
is unpacked, so a small file cannot become a large one unnoticed (zip bombs), and must be as long as it says, with the right CRC.
"""

from __future__ import annotations

import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from gateway.core.errors import MalformedMessage

_LOCAL = struct.Struct("<4s5H3L2H")
_LOCAL_MAGIC = b"PK\x03\x04"
_END = struct.Struct("<4s4H2LH")
_END_MAGIC = b"PK\x05\x06"
_ENCRYPTED = 0x2041  # encrypted, strongly encrypted, or with a masked central directory
_DESCRIPTOR = 0x0008
_DESCRIPTOR_SIZES = (12, 16, 20, 24)  # with or without its signature, with sizes of 4 or 8 bytes
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_PIECE = 1 << 16
_NAME = re.compile(r"[^\x00-\x1f\\:]{1,512}")


class NoZip(MalformedMessage):
    """Not a ZIP file at all."""


@dataclass(frozen=True, slots=True)
class ZipEntry:
    """`size`: as announced, bytes unpacked."""

    name: str
    size: int
    _start: int
    _packed: int
    _stored: bool
    _crc: int


class StrictZip:
    """Looks at an open file, which stays the caller's and must not change meanwhile. `entries`: in the order of the file, without
    folders. MalformedMessage with `code` for a file that does not obey the module's rule, NoZip when it is none."""

    def __init__(self, file: BinaryIO, *, code: str, most_entries: int) -> None:
        self._file = file
        self._code = code
        try:
            with zipfile.ZipFile(file) as directory:
                infos, end, comment = directory.infolist(), directory.start_dir, directory.comment
        except (zipfile.BadZipFile, NotImplementedError, UnicodeDecodeError, struct.error, ValueError) as e:
            raise NoZip("not a ZIP file", code=code) from e
        if len(infos) > most_entries:
            raise self._bad("too many entries")
        self._check_end(comment)
        self._check_names(infos)
        infos.sort(key=lambda i: i.header_offset)
        starts = [i.header_offset for i in infos] + [end]
        if starts[0] != 0:
            raise self._bad("something stands before the first entry")
        found = [self._locate(info, until) for info, until in zip(infos, starts[1:], strict=True)]
        self.entries = tuple(entry for entry in found if not entry.name.endswith("/"))

    def read(self, entry: ZipEntry, limit: int) -> bytes:
        """The whole content, of at most `limit` bytes. MalformedMessage otherwise."""
        return b"".join(self.pieces(entry, limit))

    def pieces(self, entry: ZipEntry, limit: int) -> Iterator[bytes]:
        """The content in pieces, so that memory stays flat. MalformedMessage, at the latest after the last piece."""
        if entry.size > limit:
            raise self._bad("an entry is too large")
        size = crc = 0
        for piece in self._stored(entry) if entry._stored else self._inflated(entry):
            size += len(piece)
            crc = zlib.crc32(piece, crc)
            if size > entry.size:
                break
            yield piece
        if (size, crc) != (entry.size, entry._crc):
            raise self._bad("an entry is not what the directory says")

    # --- layout ----------------------------------------------------------------------------------------------------

    def _check_end(self, comment: bytes) -> None:
        size = _END.size + len(comment)
        if self._file.seek(0, 2) < size:
            raise self._bad("no end record")
        self._file.seek(-size, 2)
        magic, *_, length = _END.unpack(self._read_exactly(_END.size))
        if magic != _END_MAGIC or length != len(comment):
            raise self._bad("the end record is not the end")

    def _check_names(self, infos: list[zipfile.ZipInfo]) -> None:
        known: set[str] = set()
        for info in infos:
            name = info.orig_filename
            pieces = name.removesuffix("/").split("/")
            if not _NAME.fullmatch(name) or any(piece in ("", ".", "..") for piece in pieces):
                raise self._bad("a name that leads elsewhere")
            if name.lower() in known:
                raise self._bad("a name occurs twice")
            known.add(name.lower())

    def _locate(self, info: zipfile.ZipInfo, until: int) -> ZipEntry:
        """Compares the local header with the directory's entry; the entry ends where the next begins."""
        self._file.seek(info.header_offset)
        magic, _, flags, method, _, _, crc, packed, size, name_size, extra_size = _LOCAL.unpack(
            self._read_exactly(_LOCAL.size)
        )
        name = self._read_exactly(name_size)
        if magic != _LOCAL_MAGIC or flags != info.flag_bits or method != info.compress_type:
            raise self._bad("an entry and its directory differ")
        if flags & _ENCRYPTED or method not in _METHODS:
            raise self._bad("an entry is encrypted, or packed in an unknown way")
        if name.decode("utf-8" if flags & 0x800 else "cp437", "replace") != info.orig_filename:
            raise self._bad("an entry and its directory have different names")
        start = info.header_offset + _LOCAL.size + name_size + extra_size
        gap = until - start - info.compress_size
        if flags & _DESCRIPTOR:
            fits = gap in _DESCRIPTOR_SIZES
        else:
            large = 0xFFFFFFFF  # sizes of 8 bytes stand in the extra field
            same = crc == info.CRC and packed in (info.compress_size, large) and size in (info.file_size, large)
            fits = gap == 0 and same
        if not fits:
            raise self._bad("entries overlap, or something stands between them")
        stored = method == zipfile.ZIP_STORED
        if stored and info.compress_size != info.file_size:
            raise self._bad("an entry has two sizes")
        return ZipEntry(info.orig_filename, info.file_size, start, info.compress_size, stored, info.CRC)

    # --- content ---------------------------------------------------------------------------------------------------

    def _stored(self, entry: ZipEntry) -> Iterator[bytes]:
        at, end = entry._start, entry._start + entry._packed
        while at < end:
            self._file.seek(at)  # every time: the caller may read several entries in turn
            piece = self._read_exactly(min(_PIECE, end - at))
            at += len(piece)
            yield piece

    def _inflated(self, entry: ZipEntry) -> Iterator[bytes]:
        inflate = zlib.decompressobj(-zlib.MAX_WBITS)
        try:
            for packed in self._stored(entry):
                rest = packed
                while rest and not inflate.eof:
                    yield inflate.decompress(rest, _PIECE)
                    rest = inflate.unconsumed_tail
                if inflate.unused_data or (inflate.eof and rest):
                    raise self._bad("something stands behind a packed entry")
            while not inflate.eof and (piece := inflate.decompress(inflate.unconsumed_tail, _PIECE)):
                yield piece
        except zlib.error as e:
            raise self._bad("an entry cannot be unpacked") from e
        if not inflate.eof:
            raise self._bad("an entry is cut short")

    def _read_exactly(self, size: int) -> bytes:
        data = self._file.read(size)
        if len(data) != size:
            raise self._bad("it is cut short")
        return data

    def _bad(self, what: str) -> MalformedMessage:
        return MalformedMessage(f"The ZIP file is refused: {what}", code=self._code)
