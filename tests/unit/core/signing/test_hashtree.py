from __future__ import annotations

import hashlib

import pytest

from gateway.core.digest import DigestAlgorithm, sha512
from gateway.core.errors import MalformedMessage
from gateway.core.signing.hashchainform import pair_digest, step_digest
from gateway.core.signing.hashtree import MAX_LEAVES, HashTree, build_tree

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
    leaves = [sha512(x) for x in (b"a", b"b", b"c")]
    a, b, c = (x.value for x in leaves)
    tree = build_tree(leaves)
    assert tree.root.value == node(node(a, b), c)
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
    assert [tree.leaf(n) for n in range(count)] == leaves
    assert {climb(leaf.value, tree, n) for n, leaf in enumerate(leaves)} == {tree.root.value}


@pytest.mark.parametrize("algorithm", DigestAlgorithm)
def test_two_digests_are_a_step_of_two(algorithm: DigestAlgorithm) -> None:
    left, right = algorithm.of(b"left"), algorithm.of(b"right")
    assert pair_digest(algorithm)(left.value, right.value) == step_digest((left, right), algorithm).value


def test_bounds() -> None:
    tree = build_tree([sha512(b"")])
    assert (tree.path(0), tree.root) == ((), sha512(b""))
    for outside in (-1, 1):
        with pytest.raises(IndexError):
            tree.path(outside)
    for leaves in ([sha512(b"")] * (MAX_LEAVES + 1), [], [sha512(b""), DigestAlgorithm.SHA256.of(b"")]):
        with pytest.raises(MalformedMessage):
            build_tree(leaves)
