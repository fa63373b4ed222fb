"""The tree of digests under one signature or time-stamp over many messages (reference 4.3, "several inputs").

X-Road's shape: a heap of 2^ceil(log2 k) - 1 nodes with the leaves behind it. A node is the step digest of its two children; a node
with only a left child is that child, unhashed. The order of the leaves is the order given.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.core.digest import Digest, DigestAlgorithm
from gateway.core.errors import MalformedMessage
from gateway.core.signing.hashchainform import Sibling, step_digest

MAX_LEAVES = 10_000  # X-Road's `timestamp-records-limit` (reference 6.2)
_SIZE = DigestAlgorithm.SHA512.size
_SIDES = (b"R", b"L")


@dataclass(frozen=True, slots=True)
class HashTree:
    """`nodes`: the heap, root first, leaves last; None where an incomplete tree has nothing. `leaves`: how many."""

    nodes: tuple[Digest | None, ...]
    leaves: int

    @property
    def root(self) -> Digest:
        root = self.nodes[0]
        assert root is not None
        return root

    def path(self, leaf: int) -> tuple[Sibling, ...]:
        """From the root down; at most 14 siblings. Empty for a tree of one leaf."""
        if not 0 <= leaf < self.leaves:
            raise IndexError(leaf)
        at, found = len(self.nodes) // 2 + leaf, list[Sibling]()
        while at > 0:
            sibling = self.nodes[at + 1 if at % 2 else at - 1]
            if sibling is not None:
                found.append(Sibling(at % 2 == 0, sibling))
            at = (at - 1) // 2
        return tuple(reversed(found))


def build_tree(leaves: Sequence[Digest]) -> HashTree:
    """One to `MAX_LEAVES` digests of one algorithm. MalformedMessage otherwise."""
    if not 1 <= len(leaves) <= MAX_LEAVES:
        raise MalformedMessage("a hash tree has one to ten thousand leaves", code="malformed_hash_chain")
    algorithm = leaves[0].algorithm
    if any(d.algorithm is not algorithm for d in leaves):
        raise MalformedMessage("the digests of a hash tree are of different algorithms", code="unsupported_algorithm")
    width = 1 << (len(leaves) - 1).bit_length()
    nodes: list[Digest | None] = [*(None,) * (width - 1), *leaves, *(None,) * (width - len(leaves))]
    for at in reversed(range(width - 1)):
        left, right = nodes[2 * at + 1], nodes[2 * at + 2]
        nodes[at] = left if left is None or right is None else step_digest((left, right), algorithm)
    return HashTree(tuple(nodes), len(leaves))


def pack_path(leaf: Digest, path: Sequence[Sibling]) -> bytes:
    """A leaf with its way from the root, for storage: its SHA-512, then for each sibling the side, `L` or `R`, and SHA-512."""
    return leaf.value + b"".join(_SIDES[s.left] + s.digest.value for s in path)


def unpack_path(packed: bytes) -> tuple[Digest, tuple[Sibling, ...]]:
    """What `pack_path` packed. MalformedMessage (`malformed_hash_chain`) for anything else."""
    rest = [packed[at : at + _SIZE + 1] for at in range(_SIZE, len(packed), _SIZE + 1)]
    if len(packed) < _SIZE or any(len(r) != _SIZE + 1 or r[:1] not in _SIDES for r in rest):
        raise MalformedMessage("a stored path of a hash tree is damaged", code="malformed_hash_chain")
    siblings = (Sibling(r[:1] == b"L", Digest(DigestAlgorithm.SHA512, r[1:])) for r in rest)
    return Digest(DigestAlgorithm.SHA512, packed[:_SIZE]), tuple(siblings)
