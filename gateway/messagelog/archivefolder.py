"""Where archives go. A file gets its name when its bytes are durable, and nobody relies on it before the name is durable too."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import IO, TypeVar

from gateway.core.digest import Digest, DigestAlgorithm
from gateway.core.errors import EvidenceUnavailable, MalformedMessage
from gateway.core.messagelog.archive import read_links
from gateway.core.messagelog.linking import LinkingInfo

_T = TypeVar("_T")
_MODE = 0o640


class ArchiveFolder:
    """Every method raises EvidenceUnavailable when the folder does not do it: nobody knows then whether it happened, and it is safe
    to do it again."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    async def create(self, name: str) -> IO[bytes]:
        """An empty file under a working name, replacing what an interrupted attempt left there. To be closed by the caller."""
        return await _done(lambda: self._create(name))

    async def sync(self, file: IO[bytes]) -> None:
        """Its bytes are durable on return."""
        await _done(lambda: _sync(file))

    async def publish(self, name: str, final: str) -> None:
        """Give the synced file its final name; durable on return."""
        await _done(lambda: self._publish(name, final))

    async def confirm(self, final: str) -> LinkingInfo | None:
        """Read a published file whole: its linking info if every chain digest in it follows from its bytes, and it is durable then;
        None when it is not there or not whole."""
        return await _done(lambda: self._confirm(final))

    async def digest(self, final: str) -> Digest | None:
        """SHA-512 of a published file, which is durable then; None when it is not there."""
        return await _done(lambda: self._digest(final))

    async def discard(self, name: str) -> None:
        """Forget a file under its working name; harmless when it is not there."""
        await _done(lambda: (self.directory / name).unlink(missing_ok=True))

    def _create(self, name: str) -> IO[bytes]:
        self.directory.mkdir(mode=0o750, parents=True, exist_ok=True)
        path = self.directory / name
        path.unlink(missing_ok=True)
        return os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, _MODE), "w+b")

    def _publish(self, name: str, final: str) -> None:
        os.replace(self.directory / name, self.directory / final)
        self._sync_names()

    def _sync_names(self) -> None:
        descriptor = os.open(self.directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def _confirm(self, final: str) -> LinkingInfo | None:
        try:
            with (self.directory / final).open("rb") as file:
                info = read_links(file)
                os.fsync(file.fileno())
        except (FileNotFoundError, MalformedMessage):
            return None
        self._sync_names()
        return info

    def _digest(self, final: str) -> Digest | None:
        try:
            with (self.directory / final).open("rb") as file:
                running = hashlib.file_digest(file, "sha512")
                os.fsync(file.fileno())
        except FileNotFoundError:
            return None
        self._sync_names()
        return Digest(DigestAlgorithm.SHA512, running.digest())


def _sync(file: IO[bytes]) -> None:
    file.flush()
    os.fsync(file.fileno())


async def _done(work: Callable[[], _T]) -> _T:
    """In a thread: a slow disk holds nobody up."""
    try:
        return await asyncio.to_thread(work)
    except OSError as e:
        raise EvidenceUnavailable(f"The folder of archives does not take it: {e.strerror or type(e).__name__}") from e
