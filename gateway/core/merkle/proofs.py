"""Inclusion and consistency proofs: built from subtree roots (RFC 6962 2.1.1, 2.1.2), verified by the iterative algorithms of
RFC 9162 2.1.3.2 and 2.1.4.2."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.core.errors import ProofRejected
from gateway.core.merkle.hashing import EMPTY_ROOT, HASH_SIZE, Nodes, node_hash, range_root

MAX_PROOF = 63
"""Hashes in a proof of any tree of up to 2**63 entries."""


def _split(size: int) -> int:
    """The largest power of two strictly below `size` (at least 2)."""
    return 1 << ((size - 1).bit_length() - 1)


def inclusion_proof(index: int, size: int, nodes: Nodes) -> tuple[bytes, ...]:
    """The path of entry `index` in the tree of `size` entries, the leaf's sibling first. ValueError when it is not in it."""
    if not 0 <= index < size:
        raise ValueError(f"no entry {index} in a tree of {size}")
    path = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            path.append(range_root(nodes, middle, end))
            end = middle
        else:
            path.append(range_root(nodes, start, middle))
            start = middle
    return tuple(reversed(path))


def consistency_proof(old: int, new: int, nodes: Nodes) -> tuple[bytes, ...]:
    """That the tree of `new` entries begins with that of `old`; empty when `old` is 0 or `new`. ValueError when old > new."""
    if not 0 <= old <= new:
        raise ValueError(f"no proof from {old} to {new}")
    if old == 0:
        return ()
    path = []
    start, end = 0, new
    while old != end:
        middle = start + _split(end - start)
        if old <= middle:
            path.append(range_root(nodes, middle, end))
            end = middle
        else:
            path.append(range_root(nodes, start, middle))
            start = middle
    if start:  # the old tree's last subtree is not the old root, which the verifier knows
        path.append(range_root(nodes, start, end))
    return tuple(reversed(path))


def verify_inclusion(leaf: bytes, index: int, size: int, root: bytes, path: Sequence[bytes]) -> None:
    """The entry with this leaf hash is number `index` of the tree with `size` entries and this root, or ProofRejected."""
    _check_hashes(leaf, root, *path)
    if not 0 <= index < size:
        raise ProofRejected("the entry's index is not below the tree's size")
    position, last, computed = index, size - 1, leaf
    for sibling in path:
        if last == 0:
            raise ProofRejected("the inclusion proof is too long")
        if position & 1 or position == last:
            computed = node_hash(sibling, computed)
            while position and not position & 1:
                position, last = position >> 1, last >> 1
        else:
            computed = node_hash(computed, sibling)
        position, last = position >> 1, last >> 1
    if last != 0:
        raise ProofRejected("the inclusion proof is too short")
    if computed != root:
        raise ProofRejected("the entry is not in the tree")


def verify_consistency(old: int, old_root: bytes, new: int, new_root: bytes, path: Sequence[bytes]) -> None:
    """The tree (`new`, `new_root`) begins with (`old`, `old_root`), or ProofRejected. From the empty tree there is nothing to
    prove, but its root must be the empty one."""
    _check_hashes(old_root, new_root, *path)
    if not 0 <= old <= new:
        raise ProofRejected("the old tree is larger than the new one")
    if (old == 0 and old_root != EMPTY_ROOT) or (new == 0 and new_root != EMPTY_ROOT):
        raise ProofRejected("an empty tree has another root")
    if old in (0, new):
        if path:
            raise ProofRejected("a consistency proof where there is nothing to prove")
        if old == new and old_root != new_root:
            raise ProofRejected("two roots for one size")
        return
    if old & (old - 1) == 0:
        path = (old_root, *path)  # a complete subtree of the new tree: left out of the proof
    if not path:
        raise ProofRejected("the consistency proof is too short")
    position, last = old - 1, new - 1
    while position & 1:
        position, last = position >> 1, last >> 1
    from_old = from_new = path[0]
    for sibling in path[1:]:
        if last == 0:
            raise ProofRejected("the consistency proof is too long")
        if position & 1 or position == last:
            from_old, from_new = node_hash(sibling, from_old), node_hash(sibling, from_new)
            while position and not position & 1:
                position, last = position >> 1, last >> 1
        else:
            from_new = node_hash(from_new, sibling)
        position, last = position >> 1, last >> 1
    if last != 0:
        raise ProofRejected("the consistency proof is too short")
    if from_old != old_root or from_new != new_root:
        raise ProofRejected("the new tree does not begin with the old one")


def _check_hashes(*hashes: bytes) -> None:
    """Empty or short hashes make vacuous proofs: many verifiers accept an empty leaf below an empty root."""
    if len(hashes) > MAX_PROOF + 2 or any(len(h) != HASH_SIZE for h in hashes):
        raise ProofRejected("a proof has at most 63 hashes of 32 bytes")
