"""What the configuration client keeps on disk.

    <state>/anchor.xml                          the anchor, when it came from a URL
    <state>/<INST>/<anchor key>.directory       the signed directory believed last, as received
    <state>/<INST>/<hash>.part                  its files, named by their hash

Files are written before the directory that names them, and each by rename: if we crash anywhere, the directory on disk is
whole, the old or the new one. A directory counts only for the anchor it was believed under: exchanging the anchor is how a
stolen signing key is withdrawn, and must withdraw what it signed.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

from gateway.core.digest import Digest
from gateway.core.globalconf.assembly import directory_name
from gateway.core.globalconf.directory import LOCAL_NAMES
from gateway.core.globalconf.model import Anchor
from gateway.core.globalconf.xmlform import MAX_DOCUMENT, malformed


class StateStore:
    """Blocking; call from a thread. OSError when the disk refuses."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def load_anchor(self) -> bytes | None:
        return _read(self._directory / "anchor.xml")

    def save_anchor(self, content: bytes) -> None:
        _replace(self._directory / "anchor.xml", content)

    def load(self, anchor: Anchor) -> tuple[bytes, tuple[bytes, ...]] | None:
        """(directory, files) as `save` was given them; None when nothing was saved under this anchor."""
        folder = self._folder(anchor)
        body = _read(folder / f"{_key(anchor)}.directory")
        if body is None:
            return None
        return body, tuple(p.read_bytes() for p in sorted(folder.glob("*.part")))

    def save(self, anchor: Anchor, body: bytes, files: Mapping[Digest, bytes]) -> None:
        """Durable on return. What the directory no longer names is removed afterwards."""
        folder, name = self._folder(anchor), f"{_key(anchor)}.directory"
        names = {f"{digest.value.hex()}.part": data for digest, data in files.items()}
        for part, data in names.items():
            if not (folder / part).exists():
                _replace(folder / part, data)
        # if we crash here: the old directory and all its files are there, and new files that nobody names
        if _read(folder / name) != body:
            _replace(folder / name, body)
        for stale in (*folder.glob("*.part"), *folder.glob("*.directory"), *folder.glob("*.new")):
            if stale.name != name and stale.name not in names:
                stale.unlink(missing_ok=True)

    def _folder(self, anchor: Anchor) -> Path:
        return self._directory / directory_name(anchor.instance)


def _key(anchor: Anchor) -> str:
    """Of what decides whom to believe: the instance and the certificates, not the URLs."""
    certificates = sorted(hashlib.sha256(c).hexdigest() for c in anchor.verification_certificates)
    return hashlib.sha256(repr((anchor.instance, certificates)).encode()).hexdigest()[:32]


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def _replace(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f"{path.name}.new")
    with new.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)


def read_saved_directory(directory: Path) -> dict[str, bytes]:
    """The files of a configuration directory that somebody else keeps (reference 7.3), for `saved.load_saved`.

    OSError; MalformedMessage when a file is larger than any configuration.
    """
    names = ("instance-identifier", *(f"*/{n}{suffix}" for n in LOCAL_NAMES.values() for suffix in ("", ".metadata")))
    paths = sorted(path for name in names for path in directory.glob(name))
    if any(path.stat().st_size > MAX_DOCUMENT for path in paths):
        raise malformed("a configuration file is too large")
    return {path.relative_to(directory).as_posix(): path.read_bytes() for path in paths}
