"""That an entry is *not* in a log: a Merkle tree has no short proof of it.

What proves it: every leaf hash of the tree, in order; together they give the root of the checkpoint, and the one in question is not
among them. The checkpoint says as of when: enough witnesses cosigned it, at times of their own, as the largest tree they had seen.

What proves nothing: that the log gives no receipt; a checkpoint without witnesses, or cosigned before the time in question; leaf
hashes that do not give the root; a log that does not answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from gateway.core.errors import ProofRejected
from gateway.core.merkle.checkpoint import Checkpoint
from gateway.core.merkle.compact import CompactRange
from gateway.core.merkle.policy import Cosignature, Policy


class LeafWalk:
    """Every leaf hash of a tree, looked at once and in order. `found`: index of each wanted one that came by."""

    def __init__(self, wanted: Iterable[bytes]) -> None:
        self._wanted = frozenset(wanted)
        self._range = CompactRange()
        self.found: dict[bytes, int] = {}

    def take(self, hashes: Sequence[bytes]) -> None:
        for wanted in self._wanted.intersection(hashes):
            self.found.setdefault(wanted, self._range.size + hashes.index(wanted))
        self._range = self._range.extended(hashes)

    def end(self, tree: Checkpoint) -> None:
        """ProofRejected unless exactly the leaves of this tree came by: then what was not found is not in it."""
        if (self._range.size, self._range.root) != (tree.size, tree.root):
            raise ProofRejected("the leaf hashes do not give the checkpoint's root")


def witnessed_at(cosignatures: Sequence[Cosignature], policy: Policy) -> int | None:
    """The latest POSIX time from which on enough witnesses of the policy cosigned: they knew of no larger tree then. None when the
    policy asks for no witnesses, so that nobody says when."""
    if policy.quorum is None:
        return None
    for at in sorted({c.at for c in cosignatures}, reverse=True):
        if policy.satisfied([c.witness for c in cosignatures if c.at >= at]):
            return at
    return None
