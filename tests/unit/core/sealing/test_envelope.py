"""Envelopes: the form is as written down, and nothing else opens."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gateway.core.errors import MalformedMessage
from gateway.core.sealing.envelope import OVERHEAD, seal, unseal

CIPHER, NONCE = AESGCM(bytes(range(32))), bytes(range(12))
OTHER = AESGCM(bytes(32))


def test_the_form() -> None:
    envelope = seal(CIPHER, b"Nguyen", b"place", NONCE)
    assert envelope[:1] == b"\x01"
    assert envelope[1:13] == NONCE
    assert len(envelope) == len(b"Nguyen") + OVERHEAD
    assert CIPHER.decrypt(NONCE, envelope[13:], b"place") == b"Nguyen"


def test_it_opens_again() -> None:
    for plain in (b"", b"x", bytes(70_000)):
        assert unseal(CIPHER, seal(CIPHER, plain, b"place", NONCE), b"place") == plain


def test_another_key_or_place_does_not_open_it() -> None:
    envelope = seal(CIPHER, b"Nguyen", b"place", NONCE)
    for cipher, place in ((OTHER, b"place"), (CIPHER, b"elsewhere"), (CIPHER, b"")):
        with pytest.raises(MalformedMessage, match="altered, moved, or sealed under another key"):
            unseal(cipher, envelope, place)


@pytest.mark.parametrize("data", [b"", b"\x01", b"\x01" * (OVERHEAD - 1), b"\x02" + bytes(60), b"GET /persons"])
def test_what_is_no_envelope(data: bytes) -> None:
    with pytest.raises(MalformedMessage, match="not an envelope"):
        unseal(CIPHER, data, b"place")
