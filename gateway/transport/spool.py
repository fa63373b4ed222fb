"""Bodies outside core: hashed while they arrive, kept in memory when small, in an anonymous temporary file when large.

A spool file has no name from its first moment on, so nothing of it survives the process; durable evidence is the message
log's business. Reads and writes go through the page cache in pieces of at most `_PIECE` bytes.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import weakref
from collections.abc import AsyncIterator
from pathlib import Path

from gateway.core.digest import Digest, DigestAlgorithm
from gateway.core.errors import GatewayError, MalformedMessage

_PIECE = 256 * 1024


class InlineBody:
    """A complete body in memory."""

    __slots__ = ("_data", "_digest")

    def __init__(self, data: bytes, digest: Digest | None = None) -> None:
        self._data = data
        self._digest = digest or Digest(DigestAlgorithm.SHA512, hashlib.sha512(data).digest())

    @property
    def digest(self) -> Digest:
        return self._digest

    @property
    def size(self) -> int:
        return len(self._data)

    @property
    def inline(self) -> bytes | None:
        return self._data

    async def chunks(self) -> AsyncIterator[bytes]:
        if self._data:
            yield self._data


class SpooledBody:
    """A complete body in an anonymous file; the file goes when the last reference goes."""

    def __init__(self, fd: int, size: int, digest: Digest) -> None:
        self._fd = fd
        self._size = size
        self._digest = digest
        weakref.finalize(self, os.close, fd)

    @property
    def digest(self) -> Digest:
        return self._digest

    @property
    def size(self) -> int:
        return self._size

    @property
    def inline(self) -> bytes | None:
        return None

    async def chunks(self) -> AsyncIterator[bytes]:
        position = 0
        while position < self._size:
            piece = os.pread(self._fd, _PIECE, position)
            if not piece:
                raise GatewayError("a spooled body is shorter than it was", code="io_error")
            position += len(piece)
            yield piece


class Spool:
    """Takes one body in pieces. `above`: bytes from which it goes to a file; `limit`: bytes it may have at most."""

    def __init__(self, *, above: int, limit: int, directory: Path | None = None) -> None:
        self._above = above
        self._limit = limit
        self._directory = directory
        self._hash = hashlib.sha512()
        self._pieces: list[bytes] = []
        self._size = 0
        self._fd: int | None = None

    @property
    def size(self) -> int:
        return self._size

    def write(self, data: bytes) -> None:
        """MalformedMessage (`invalid_body`) when the body grows over its limit."""
        self._size += len(data)
        if self._size > self._limit:
            self.abandon()
            raise MalformedMessage(f"The body is larger than {self._limit} bytes", code="invalid_body")
        self._hash.update(data)
        if self._fd is not None:
            _write_all(self._fd, data)
            return
        self._pieces.append(bytes(data))
        if self._size > self._above:
            self._fd = _anonymous_file(self._directory)
            for piece in self._pieces:
                _write_all(self._fd, piece)
            self._pieces = []

    def finish(self) -> InlineBody | SpooledBody:
        """The complete body. The spool is spent afterwards."""
        digest = Digest(DigestAlgorithm.SHA512, self._hash.digest())
        if self._fd is None:
            return InlineBody(b"".join(self._pieces), digest)
        fd, self._fd = self._fd, None
        return SpooledBody(fd, self._size, digest)

    def abandon(self) -> None:
        """Forget what came so far. Harmless after `finish`."""
        self._pieces = []
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None


def _anonymous_file(directory: Path | None) -> int:
    with tempfile.TemporaryFile(dir=directory) as f:
        return os.dup(f.fileno())


def _write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
