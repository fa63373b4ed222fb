"""Files that commands make and read. Made: whole or not at all, never over one that is there, readable by their owner alone."""

from __future__ import annotations

import os
from pathlib import Path

from gateway.core.errors import SettingsError


def write_new(path: Path, data: bytes, *, mode: int = 0o600) -> None:
    """Durable on return. SettingsError when there is such a file, or it cannot be written."""
    new = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(new, path)  # unlike a rename it fails when there is one
        finally:
            new.unlink()
        directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
    except OSError as e:
        raise SettingsError([f"{path}: {e.strerror}"]) from e


def read_limited(path: Path, most: int) -> bytes:
    """Up to one byte more than `most`, which is for the parser to refuse. SettingsError when it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(most + 1)
    except OSError as e:
        raise SettingsError([f"{path}: {e.strerror}"]) from e
