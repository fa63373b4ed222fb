"""Receipts (C2SP tlog-proof, files `.tlog-proof`): an entry's index, its path, and the checkpoint that they lead to.

The header ends at the *first* empty line; the note in it has its own, the last one.
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.core.errors import MalformedMessage
from gateway.core.merkle.note import MAX_NOTE, SignedNote, parse_note
from gateway.core.merkle.policy import Policy, VerifiedCheckpoint, verify_checkpoint
from gateway.core.merkle.proofs import MAX_PROOF, verify_inclusion
from gateway.core.merkle.text import decode_text, parse_base64, parse_decimal, parse_hash, print_base64

_FIRST = "c2sp.org/tlog-proof@v1"
MAX_RECEIPT = 2 * MAX_NOTE  # bytes


@dataclass(frozen=True, slots=True)
class Receipt:
    """`extra` is authenticated by nothing."""

    index: int
    path: tuple[bytes, ...]
    checkpoint: SignedNote
    extra: bytes | None = None

    def __bytes__(self) -> bytes:
        """The file."""
        extra = "" if self.extra is None else f"extra {print_base64(self.extra)}\n"
        path = "".join(f"{print_base64(h)}\n" for h in self.path)
        return f"{_FIRST}\n{extra}index {self.index}\n{path}\n".encode() + bytes(self.checkpoint)


@dataclass(frozen=True, slots=True)
class VerifiedReceipt:
    """The entry is number `index` of the log."""

    index: int
    checkpoint: VerifiedCheckpoint


def parse_receipt(data: bytes) -> Receipt:
    """MalformedMessage for bytes that are not a receipt."""
    if len(data) > MAX_RECEIPT:
        raise MalformedMessage("a receipt of more than 1 MiB")
    head, blank, note = data.partition(b"\n\n")
    lines = decode_text(head).split("\n")
    if not blank or lines.pop(0) != _FIRST:
        raise MalformedMessage("not a tlog-proof")
    extra = parse_base64(lines.pop(0)[len("extra ") :]) if lines and lines[0].startswith("extra ") else None
    if not lines or not lines[0].startswith("index "):
        raise MalformedMessage("a tlog-proof without index")
    index = parse_decimal(lines[0].removeprefix("index "))
    if len(lines) > MAX_PROOF + 1:
        raise MalformedMessage("a path of more than 63 hashes")
    return Receipt(index, tuple(map(parse_hash, lines[1:])), parse_note(note), extra)


def verify_receipt(receipt: Receipt, leaf: bytes, policy: Policy) -> VerifiedReceipt:
    """The entry with this leaf hash is in a log of the policy, under enough cosignatures. MalformedMessage or ProofRejected."""
    verified = verify_checkpoint(receipt.checkpoint, policy)
    tree = verified.checkpoint
    verify_inclusion(leaf, receipt.index, tree.size, tree.root, receipt.path)
    return VerifiedReceipt(receipt.index, verified)
