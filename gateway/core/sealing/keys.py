"""Two kinds of keys, both AES-256.

A *data key* seals what one member exchanged on one day (UTC), so that destroying it shreds just that. It is stored wrapped under a
*key-encryption key*, which only the operator has. Operators write those as words `id:key`, where the key is 64 hexadecimal digits
or the URI of one on a PKCS#11 token (RFC 7512), any white space between them; the first one wraps new data keys, the others open
what they once wrapped:

    k2028:pkcs11:token=gateway;object=k2028?module-path=/usr/lib/softhsm/libsofthsm2.so  k2027:8f0c…  k2026:11ab…
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from typing import TypeAlias
from uuid import UUID

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from gateway.core.errors import MalformedMessage
from gateway.core.sealing.envelope import KEY_BYTES, Cipher, seal, unseal

_WORD = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]{0,63}):(?:([0-9a-fA-F]{64})|(pkcs11:[!-~]{1,1000}))", re.ASCII)
_MOST = 100
_INDEX = b"access record tokens"


TokenKeys: TypeAlias = Callable[[str], Cipher]
"""The key that a `pkcs11:` URI names; nothing is opened before it is used. MalformedMessage when it is no such URI."""


@dataclass(frozen=True, slots=True)
class KeyEncryptionKey:
    id: str
    cipher: Cipher = field(repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class KeyRing:
    """At least one key; ids are different."""

    keys: tuple[KeyEncryptionKey, ...]

    @property
    def first(self) -> KeyEncryptionKey:
        return self.keys[0]

    def find(self, id: str) -> KeyEncryptionKey | None:
        return next((key for key in self.keys if key.id == id), None)


@dataclass(frozen=True, slots=True)
class DataKey:
    """Seals what `member` (readable form) exchanged on `day` (UTC). `index`: derived from it, makes tokens (`access.py`)."""

    id: UUID
    day: date
    member: str
    cipher: AESGCM = field(repr=False, compare=False)
    index: bytes = field(repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class WrappedKey:
    """A data key as it is stored: an envelope under the key-encryption key `kek`."""

    id: UUID
    day: date
    member: str
    kek: str
    wrapped: bytes


def no_tokens(uri: str) -> Cipher:
    raise MalformedMessage("a key-encryption key on a token is not possible here")


def parse_keyring(text: str, token_keys: TokenKeys = no_tokens) -> KeyRing:
    """MalformedMessage, which never repeats the text, when it is not words with different ids and keys."""
    words = text.split()
    if not 0 < len(words) <= _MOST:
        raise MalformedMessage("no key-encryption keys, or too many: words of the form id:64-hexadecimal-digits")
    found = [_WORD.fullmatch(word) for word in words]
    parsed = [(m[1], m[3] or m[2].lower()) for m in found if m is not None]
    if len(parsed) != len(words):
        raise MalformedMessage(f"word {found.index(None) + 1} is not id:64-hexadecimal-digits or id:pkcs11:…")
    if len({id for id, _ in parsed}) != len(parsed) or len({key for _, key in parsed}) != len(parsed):
        raise MalformedMessage("two key-encryption keys are the same, or have the same id")
    return KeyRing(tuple(KeyEncryptionKey(id, _cipher(key, token_keys)) for id, key in parsed))


def _cipher(key: str, token_keys: TokenKeys) -> Cipher:
    return token_keys(key) if key.startswith("pkcs11:") else AESGCM(bytes.fromhex(key))


def wrap(key: bytes, kek: KeyEncryptionKey, id: UUID, day: date, member: str, nonce: bytes) -> WrappedKey:
    """`key`: 32 random bytes; `nonce`: 12. KeyTokenError, here and below, when a token does not answer."""
    return WrappedKey(id, day, member, kek.id, seal(kek.cipher, key, _place(id, day, member, kek.id), nonce))


def unwrap(stored: WrappedKey, kek: KeyEncryptionKey) -> DataKey:
    """MalformedMessage when `kek` did not wrap this very key for this day and member."""
    key = unwrap_bytes(stored, kek)
    index = HKDFExpand(SHA256(), KEY_BYTES, _INDEX).derive(key)
    return DataKey(stored.id, stored.day, stored.member, AESGCM(key), index)


def rewrap(stored: WrappedKey, kek: KeyEncryptionKey, under: KeyEncryptionKey, nonce: bytes) -> WrappedKey:
    """The same data key under another key-encryption key. Errors as in `unwrap`."""
    return wrap(unwrap_bytes(stored, kek), under, stored.id, stored.day, stored.member, nonce)


def unwrap_bytes(stored: WrappedKey, kek: KeyEncryptionKey) -> bytes:
    """The 32 bytes themselves, of a key that is not there to seal. Errors as in `unwrap`."""
    key = unseal(kek.cipher, stored.wrapped, _place(stored.id, stored.day, stored.member, stored.kek))
    if len(key) != KEY_BYTES:
        raise MalformedMessage("a data key does not have 256 bits")
    return key


def _place(id: UUID, day: date, member: str, kek: str) -> bytes:
    """Ids of key-encryption keys have no NUL, so no two places are the same bytes."""
    return b"data key\0" + id.bytes + day.isoformat().encode() + kek.encode() + b"\0" + member.encode()
