"""An envelope: bytes sealed under one key for one place (AES-256-GCM, NIST SP 800-38D).

    version    1 byte    0x01
    nonce     12 bytes   fresh random bytes: one key seals far fewer than 2^32 envelopes
    sealed    n + 16     ciphertext and tag

The place (which record, which column, which key) is authenticated and not stored: an envelope that was moved does not open.
"""

from __future__ import annotations

from typing import Protocol

from cryptography.exceptions import InvalidTag

from gateway.core.errors import MalformedMessage

KEY_BYTES = 32
NONCE_BYTES = 12
OVERHEAD = 1 + NONCE_BYTES + 16
_VERSION = b"\x01"


class Cipher(Protocol):
    """AES-256-GCM as `AESGCM` of `cryptography` has it; a key on a token takes its time, and may raise KeyTokenError."""

    def encrypt(self, nonce: bytes, data: bytes, associated_data: bytes | None, /) -> bytes: ...

    def decrypt(self, nonce: bytes, data: bytes, associated_data: bytes | None, /) -> bytes:
        """InvalidTag when it is not what `encrypt` made."""


def seal(cipher: Cipher, plain: bytes, place: bytes, nonce: bytes) -> bytes:
    """`nonce`: 12 bytes that were never used with this key."""
    return _VERSION + nonce + cipher.encrypt(nonce, plain, place)


def unseal(cipher: Cipher, envelope: bytes, place: bytes) -> bytes:
    """MalformedMessage when it is not what `seal` made with this key for this place, every byte of it."""
    if len(envelope) < OVERHEAD or envelope[:1] != _VERSION:
        raise MalformedMessage("not an envelope of a form that is known")
    nonce = envelope[1 : 1 + NONCE_BYTES]
    try:
        return cipher.decrypt(nonce, envelope[1 + NONCE_BYTES :], place)
    except InvalidTag as e:
        raise MalformedMessage("sealed content was altered, moved, or sealed under another key") from e
