"""Checkpoints (C2SP tlog-checkpoint): what a log says about itself, as the text of a note.

    <origin>\\n<size, decimal>\\n<root, base64>\\n[extension lines]

We print none of the extension lines: ML-DSA cosignatures do not cover them, and nobody can audit them.
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.core.errors import MalformedMessage
from gateway.core.merkle.text import decode_text, parse_decimal, parse_hash, print_base64


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """`origin` names the log for good; `root`: 32 bytes over the first `size` entries."""

    origin: str
    size: int
    root: bytes


def print_checkpoint(checkpoint: Checkpoint) -> bytes:
    """The text of its note."""
    return f"{checkpoint.origin}\n{checkpoint.size}\n{print_base64(checkpoint.root)}\n".encode()


def parse_checkpoint(text: bytes) -> Checkpoint:
    """From the text of a note. Extension lines are allowed and mean nothing to us. MalformedMessage otherwise."""
    lines = decode_text(text).split("\n")  # not splitlines(): that splits at U+2028 and others too
    if len(lines) < 4 or lines.pop() or not all(lines):
        raise MalformedMessage("a checkpoint is origin, size and root, each on its line")
    return Checkpoint(lines[0], parse_decimal(lines[1]), parse_hash(lines[2]))
