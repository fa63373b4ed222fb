"""The hashes of a Merkle tree (RFC 6962 2.1, with SHA-256). The prefixes keep an inner node from being presented as a leaf."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable

HASH_SIZE = 32
EMPTY_ROOT = hashlib.sha256(b"").digest()

Nodes = Callable[[int, int], bytes]
"""`nodes(level, n)`: the root of the complete subtree over the entries from n * 2**level up to (n + 1) * 2**level."""


def leaf_hash(entry: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def root_of(hashes: Iterable[bytes]) -> bytes:
    """The root over these leaf hashes."""
    level = list(hashes)
    if not level:
        return EMPTY_ROOT
    sha256 = hashlib.sha256  # here and not through `node_hash`: every access record has fifteen of these
    while len(level) > 1:
        pairs = iter(level)
        above = [sha256(b"\x01" + left + right).digest() for left, right in zip(pairs, pairs, strict=False)]
        if len(level) % 2:  # an odd last hash moves up as it is; doubling it would give two lists of entries one root
            above.append(level[-1])
        level = above
    return level[0]


def fold(subtrees: Iterable[bytes]) -> bytes:
    """The root over complete subtrees of shrinking size, largest first."""
    reverse = list(subtrees)[::-1]
    if not reverse:
        return EMPTY_ROOT
    root = reverse[0]
    for left in reverse[1:]:
        root = node_hash(left, root)
    return root


def range_root(nodes: Nodes, start: int, end: int) -> bytes:
    """MTH(D[start:end]), not empty; `start` is a multiple of a power of two that is not below end - start."""
    parts = []
    while start < end:
        level = (end - start).bit_length() - 1
        parts.append(nodes(level, start >> level))
        start += 1 << level
    return fold(parts)
