"""Files that are there after a crash: written beside their name, synced, renamed, and the folder synced."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

_NEW = ".new"  # what such a name holds was never acknowledged


def replace_durably(path: Path, data: bytes) -> None:
    """`path` holds `data` on return, or what it held before, whenever we crash. OSError when the disk refuses."""
    write_durably([(path, data)])


def write_durably(files: Iterable[tuple[Path, bytes]]) -> None:
    """The same for several files, in their order; folders are made as needed, and synced once at the end."""
    folders: dict[Path, None] = {}
    for path, data in files:
        for made in _make_folder(path.parent):
            folders[made] = None
        new = path.with_name(path.name + _NEW)
        with new.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
        folders[path.parent] = None
    for folder in folders:
        sync_folder(folder)


def is_leftover(path: Path) -> bool:
    """Whether it is a file that a crash left half written."""
    return path.name.endswith(_NEW)


def sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _make_folder(folder: Path) -> list[Path]:
    """Returns the folders that must be synced because a new one stands in them."""
    missing = []
    while not folder.exists():
        missing.append(folder)
        folder = folder.parent
    for path in reversed(missing):
        path.mkdir(exist_ok=True)
    return [path.parent for path in missing]
