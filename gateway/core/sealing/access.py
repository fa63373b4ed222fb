"""What of an access record is sealed, and how it is still found by the person.

Sealed, in one envelope bound to the record and its key: the seed, the person, the sixteen texts. In clear stay the leaf, which is
public, and the texts that lists are made by: time, consumer, service, purpose, outcome; message records show most of them too.

    content     seed || kind 0x00 number 0x00 text 0 0x00 … text 15, in UTF-8; a text with a zero byte is refused

A record is found by a *token* of the person instead of the number, and an official's readings by a token of the pseudonym:

    index key   HKDF-Expand(SHA-256, data key, "access record tokens", 32)
    token       HMAC-SHA256(index key, "person" || 0x00 || kind ":" number)[:16], or with "official" and the pseudonym

So tokens are the same for one day and member only, nobody computes them without the operator's keys, and they die with their data
key: whoever looks for a person asks for one token a data key.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from uuid import UUID

from gateway.core.disclosure.leaf import SEED_SIZE, AccessEntry
from gateway.core.disclosure.record import Field
from gateway.core.errors import MalformedMessage
from gateway.core.sealing.envelope import seal, unseal
from gateway.core.sealing.keys import DataKey
from gateway.core.subjects.kinds import Person

TOKEN_BYTES = 16
_SHOWN = frozenset(map(int, (Field.TIME, Field.CONSUMER, Field.SERVICE, Field.PURPOSE, Field.OUTCOME)))
_PLACES = range(len(Field))
_TEXTS = 2 + len(Field)


@dataclass(frozen=True, slots=True)
class SealedAccess:
    """`shown`: the sixteen texts, empty where they are sealed, and at OFFICIAL the token in hexadecimal digits."""

    token: bytes
    content: bytes
    shown: tuple[str, ...]
    sealed_by: UUID


@dataclass(frozen=True, slots=True)
class OpenedAccess:
    """What was sealed. The seed opens the leaf: it is a secret."""

    person: Person
    fields: tuple[str, ...] = field(repr=False)
    seed: bytes = field(repr=False)


def seal_access(entry: AccessEntry, key: DataKey, nonce: bytes) -> SealedAccess:
    """`nonce`: 12 bytes that were never used with this key. MalformedMessage when a text has a zero byte."""
    person, texts = entry.person, entry.fields
    joined = "\0".join((person.kind, person.number, *texts)).encode()
    if joined.count(0) != _TEXTS - 1:
        raise MalformedMessage("a text of an access record has a zero byte")
    content = seal(key.cipher, entry.seed + joined, _place(texts[Field.RECORD], key), nonce)
    shown = [texts[i] if i in _SHOWN else "" for i in _PLACES]
    if texts[Field.OFFICIAL]:
        shown[Field.OFFICIAL] = _token(key, b"official\0", texts[Field.OFFICIAL]).hex()
    return SealedAccess(_token(key, b"person\0", _named(person)), content, tuple(shown), key.id)


def open_access(content: bytes, record_id: UUID, key: DataKey) -> OpenedAccess:
    """MalformedMessage when it is not what `seal_access` made of this record with this key."""
    plain = unseal(key.cipher, content, _place(str(record_id), key))
    try:
        texts = plain[SEED_SIZE:].decode().split("\0")
    except UnicodeDecodeError as e:
        raise MalformedMessage("not the content of an access record") from e
    if len(texts) != _TEXTS:
        raise MalformedMessage("an access record has a person and sixteen texts")
    return OpenedAccess(Person(texts[0], texts[1]), tuple(texts[2:]), plain[:SEED_SIZE])


@dataclass(frozen=True, slots=True)
class AccessKeys:
    """The data keys under which access records of one log are sealed; none when nothing is."""

    keys: Mapping[UUID, DataKey] = field(default_factory=dict, repr=False)

    def persons(self, person: Person) -> list[bytes]:
        """Every token of this person."""
        named = _named(person)
        return [_token(key, b"person\0", named) for key in self.keys.values()]

    def officials(self, pseudonyms: Iterable[str]) -> list[str]:
        """What can stand at OFFICIAL for these: the pseudonyms themselves, where nothing is sealed, and every token of each."""
        names = [name for name in pseudonyms if name]
        return names + [_token(key, b"official\0", name).hex() for key in self.keys.values() for name in names]

    def open(self, content: bytes, record_id: UUID, sealed_by: UUID) -> OpenedAccess:
        """MalformedMessage as in `open_access`, and when the key is none of these."""
        key = self.keys.get(sealed_by)
        if key is None:
            raise MalformedMessage("the key of an access record is not there")
        return open_access(content, record_id, key)


def _token(key: DataKey, what: bytes, name: str) -> bytes:
    return hmac.digest(key.index, what + name.encode(), hashlib.sha256)[:TOKEN_BYTES]


def _named(person: Person) -> str:
    return f"{person.kind}:{person.number}"


def _place(record: str, key: DataKey) -> bytes:
    """`record`: its id, as its first text says it."""
    return b"access\0" + record.encode() + key.id.bytes
