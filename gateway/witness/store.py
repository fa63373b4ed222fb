"""What a witness remembers: the last checkpoint it cosigned of each log, as the file that monitors get.

    <state>/<SHA-256 of the origin, hex>/checkpoint

Such a folder is never restored from a backup: that would be a rewind. Then the witness's key is retired.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from pathlib import Path

from gateway.core.errors import SettingsError
from gateway.core.merkle.note import SignedNote, parse_note
from gateway.storage.durable import replace_durably


def origin_hash(origin: str) -> str:
    """How an origin stands in paths: SHA-256, lower-case hex (C2SP tlog-witness)."""
    return hashlib.sha256(origin.encode()).hexdigest()


class WitnessStore:
    """Blocking; call from a thread. One process at a time has it."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._lock: int | None = None

    def open(self) -> None:
        """SettingsError when another process has this folder: two of one witness could cosign two histories."""
        self._directory.mkdir(parents=True, exist_ok=True)
        handle = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as e:
            os.close(handle)
            raise SettingsError([f"{self._directory}: another witness runs on this folder"]) from e
        self._lock = handle

    def close(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def load(self, origin: str) -> SignedNote | None:
        """None when nothing of this log was ever cosigned. MalformedMessage for a file that is damaged: not the same thing."""
        try:
            return parse_note(self._path(origin).read_bytes())
        except FileNotFoundError:
            return None

    def save(self, origin: str, note: SignedNote) -> None:
        """Durable on return. OSError when the disk refuses."""
        replace_durably(self._path(origin), bytes(note))

    def _path(self, origin: str) -> Path:
        return self._directory / origin_hash(origin) / "checkpoint"
