"""Serial numbers that are never given twice, though the process is killed at any moment or two run at once.

The file says from which number on nothing was given. A block is taken by writing that file, durably, before its first number is
used; a crash wastes what was left of a block.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from gateway.core.errors import MalformedMessage

_BLOCK = 1000
_MOST = 1 << 62


class SerialNumbers:
    """1, 2, 3 ... from the file `path`, which need not exist yet. One thread at a time."""

    def __init__(self, path: Path, block: int = _BLOCK) -> None:
        self._path = path
        self._block = block
        self._next = self._end = 1

    def take(self) -> int:
        """OSError when the file cannot be written, MalformedMessage when it is damaged: then no number is given."""
        if self._next == self._end:
            self._next, self._end = self._reserve()
        number, self._next = self._next, self._next + 1
        return number

    def _reserve(self) -> tuple[int, int]:
        directory = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(directory, fcntl.LOCK_EX)  # two processes would take the same block
            first = self._read()
            self._write(first + self._block, directory)
            return first, first + self._block
        finally:
            os.close(directory)

    def _read(self) -> int:
        try:
            text = self._path.read_bytes()
        except FileNotFoundError:
            return 1
        if not text.endswith(b"\n") or not text[:-1].isdigit() or not 1 <= (first := int(text[:20])) < _MOST:
            raise MalformedMessage("the file of serial numbers is damaged")
        return first

    def _write(self, free: int, directory: int) -> None:
        new = self._path.with_name(f".{self._path.name}.new")
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(b"%d\n" % free)
            file.flush()
            os.fsync(file.fileno())
        new.replace(self._path)  # if we crash before: the block is still free; after: it is wasted
        os.fsync(directory)
