"""The public has the leaves and a list of everybody: a million numbers of a province, sex and birth year. It finds nobody.

The attack is run against what it does find as well, otherwise finding nothing would prove nothing.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from gateway.core.disclosure.leaf import make_entry
from gateway.core.disclosure.promise import Promise, print_promise
from gateway.core.disclosure.record import Access
from gateway.core.subjects.kinds import Person

pytestmark = pytest.mark.slow

PREFIX = "999300"  # place, century and sex, year: on every identity card, known of anybody
ACCESS = Access(
    time=datetime(2026, 11, 24, 8, 0, tzinfo=UTC),
    consumer="VN/GOV/G22/dvc",
    service="VN/GOV/G01/dancu/person",
    purpose="DVC-GIAI-QUYET-HO-SO",
    legal_basis="ND-63-2024",
    official="",
    request_hash="ab" * 64,
    categories=("identity",),
    outcome="granted",
    case="",
    signature_hash="cd" * 64,
)


def public_leaves() -> list[bytes]:
    """Fifty citizens of that list, each asked about twice."""
    chosen = [f"{PREFIX}{n * 19_997:06}" for n in range(50)]
    return [
        make_entry(replace(ACCESS, case=f"{n}"), Person("vn-personal-number", number), 1, secrets.token_bytes(32)).leaf
        for n in range(2)
        for number in chosen
    ]


def guesses(number: str, known: bytes) -> Iterator[bytes]:
    """What somebody without the seed could compute of a citizen. `known`: a piece of a leaf, tried as the seed."""
    text = number.encode()
    named = b"vn-personal-number:" + text
    subject = b"egov-al/v1/subject\0" + named
    yield hashlib.sha256(text).digest()
    yield hashlib.sha256(named).digest()
    yield hashlib.sha256(subject).digest()
    yield hmac.digest(bytes(32), subject, "sha256")
    yield hmac.digest(known, subject, "sha256")
    yield hashlib.sha512(named).digest()[:32]


def windows(published: bytes) -> Iterator[bytes]:
    return (published[i : i + 32] for i in range(len(published) - 31))


def attack(published: list[bytes], known: bytes, numbers: range) -> set[str]:
    """The citizens found."""
    seen = {w for p in published for w in windows(p)}
    candidates = (f"{PREFIX}{n:06}" for n in numbers)
    return {number for number in candidates if any(guess in seen for guess in guesses(number, known))}


def test_a_million_citizens_against_the_leaves() -> None:
    leaves = public_leaves()
    promise = print_promise(Promise("tlog.vn.example/access/2026", (hashlib.sha256(b"\0" + leaves[0]).digest(),)))
    assert attack([*leaves, promise.encode()], leaves[0][44:76], range(1_000_000)) == set()


@pytest.mark.parametrize(
    "careless",
    [
        lambda text: hashlib.sha256(text).digest(),
        lambda text: hmac.digest(bytes(32), b"egov-al/v1/subject\0vn-personal-number:" + text, "sha256"),
        lambda text: hashlib.sha512(b"vn-personal-number:" + text).digest()[:32],
    ],
    ids=["a hash", "a commitment without seed", "a longer hash"],
)
def test_the_attack_finds_what_can_be_found(careless: Callable[[bytes], bytes]) -> None:
    leaves = public_leaves()
    leaf = leaves[7][:44] + careless(b"999300004711") + leaves[7][76:]
    assert attack([*leaves, leaf], leaves[0][44:76], range(4_000, 5_000)) == {"999300004711"}


def test_no_leaf_repeats_a_piece_of_another() -> None:
    """Not even of the same citizen: leaves cannot be linked."""
    leaves = public_leaves()
    pieces = [leaf[i : i + 32] for leaf in leaves for i in (12, 44, 76)]
    assert len(set(pieces)) == len(pieces)
