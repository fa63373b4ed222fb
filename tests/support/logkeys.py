"""Keys of logs and witnesses from a word, and notes signed with them: made in a moment, the same each time."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

from gateway.core.merkle.checkpoint import Checkpoint, print_checkpoint
from gateway.core.merkle.hashing import root_of
from gateway.core.merkle.keys import KeyKind, VerifierKey, signature_line, signed_message
from gateway.core.merkle.note import NoteSignature, SignedNote

ORIGIN = "log.example/access/2026"
AT = 1_764_000_000


@dataclass(frozen=True)
class Key:
    name: str
    kind: KeyKind = KeyKind.ED25519

    @cached_property
    def private(self) -> Ed25519PrivateKey | MLDSA44PrivateKey:
        seed = hashlib.sha256(f"{self.name} {self.kind.name}".encode()).digest()
        if self.kind is KeyKind.ML_DSA_44_COSIGNATURE:
            return MLDSA44PrivateKey.from_seed_bytes(seed)
        return Ed25519PrivateKey.from_private_bytes(seed)

    @cached_property
    def verifier(self) -> VerifierKey:
        return VerifierKey(self.name, self.kind, self.private.public_key().public_bytes_raw())

    def sign(self, text: bytes, at: int = AT) -> NoteSignature:
        when = None if self.kind is KeyKind.ED25519 else at
        return signature_line(self.verifier, when, self.private.sign(signed_message(self.verifier, text, when)))


LOG = Key(ORIGIN)
LOG_PQ = Key(ORIGIN, KeyKind.ML_DSA_44_COSIGNATURE)
WITNESS = Key("witness.example/dpa", KeyKind.ED25519_COSIGNATURE)
AUDITOR = Key("witness.example/audit", KeyKind.ML_DSA_44_COSIGNATURE)


def checkpoint_of(hashes: Iterable[bytes], origin: str = ORIGIN) -> Checkpoint:
    known = list(hashes)
    return Checkpoint(origin, len(known), root_of(known))


def signed(checkpoint: Checkpoint | bytes, *keys: Key) -> SignedNote:
    text = checkpoint if isinstance(checkpoint, bytes) else print_checkpoint(checkpoint)
    return SignedNote(text, tuple(key.sign(text) for key in keys or (LOG,)))
