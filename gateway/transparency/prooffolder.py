"""The folder with proof files: open cases. Whoever deals with one moves its file away, and with it ends the alarm.

broken-<leaf hash>.json             a broken promise (`core/disclosure/promiseproof.py`)
wrong-time-<leaf hash>.json         what an access record says of its time, and what this server knows: no proof for others
two-histories-<digest>.txt          two checkpoints of one log that contradict each other, as notes, one after the other
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path

from gateway.core.disclosure.promiseproof import PromiseProof, print_proof
from gateway.storage.durable import replace_durably

_BROKEN = re.compile(r"broken-([0-9a-f]{64})\.json")


class ProofFolder:
    """OSError passes through: what cannot be written is tried again in the next round."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def keep_proof(self, leaf: bytes, proof: PromiseProof) -> str:
        """Durable on return; the file's name."""
        return self._write(f"broken-{leaf.hex()}.json", print_proof(proof))

    def keep_fork(self, origin: str, notes: tuple[bytes, bytes]) -> str:
        """One file for what was believed first, however long the log goes on with the other."""
        name = f"two-histories-{hashlib.sha256(origin.encode() + notes[0]).hexdigest()[:32]}.txt"
        return name if (self.path / name).exists() else self._write(name, b"\n".join(notes))

    def keep_misdated(self, leaf: bytes, told: Mapping[str, str | int]) -> str:
        data = json.dumps({"format": "wrong-time/1", "leaf": leaf.hex(), **told}, indent=1)
        return self._write(f"wrong-time-{leaf.hex()}.json", f"{data}\n".encode())

    def cases(self) -> tuple[list[bytes], int, int]:
        """Leaf hashes of the broken promises that lie here, how many files about two histories, and about wrong times."""
        names = [path.name for path in self.path.iterdir()] if self.path.is_dir() else []
        found = [match for match in map(_BROKEN.fullmatch, names) if match is not None]
        forks, misdated = (sum(n.startswith(kind) for n in names) for kind in ("two-histories-", "wrong-time-"))
        return [bytes.fromhex(match[1]) for match in found], forks, misdated

    def _write(self, name: str, data: bytes) -> str:
        replace_durably(self.path / name, data)
        return name
