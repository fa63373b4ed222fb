"""A temporary file for what is sealed elsewhere: only ciphertext of it reaches a disk.

Blocks of 64 KiB are sealed under a key that is made for this one file and stands in this process's memory alone (AES-256-GCM,
`core/sealing/envelope.py`), each bound to its place; a block that is written again gets a fresh nonce. When the file is closed, or
the process ends, nobody can read what may be left of it.
"""

from __future__ import annotations

import errno
import io
import os
import tempfile
from typing import BinaryIO

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gateway.core.errors import MalformedMessage
from gateway.core.sealing.envelope import KEY_BYTES, NONCE_BYTES, OVERHEAD, seal, unseal

BLOCK = 64 << 10


def sealed_file(in_memory: int) -> BinaryIO:
    """To be written, read and sought in like any other, without gaps. Up to `in_memory` bytes of ciphertext stay in memory, more go
    to an unnamed file where temporary files are. OSError when that does not take or give them, or gives other ones."""
    return io.BufferedRandom(_SealedFile(in_memory), BLOCK)


class _SealedFile(io.RawIOBase):
    """One block stands in clear here and is sealed when another one takes its place."""

    def __init__(self, in_memory: int) -> None:
        self._cipher = AESGCM(os.urandom(KEY_BYTES))
        self._file = tempfile.SpooledTemporaryFile(max_size=in_memory)  # noqa: SIM115 - closed with this one
        self._at = self._size = 0
        self._block, self._n, self._changed = bytearray(), 0, False

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._size}[whence]
        if not 0 <= start + offset <= self._size:
            raise OSError(errno.EINVAL, "not a place in this file")
        self._at = start + offset
        return self._at

    def readinto(self, buffer: bytearray | memoryview, /) -> int:  # type: ignore[override]  # what BufferedRandom gives
        self._turn_to(self._at // BLOCK)
        inside = self._at % BLOCK
        piece = self._block[inside : inside + len(buffer)]
        buffer[: len(piece)] = piece
        self._at += len(piece)
        return len(piece)

    def write(self, data: bytes | memoryview, /) -> int:  # type: ignore[override]  # what BufferedRandom gives
        self._turn_to(self._at // BLOCK)
        inside = self._at % BLOCK
        piece = bytes(data[: BLOCK - inside])
        self._block[inside : inside + len(piece)] = piece
        self._changed = True
        self._at += len(piece)
        self._size = max(self._size, self._at)
        return len(piece)

    def close(self) -> None:
        self._file.close()
        self._block.clear()
        super().close()

    def _turn_to(self, n: int) -> None:
        if n == self._n:
            return
        if self._changed:
            self._file.seek(self._n * (BLOCK + OVERHEAD))
            self._file.write(seal(self._cipher, bytes(self._block), _place(self._n), os.urandom(NONCE_BYTES)))
            self._changed = False
        self._block, self._n = self._stored(n), n

    def _stored(self, n: int) -> bytearray:
        length = min(BLOCK, self._size - n * BLOCK)
        if length == 0:
            return bytearray()
        self._file.seek(n * (BLOCK + OVERHEAD))
        try:
            return bytearray(unseal(self._cipher, self._file.read(length + OVERHEAD), _place(n)))
        except MalformedMessage as e:
            raise OSError(errno.EIO, "a temporary file does not hold what was written") from e


def _place(n: int) -> bytes:
    return b"block\0" + n.to_bytes(8, "big")
