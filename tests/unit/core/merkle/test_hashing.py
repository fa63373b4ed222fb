"""Facts of RFC 6962 2.1: the eight entries of the certificate-transparency reference tree and its roots."""

from __future__ import annotations

import hashlib

import pytest

from gateway.core.merkle.compact import CompactRange
from gateway.core.merkle.hashing import EMPTY_ROOT, leaf_hash, node_hash, range_root, root_of

ENTRIES = tuple(
    map(
        bytes.fromhex,
        ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"),
    )
)
LEAVES = tuple(map(leaf_hash, ENTRIES))
ROOTS = tuple(
    map(
        bytes.fromhex,
        (
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
            "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
            "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
            "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
            "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
        ),
    )
)


@pytest.mark.parametrize("size", range(9))
def test_the_reference_tree(size: int) -> None:
    assert root_of(LEAVES[:size]) == ROOTS[size]
    assert CompactRange().extended(LEAVES[:size]).root == ROOTS[size]
    if size:
        assert range_root(lambda level, n: root_of(LEAVES[n << level : (n + 1) << level]), 0, size) == ROOTS[size]


def test_the_empty_tree() -> None:
    assert root_of([]) == CompactRange().root == EMPTY_ROOT == hashlib.sha256(b"").digest()


def test_a_leaf_is_not_a_node() -> None:
    left, right = LEAVES[:2]
    assert leaf_hash(left + right) != node_hash(left, right)


def test_the_last_entry_is_not_doubled() -> None:
    assert root_of(LEAVES[:3]) != root_of([*LEAVES[:3], LEAVES[2]])


def test_a_range_grows_in_any_steps() -> None:
    grown = CompactRange().extended(LEAVES[:3]).extended(()).extended(LEAVES[3:7]).extended(LEAVES[7:])
    assert grown == CompactRange(8, (ROOTS[8],))
