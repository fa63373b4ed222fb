"""What a witness is asked and what it decides (C2SP tlog-witness, add-checkpoint). Pure: the state comes in, the verdict goes out.

old <size>\\n      the size that this witness cosigned last
<base64 hash>\\n   the consistency proof from there, at most 63 lines
\\n
<checkpoint>       a note with the log's signatures
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.core.errors import GatewayError, MalformedMessage, ProofRejected
from gateway.core.merkle.checkpoint import Checkpoint, parse_checkpoint
from gateway.core.merkle.hashing import EMPTY_ROOT
from gateway.core.merkle.keys import VerifierKey
from gateway.core.merkle.note import MAX_NOTE, SignedNote, parse_note
from gateway.core.merkle.policy import verify_log_signature
from gateway.core.merkle.proofs import MAX_PROOF, verify_consistency
from gateway.core.merkle.text import decode_text, parse_decimal, parse_hash, print_base64

MAX_REQUEST = MAX_NOTE + 4096  # bytes


class UnknownLog(GatewayError):
    """The witness does not watch this origin (404)."""

    default_code = "not_found"


class NotSignedByLog(ProofRejected):
    """No line of a trusted key of the log, or one that does not hold (403)."""


class StaleOldSize(ProofRejected):
    """The witness last cosigned another size (409): `size`, 0 when it never did."""

    def __init__(self, size: int) -> None:
        self.size = size
        super().__init__(f"the latest cosigned checkpoint has size {size}")


class Inconsistent(ProofRejected):
    """The checkpoint does not continue what was cosigned: a fork, or no proof that there is none (422)."""


@dataclass(frozen=True, slots=True)
class AddCheckpoint:
    """`note` as received; `checkpoint` is what it says."""

    old: int
    proof: tuple[bytes, ...]
    note: SignedNote
    checkpoint: Checkpoint

    def __bytes__(self) -> bytes:
        lines = "".join(f"{print_base64(h)}\n" for h in self.proof)
        return f"old {self.old}\n{lines}\n".encode() + bytes(self.note)


def parse_add_checkpoint(data: bytes) -> AddCheckpoint:
    """MalformedMessage (400), also when the old size is above the checkpoint's."""
    if len(data) > MAX_REQUEST:
        raise MalformedMessage("a request of more than 516 KiB")
    head, blank, rest = data.partition(b"\n\n")
    lines = decode_text(head).split("\n")
    if not blank or not lines[0].startswith("old ") or len(lines) > MAX_PROOF + 1:
        raise MalformedMessage("not a request to add a checkpoint")
    note = parse_note(rest)
    old, checkpoint = parse_decimal(lines[0].removeprefix("old ")), parse_checkpoint(note.text)
    if old > checkpoint.size:
        raise MalformedMessage("the old size is above the checkpoint's")
    return AddCheckpoint(old, tuple(map(parse_hash, lines[1:])), note, checkpoint)


def judge_checkpoint(request: AddCheckpoint, keys: Sequence[VerifierKey], last: Checkpoint | None) -> None:
    """Returns when the checkpoint may be cosigned: it continues `last`, what this witness cosigned last of this origin. `keys`:
    those trusted for the origin, none when it is unknown. Checks in the order of the specification; UnknownLog, NotSignedByLog,
    StaleOldSize or Inconsistent, and nothing may be cosigned then."""
    if not keys:
        raise UnknownLog("the origin is not known here")
    try:
        verify_log_signature(request.note, request.checkpoint, keys)
    except ProofRejected as e:
        raise NotSignedByLog(e.safe_detail) from e
    known = last or Checkpoint(request.checkpoint.origin, 0, EMPTY_ROOT)
    if request.old != known.size:
        raise StaleOldSize(known.size)
    new = request.checkpoint
    try:
        verify_consistency(known.size, known.root, new.size, new.root, request.proof)
    except ProofRejected as e:
        raise Inconsistent(e.safe_detail) from e
