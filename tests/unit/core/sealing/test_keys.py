"""Key-encryption keys as operators write them, and data keys wrapped under them."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from uuid import UUID

import pytest

from gateway.core.errors import MalformedMessage
from gateway.core.sealing.envelope import seal
from gateway.core.sealing.keys import WrappedKey, parse_keyring, rewrap, unwrap, wrap

OLD, NEW = "11" * 32, "aB" * 32
RING = parse_keyring(f"k2027:{NEW}\n  k2026:{OLD}\n")
DAY, ID, MEMBER = date(2026, 11, 24), UUID(int=7), "VN/GOV/G22"
KEY, NONCE = bytes(range(32)), bytes(12)
WRAPPED = wrap(KEY, RING.first, ID, DAY, MEMBER, NONCE)


def test_the_first_key_wraps_and_each_has_its_id() -> None:
    assert [key.id for key in RING.keys] == ["k2027", "k2026"]
    assert RING.first.id == "k2027"
    assert RING.find("k2026") is RING.keys[1]
    assert RING.find("k2025") is None


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no key-encryption keys"),
        (" \n", "no key-encryption keys"),
        (NEW, "word 1 is not"),
        (f"k:{NEW} k2:{OLD[1:]}", "word 2 is not"),
        (f"-k:{NEW}", "word 1 is not"),
        (f"k:{NEW}zz", "word 1 is not"),
        (f"k:{NEW} k:{OLD}", "the same"),
        (f"k:{NEW} l:{NEW.upper()}", "the same"),
        (" ".join(f"k{n}:{n:064x}" for n in range(101)), "too many"),
    ],
)
def test_what_is_no_keyring(text: str, why: str) -> None:
    with pytest.raises(MalformedMessage, match=why) as caught:
        parse_keyring(text)
    assert NEW[:8] not in str(caught.value)
    assert OLD[:8] not in str(caught.value)


def test_keys_do_not_print() -> None:
    shown = repr(RING) + repr(unwrap(WRAPPED, RING.first))
    assert "ab" * 4 not in shown.lower()
    assert repr(KEY)[2:-1] not in shown


def test_a_wrapped_key_opens_with_its_key_alone() -> None:
    key = unwrap(WRAPPED, RING.first)
    assert (key.id, key.day, key.member) == (ID, DAY, MEMBER)
    assert key.cipher.decrypt(NONCE, seal(key.cipher, b"x", b"", NONCE)[13:], b"") == b"x"
    with pytest.raises(MalformedMessage):
        unwrap(WRAPPED, RING.keys[1])


@pytest.mark.parametrize(
    "altered",
    [
        replace(WRAPPED, id=UUID(int=8)),
        replace(WRAPPED, day=date(2026, 11, 25)),
        replace(WRAPPED, member="VN/GOV/G01"),
        replace(WRAPPED, kek="k2026"),
        replace(WRAPPED, wrapped=WRAPPED.wrapped[:-1]),
    ],
    ids=["id", "day", "member", "kek", "cut"],
)
def test_a_wrapped_key_is_bound_to_its_row(altered: WrappedKey) -> None:
    with pytest.raises(MalformedMessage):
        unwrap(altered, RING.first)


def test_a_key_of_another_length_is_none() -> None:
    short = wrap(KEY[:16], RING.first, ID, DAY, MEMBER, NONCE)
    with pytest.raises(MalformedMessage, match="256 bits"):
        unwrap(short, RING.first)


def test_wrapped_anew_it_is_the_same_key() -> None:
    old = wrap(KEY, RING.keys[1], ID, DAY, MEMBER, NONCE)
    new = rewrap(old, RING.keys[1], RING.first, NONCE)
    assert new == WRAPPED
