from __future__ import annotations

import hashlib

import pytest

from gateway.core.digest import Digest, DigestAlgorithm, sha512
from gateway.core.errors import MalformedMessage
from gateway.core.signing.hashtree import MAX_LEAVES, HashTree, build_tree, pack_path, unpack_path

URI = b"http://www.w3.org/2001/04/xmlenc#sha512"


def node(left: bytes, right: bytes) -> bytes:
    """Reference 4.3, written out for two SHA-512 digests: each SingleDigest has 66 + 41 + 2 bytes."""
    single = [b"\x30\x6d\x04\x40" + d + b"\x0c\x27" + URI + b"\x30\x00" for d in (left, right)]
    return hashlib.sha512(b"\x30\x81\xde" + b"".join(single)).digest()


def climb(leaf: bytes, tree: HashTree, n: int) -> bytes:
    for sibling in reversed(tree.path(n)):
        pair = (sibling.digest.value, leaf) if sibling.left else (leaf, sibling.digest.value)
        leaf = node(*pair)
    return leaf


def test_three_leaves_promote_the_last() -> None:
    a, b, c = (sha512(x) for x in (b"a", b"b", b"c"))
    tree = build_tree([a, b, c])
    assert tree.root.value == node(node(a.value, b.value), c.value)
    assert [s.left for s in tree.path(2)] == [True]
    assert [s.left for s in tree.path(1)] == [False, True]


def test_five_leaves_promote_twice() -> None:
    leaves = [sha512(bytes((n,))) for n in range(5)]
    a, b, c, d, e = (x.value for x in leaves)
    tree = build_tree(leaves)
    assert tree.root.value == node(node(node(a, b), node(c, d)), e)
    assert [len(tree.path(n)) for n in range(5)] == [3, 3, 3, 3, 1]


@pytest.mark.parametrize("count", [1, 2, 3, 4, 6, 7, 9, 33, 100])
def test_every_leaf_leads_to_the_root(count: int) -> None:
    leaves = [sha512(b"%d" % n) for n in range(count)]
    tree = build_tree(leaves)
    assert {climb(leaf.value, tree, n) for n, leaf in enumerate(leaves)} == {tree.root.value}


def test_bounds() -> None:
    tree = build_tree([sha512(b"a")])
    assert tree.path(0) == ()
    for outside in (-1, 1):
        with pytest.raises(IndexError):
            tree.path(outside)
    zero = Digest(DigestAlgorithm.SHA512, bytes(64))
    with pytest.raises(MalformedMessage):
        build_tree([zero] * (MAX_LEAVES + 1))


@pytest.mark.parametrize("count", [1, 2, 5, 33])
def test_a_path_is_stored_and_read(count: int) -> None:
    leaves = [sha512(b"%d" % n) for n in range(count)]
    tree = build_tree(leaves)
    for n, leaf in enumerate(leaves):
        assert unpack_path(pack_path(leaf, tree.path(n))) == (leaf, tree.path(n))


@pytest.mark.parametrize(
    "packed", [b"", bytes(63), bytes(65), bytes(64) + b"L" + bytes(63), bytes(64) + b"X" + bytes(64)]
)
def test_a_stored_path_that_is_none(packed: bytes) -> None:
    with pytest.raises(MalformedMessage):
        unpack_path(packed)
