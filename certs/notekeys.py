"""The demo's keys for the transparency log and its witnesses, and the policy that says whom to believe.

A log has keys of its own each year, for this year and the next; those of former years stay, and stay in the policy.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pydantic import Field

from gateway.core.errors import KeyTokenError
from gateway.settings.common import HttpUrl, Strict
from gateway.settings.log import ED25519, ML_DSA_44, NoteKeyName
from gateway.settings.names import Piece
from gateway.signer.notes import NoteKey, NotePrivateKey, load_note_key

Kind = Literal["ed25519", "ml-dsa-44"]
Write = Callable[[Path, bytes, int], None]
_NEW: dict[str, Callable[[], NotePrivateKey]] = {
    ED25519: Ed25519PrivateKey.generate,
    ML_DSA_44: MLDSA44PrivateKey.generate,
}


class WitnessTopology(Strict):
    """`code` stands in file names and in the policy; `name` in its signature lines."""

    code: Piece
    name: NoteKeyName
    key: Kind
    url: HttpUrl


class LogTopology(Strict):
    origin: NoteKeyName
    url: HttpUrl
    quorum: Annotated[int, Field(ge=0)]
    witnesses: tuple[WitnessTopology, ...]


def ensure_note_keys(out: Path, topology: LogTopology, now: datetime, write: Write) -> Iterator[tuple[str, bool]]:
    """Make what is missing; yields each set's name and whether it was made."""
    for year in (now.year, now.year + 1):
        for kind in _NEW:
            yield _ensure(out, f"log-{year}-{kind}", kind, write)
    for witness in topology.witnesses:
        yield _ensure(out, f"witness-{witness.code}", witness.key, write)
    text = _policy(out, topology).encode()
    path = out / "log-policy.txt"
    made = not path.exists() or path.read_bytes() != text
    if made:
        write(path, text, 0o644)
    yield "log-policy", made


def _ensure(out: Path, name: str, kind: str, write: Write) -> tuple[str, bool]:
    path = out / f"{name}.key"
    try:
        load_note_key(path, "any", cosigner=False)
    except KeyTokenError:
        # A damaged key of a log is not made anew: what it signed would be unknown. Whoever wants that deletes it.
        if path.exists():
            raise
        write(path, _NEW[kind]().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), 0o600)
        return name, True
    return name, False


def _policy(out: Path, topology: LogTopology) -> str:
    lines = [f"# Made by certs/generate.py: the demo's log and its witnesses. At least {topology.quorum} must cosign."]
    for path in sorted(out.glob("log-[0-9]*.key")):
        year = re.fullmatch(r"log-([0-9]{4})-.*\.key", path.name)
        if year is not None:
            key = load_note_key(path, f"{topology.origin}/{year[1]}", cosigner=False)
            lines.append(f"log {key.verifier} {topology.url}/{year[1]}")
    for witness in topology.witnesses:
        cosigner: NoteKey = load_note_key(out / f"witness-{witness.code}.key", witness.name, cosigner=True)
        lines.append(f"witness {witness.code} {cosigner.verifier} {witness.url}")
    if topology.quorum:
        lines.append(f"group witnesses {topology.quorum} {' '.join(w.code for w in topology.witnesses)}")
    lines.append(f"quorum {'witnesses' if topology.quorum else 'none'}")
    return "\n".join(lines) + "\n"
