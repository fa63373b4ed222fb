"""Inclusion and consistency proofs: the reference tree's own, and the cases in which verifiers are known to be wrong."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from gateway.core.errors import ProofRejected
from gateway.core.merkle.hashing import EMPTY_ROOT, node_hash, root_of
from gateway.core.merkle.proofs import consistency_proof, inclusion_proof, verify_consistency, verify_inclusion
from tests.unit.core.merkle.test_hashing import LEAVES, ROOTS

H = bytes.fromhex


def nodes(level: int, number: int) -> bytes:
    return root_of(LEAVES[number << level : (number + 1) << level])


# RFC 6962 2.1.1 and 2.1.3, written out for the eight entries
INCLUSION = {
    (0, 1): (),
    (0, 8): (LEAVES[1], root_of(LEAVES[2:4]), root_of(LEAVES[4:8])),
    (5, 8): (LEAVES[4], root_of(LEAVES[6:8]), root_of(LEAVES[0:4])),
    (2, 3): (root_of(LEAVES[0:2]),),
    (1, 5): (LEAVES[0], root_of(LEAVES[2:4]), LEAVES[4]),
    (6, 7): (root_of(LEAVES[4:6]), root_of(LEAVES[0:4])),
}
CONSISTENCY = {
    (1, 1): (),
    (1, 8): (LEAVES[1], root_of(LEAVES[2:4]), root_of(LEAVES[4:8])),
    (2, 5): (root_of(LEAVES[2:4]), LEAVES[4]),
    (4, 7): (root_of(LEAVES[4:7]),),
    (6, 8): (root_of(LEAVES[4:6]), root_of(LEAVES[6:8]), root_of(LEAVES[0:4])),
    (3, 7): (LEAVES[2], LEAVES[3], root_of(LEAVES[0:2]), root_of(LEAVES[4:7])),
}


@pytest.mark.parametrize(("index", "size"), INCLUSION)
def test_inclusion(index: int, size: int) -> None:
    assert inclusion_proof(index, size, nodes) == INCLUSION[index, size]


@pytest.mark.parametrize(("old", "new"), CONSISTENCY)
def test_consistency(old: int, new: int) -> None:
    assert consistency_proof(old, new, nodes) == CONSISTENCY[old, new]


def test_every_proof_of_the_reference_tree_holds() -> None:
    for size in range(1, 9):
        for index in range(size):
            verify_inclusion(LEAVES[index], index, size, ROOTS[size], inclusion_proof(index, size, nodes))
        for old in range(size + 1):
            verify_consistency(old, ROOTS[old], size, ROOTS[size], consistency_proof(old, size, nodes))


@pytest.mark.parametrize(("index", "size"), [(-1, 8), (8, 8), (0, 0)])
def test_no_inclusion_proof(index: int, size: int) -> None:
    with pytest.raises(ValueError, match="no entry"):
        inclusion_proof(index, size, nodes)


@pytest.mark.parametrize(("old", "new"), [(-1, 8), (8, 7)])
def test_no_consistency_proof(old: int, new: int) -> None:
    with pytest.raises(ValueError, match="no proof"):
        consistency_proof(old, new, nodes)


ATTACKS: dict[str, Callable[[], None]] = {
    "an empty leaf below an empty root": lambda: verify_inclusion(b"", 0, 1, b"", ()),
    "a short leaf": lambda: verify_inclusion(LEAVES[0][:31], 0, 1, LEAVES[0][:31], ()),
    "a long hash in the path": lambda: verify_inclusion(LEAVES[0], 0, 2, ROOTS[2], (LEAVES[1] + b"\0",)),
    "an index that is the size": lambda: verify_inclusion(LEAVES[0], 1, 1, ROOTS[1], ()),
    "an index behind the size": lambda: verify_inclusion(LEAVES[1], 9, 8, ROOTS[8], INCLUSION[5, 8]),
    "a negative index": lambda: verify_inclusion(LEAVES[0], -1, 8, ROOTS[8], INCLUSION[0, 8]),
    "a leaf in the empty tree": lambda: verify_inclusion(LEAVES[0], 0, 0, EMPTY_ROOT, ()),
    "a path too short": lambda: verify_inclusion(LEAVES[0], 0, 8, ROOTS[8], INCLUSION[0, 8][:-1]),
    "a path too long": lambda: verify_inclusion(LEAVES[0], 0, 8, ROOTS[8], (*INCLUSION[0, 8], LEAVES[0])),
    "a path of a thousand hashes": lambda: verify_inclusion(LEAVES[0], 0, 2**62, ROOTS[8], (LEAVES[1],) * 1000),
    "another entry's path": lambda: verify_inclusion(LEAVES[0], 0, 8, ROOTS[8], INCLUSION[5, 8]),
    "a node as a leaf": lambda: verify_inclusion(node_hash(LEAVES[0], LEAVES[1]), 0, 8, ROOTS[8], INCLUSION[0, 8][1:]),
    "one size, two roots": lambda: verify_consistency(8, ROOTS[7], 8, ROOTS[8], ()),
    "one size and a proof": lambda: verify_consistency(1, ROOTS[1], 1, ROOTS[1], (LEAVES[0],)),
    "one size, roots of no length": lambda: verify_consistency(1, b"", 1, b"", ()),
    "smaller": lambda: verify_consistency(8, ROOTS[8], 7, ROOTS[7], ()),
    "from nothing, with a proof": lambda: verify_consistency(0, EMPTY_ROOT, 8, ROOTS[8], (LEAVES[0],)),
    "from nothing that has a root": lambda: verify_consistency(0, ROOTS[1], 8, ROOTS[8], ()),
    "nothing that has a root": lambda: verify_consistency(0, ROOTS[1], 0, ROOTS[1], ()),
    "no proof": lambda: verify_consistency(3, ROOTS[3], 7, ROOTS[7], ()),
    "no proof, power of two": lambda: verify_consistency(4, ROOTS[4], 7, ROOTS[7], ()),
    "the old root in a proof from a power of two": lambda: verify_consistency(
        4, ROOTS[4], 7, ROOTS[7], (ROOTS[4], *CONSISTENCY[4, 7])
    ),
    "another old root": lambda: verify_consistency(6, ROOTS[5], 8, ROOTS[8], CONSISTENCY[6, 8]),
    "another old root, power of two": lambda: verify_consistency(4, ROOTS[3], 7, ROOTS[7], CONSISTENCY[4, 7]),
    "another new root": lambda: verify_consistency(6, ROOTS[6], 8, ROOTS[7], CONSISTENCY[6, 8]),
    "too long": lambda: verify_consistency(6, ROOTS[6], 8, ROOTS[8], (*CONSISTENCY[6, 8], LEAVES[0])),
    "too short": lambda: verify_consistency(6, ROOTS[6], 8, ROOTS[8], CONSISTENCY[6, 8][:-1]),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_rejected(attack: str) -> None:
    with pytest.raises(ProofRejected):
        ATTACKS[attack]()


def test_from_a_power_of_two_the_old_root_is_not_in_the_proof() -> None:
    verify_consistency(4, ROOTS[4], 7, ROOTS[7], CONSISTENCY[4, 7])
    assert ROOTS[4] not in CONSISTENCY[4, 7]
