"""The tree of digests under one signature or time-stamp over many messages (reference 4.3, "several inputs").

X-Road's shape: a heap of 2^ceil(log2 k) - 1 nodes with the leaves behind it. A node is the step digest of its two children; a node
with only a left child is that child, unhashed. The order of the leaves is the order given.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

from gateway.core.digest import Digest, DigestAlgorithm
from gateway.core.errors import MalformedMessage
from gateway.core.signing.hashchainform import Sibling, pair_digest

MAX_LEAVES = 10_000  # X-Road's `timestamp-records-limit` (reference 6.2)


@dataclass(frozen=True, slots=True)
class HashTree:
    """`nodes`: the heap of digests of one algorithm, root first, leaves last; empty where an incomplete tree has nothing.
    `leaves`: how many."""

    algorithm: DigestAlgorithm
    nodes: tuple[bytes, ...]
    leaves: int

    @property
    def root(self) -> Digest:
        return Digest(self.algorithm, self.nodes[0])

    def leaf(self, n: int) -> Digest:
        return Digest(self.algorithm, self.nodes[self._index(n)])

    def path(self, n: int) -> tuple[Sibling, ...]:
        """From the root down to leaf `n`; at most 14 siblings. Empty for a tree of one leaf."""
        at, found = self._index(n), list[Sibling]()
        while at > 0:
            sibling = self.nodes[at + 1 if at % 2 else at - 1]
            if sibling:
                found.append(Sibling(at % 2 == 0, Digest(self.algorithm, sibling)))
            at = (at - 1) // 2
        return tuple(reversed(found))

    def _index(self, n: int) -> int:
        if not 0 <= n < self.leaves:
            raise IndexError(n)
        return len(self.nodes) // 2 + n


def build_tree(leaves: Sequence[Digest]) -> HashTree:
    """One to `MAX_LEAVES` digests of one algorithm. MalformedMessage otherwise."""
    algorithm = leaves[0].algorithm if leaves else DigestAlgorithm.SHA512
    if any(d.algorithm is not algorithm for d in leaves):
        raise MalformedMessage("the digests of a hash tree are of different algorithms", code="unsupported_algorithm")
    return joined_tree(algorithm, b"".join(d.value for d in leaves))


def joined_tree(algorithm: DigestAlgorithm, leaves: bytes) -> HashTree:
    """`leaves`: one to `MAX_LEAVES` digests, one after the other. MalformedMessage otherwise."""
    count, rest = divmod(len(leaves), algorithm.size)
    if rest or not 1 <= count <= MAX_LEAVES:
        raise MalformedMessage("a hash tree has one to ten thousand leaves", code="malformed_hash_chain")
    level = [leaves[at : at + algorithm.size] for at in range(0, len(leaves), algorithm.size)]
    level += (b"",) * ((1 << (count - 1).bit_length()) - count)
    levels, digest = [level], pair_digest(algorithm)
    while len(level) > 1:
        level = [digest(left, right) if right else left for left, right in zip(level[::2], level[1::2], strict=True)]
        levels.append(level)
    return HashTree(algorithm, tuple(chain.from_iterable(reversed(levels))), count)
