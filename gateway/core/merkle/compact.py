"""A compact range: what must be remembered of a tree to append to it and to know its root, one hash for each bit of its size."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from gateway.core.merkle.hashing import fold, node_hash


@dataclass(frozen=True, slots=True)
class CompactRange:
    """The first `size` entries. `subtrees`: roots of the complete subtrees it consists of, largest first."""

    size: int = 0
    subtrees: tuple[bytes, ...] = ()

    def extended(self, leaf_hashes: Iterable[bytes]) -> CompactRange:
        size, subtrees = self.size, list(self.subtrees)
        for leaf in leaf_hashes:
            bits, root = size, leaf
            while bits & 1:
                root = node_hash(subtrees.pop(), root)
                bits >>= 1
            subtrees.append(root)
            size += 1
        return CompactRange(size, tuple(subtrees))

    @property
    def root(self) -> bytes:
        return fold(self.subtrees)
