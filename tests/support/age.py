"""Recipients of archives, and archives opened by their identities."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pyrage

from gateway.messagelog.archivecipher import SUFFIX, Identities


@dataclass(frozen=True)
class Recipient:
    """`identity`: as its owner keeps it, in a file."""

    public: str
    identity: str = field(repr=False)


def recipient() -> Recipient:
    identity = pyrage.x25519.Identity.generate()
    return Recipient(str(identity.to_public()), str(identity))


def opened(folder: Path, of: Recipient) -> Path:
    """A folder with what is in the encrypted archives of `folder`, and with those in clear."""
    clear = folder / "opened"
    clear.mkdir(exist_ok=True)
    for path in folder.glob("mlog-*.zip"):
        (clear / path.name).write_bytes(path.read_bytes())
    for path in folder.glob(f"mlog-*.zip{SUFFIX}"):
        with path.open("rb") as source, (clear / path.stem).open("wb") as target:
            Identities(of.identity).decrypt(source, target)
    return clear
