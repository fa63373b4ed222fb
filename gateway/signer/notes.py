"""Keys that sign notes of the transparency log: a log's own, and a witness's. Ed25519 and ML-DSA-44, in PEM files."""

from __future__ import annotations

from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from gateway.core.errors import KeyTokenError, MalformedMessage
from gateway.core.merkle.keys import KeyKind, VerifierKey, signature_line, signed_message
from gateway.core.merkle.note import NoteSignature

NotePrivateKey = Ed25519PrivateKey | MLDSA44PrivateKey


class NoteKey:
    """A private key under a name. `cosigner`: an Ed25519 key that states times, as witnesses do; an ML-DSA-44 key always does."""

    def __init__(self, name: str, private: NotePrivateKey, *, cosigner: bool) -> None:
        kind = KeyKind.ED25519_COSIGNATURE if cosigner else KeyKind.ED25519
        if isinstance(private, MLDSA44PrivateKey):
            kind = KeyKind.ML_DSA_44_COSIGNATURE
        self.verifier = VerifierKey(name, kind, private.public_key().public_bytes_raw())
        self._private = private

    def sign(self, text: bytes, at: int) -> NoteSignature:
        """The line over the checkpoint in the note `text`; `at`: POSIX time, which a plain Ed25519 line does not state."""
        when = None if self.verifier.kind is KeyKind.ED25519 else at
        return signature_line(self.verifier, when, self._private.sign(signed_message(self.verifier, text, when)))


def load_note_key(path: Path, name: str, *, cosigner: bool, pin: str | None = None) -> NoteKey:
    """From a PKCS#8 PEM file. KeyTokenError names the file, and nothing of its content."""
    try:
        private = load_pem_private_key(path.read_bytes(), None if pin is None else pin.encode())
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as e:
        raise KeyTokenError(f"{path}: cannot be opened: no private key in PEM form, or a wrong pin") from e
    if not isinstance(private, Ed25519PrivateKey | MLDSA44PrivateKey):
        raise KeyTokenError(f"{path}: keys of logs and witnesses are Ed25519 or ML-DSA-44")
    try:
        return NoteKey(name, private, cosigner=cosigner)
    except MalformedMessage as e:
        raise KeyTokenError(f"{path}: {e.safe_detail}") from e
