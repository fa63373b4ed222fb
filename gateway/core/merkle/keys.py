"""Keys that sign notes, and what each kind of signature line says (C2SP signed-note, tlog-cosignature).

    0x01  Ed25519                the text of the note
    0x04  Ed25519 cosignature    time and text: "at that time this was the largest consistent tree I had seen"
    0x06  ML-DSA-44 cosignature  the same about (cosigner, time, origin, size, root), extension lines left out

A key id is four bytes: it only says which key to try. An Ed25519 cosignature does not name its cosigner, so one key under two names
would count twice: whoever counts compares `material`.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import IntEnum

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey

from gateway.core.errors import MalformedMessage, ProofRejected
from gateway.core.merkle.checkpoint import Checkpoint, parse_checkpoint
from gateway.core.merkle.note import NoteSignature, check_key_name
from gateway.core.merkle.text import MAX_NUMBER, parse_base64, print_base64

_TIME = 8  # bytes of a cosignature's POSIX time
_LABEL = b"subtree/v1\n\0"
_MAX_NAME = 255

# Encodings of points of small order, sign bit cleared (RFC 8032 5.1.7; non-canonical ones too): such a key "verifies" anything.
_SMALL_ORDER = frozenset(
    bytes.fromhex(y)
    for y in (
        "00" * 32,
        "01" + "00" * 31,
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "ec" + "ff" * 30 + "7f",
        "ed" + "ff" * 30 + "7f",
        "ee" + "ff" * 30 + "7f",
    )
)


class KeyKind(IntEnum):
    ED25519 = 0x01
    ED25519_COSIGNATURE = 0x04
    ML_DSA_44_COSIGNATURE = 0x06

    @property
    def size(self) -> int:
        """Bytes of the public key."""
        return 1312 if self is KeyKind.ML_DSA_44_COSIGNATURE else 32


LOG_KINDS = frozenset({KeyKind.ED25519, KeyKind.ML_DSA_44_COSIGNATURE})
WITNESS_KINDS = frozenset({KeyKind.ED25519_COSIGNATURE, KeyKind.ML_DSA_44_COSIGNATURE})


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """`material`: the raw public key. MalformedMessage for a bad name, length, or an Ed25519 key of small order."""

    name: str
    kind: KeyKind
    material: bytes

    def __post_init__(self) -> None:
        check_key_name(self.name)
        if len(self.material) != self.kind.size:
            raise MalformedMessage("a public key of another length")
        if self.kind is KeyKind.ML_DSA_44_COSIGNATURE:
            if len(self.name.encode()) > _MAX_NAME:
                raise MalformedMessage("the name of an ML-DSA key has at most 255 bytes")
        elif self.material[:-1] + bytes([self.material[-1] & 0x7F]) in _SMALL_ORDER:
            raise MalformedMessage("an Ed25519 key of small order")

    @property
    def key_id(self) -> bytes:
        return hashlib.sha256(self.name.encode() + b"\n" + bytes([self.kind]) + self.material).digest()[:4]

    def __str__(self) -> str:
        """The vkey: `<name>+<key id, hex>+<base64 of kind and key>`."""
        return f"{self.name}+{self.key_id.hex()}+{print_base64(bytes([self.kind]) + self.material)}"

    def made(self, signature: NoteSignature) -> bool:
        """Whether the line claims to be of this key."""
        return (signature.name, signature.key_id) == (self.name, self.key_id)

    def verify(self, text: bytes, signature: NoteSignature) -> int | None:
        """The signature line holds over `text`, or ProofRejected. Returns a cosignature's POSIX time, of a plain one None."""
        at, value = None, signature.blob
        if self.kind is not KeyKind.ED25519:
            at, value = int.from_bytes(value[:_TIME], "big"), value[_TIME:]
            if not 0 < at <= MAX_NUMBER:  # 0 says nothing about the largest tree
                raise ProofRejected("a cosignature without time")
        try:
            message = signed_message(self, text, at)
            if self.kind is KeyKind.ML_DSA_44_COSIGNATURE:
                MLDSA44PublicKey.from_public_bytes(self.material).verify(value, message)
            else:
                Ed25519PublicKey.from_public_bytes(self.material).verify(value, message)
        except (InvalidSignature, ValueError) as e:
            raise ProofRejected("a signature of a known key does not hold") from e
        except MalformedMessage as e:
            raise ProofRejected("a cosignature over something that is no checkpoint") from e
        return at


def parse_vkey(text: str) -> VerifierKey:
    """MalformedMessage for anything else than a vkey of a kind above whose key id is right. The base64 may hold plus signs."""
    name, plus, rest = text.partition("+")
    key_id, plus_too, encoded = rest.partition("+")
    if not plus or not plus_too:
        raise MalformedMessage("a vkey is name, key id and key, joined by +")
    value = parse_base64(encoded)
    try:
        kind = KeyKind(value[0])
    except (IndexError, ValueError) as e:
        raise MalformedMessage("a kind of note key that we do not know") from e
    try:
        key = VerifierKey(name, kind, value[1:])
        name.encode()
    except UnicodeEncodeError as e:
        raise MalformedMessage("a key name that is not UTF-8") from e
    if key.key_id.hex() != key_id:
        raise MalformedMessage("the key id is not that of the key")
    return key


def signed_message(key: VerifierKey, text: bytes, at: int | None) -> bytes:
    """The bytes that a key of this kind signs for the checkpoint in the note `text`; `at`: POSIX time, of cosignatures only.
    MalformedMessage when an ML-DSA key is to sign a text that is no checkpoint."""
    if key.kind is KeyKind.ED25519:
        return text
    assert at is not None
    if key.kind is KeyKind.ED25519_COSIGNATURE:
        return b"cosignature/v1\ntime %d\n" % at + text
    return _subtree_message(key.name, at, parse_checkpoint(text))


def _subtree_message(cosigner: str, at: int, checkpoint: Checkpoint) -> bytes:
    return b"".join(
        (
            _LABEL,
            _short(cosigner),
            at.to_bytes(8, "big"),
            _short(checkpoint.origin),
            (0).to_bytes(8, "big"),  # a checkpoint is the subtree that starts at 0
            checkpoint.size.to_bytes(8, "big"),
            checkpoint.root,
        )
    )


def _short(text: str) -> bytes:
    value = text.encode()
    if not 0 < len(value) <= _MAX_NAME:
        raise MalformedMessage("an origin of more than 255 bytes")
    return bytes([len(value)]) + value


def signature_line(key: VerifierKey, at: int | None, value: bytes) -> NoteSignature:
    """The line that carries the signature `value` over `signed_message(key, text, at)`."""
    return NoteSignature(key.name, key.key_id, value if at is None else at.to_bytes(_TIME, "big") + value)
