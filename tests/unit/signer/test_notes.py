"""Keys of logs and witnesses: from PEM files, each kind its own line, nothing of a key in an error."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
)

from gateway.core.errors import KeyTokenError
from gateway.core.merkle.checkpoint import print_checkpoint
from gateway.core.merkle.keys import KeyKind
from gateway.signer.notes import load_note_key
from tests.support.logkeys import AT, ORIGIN, checkpoint_of

TEXT = print_checkpoint(checkpoint_of([]))
PrivateKey = Ed25519PrivateKey | MLDSA44PrivateKey | ec.EllipticCurvePrivateKey


def pem(path: Path, key: PrivateKey, encryption: KeySerializationEncryption | None = None) -> Path:
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption or NoEncryption()))
    return path


@pytest.mark.parametrize(
    ("key", "cosigner", "kind", "at"),
    [
        (Ed25519PrivateKey.generate(), False, KeyKind.ED25519, None),
        (Ed25519PrivateKey.generate(), True, KeyKind.ED25519_COSIGNATURE, AT),
        (MLDSA44PrivateKey.generate(), False, KeyKind.ML_DSA_44_COSIGNATURE, AT),
        (MLDSA44PrivateKey.generate(), True, KeyKind.ML_DSA_44_COSIGNATURE, AT),
    ],
)
def test_each_kind(tmp_path: Path, key: PrivateKey, cosigner: bool, kind: KeyKind, at: int | None) -> None:
    loaded = load_note_key(pem(tmp_path / "k", key), ORIGIN, cosigner=cosigner)
    assert loaded.verifier.kind is kind
    assert loaded.verifier.verify(TEXT, loaded.sign(TEXT, AT)) == at


def test_with_a_pin(tmp_path: Path) -> None:
    path = pem(tmp_path / "k", Ed25519PrivateKey.generate(), BestAvailableEncryption(b"secret"))
    assert load_note_key(path, ORIGIN, cosigner=False, pin="secret").verifier.name == ORIGIN
    for pin in (None, "wrong"):
        with pytest.raises(KeyTokenError, match="wrong pin") as caught:
            load_note_key(path, ORIGIN, cosigner=False, pin=pin)
        assert "secret" not in str(caught.value)


def test_refused(tmp_path: Path) -> None:
    with pytest.raises(KeyTokenError, match="cannot be opened"):
        load_note_key(tmp_path / "nothing", ORIGIN, cosigner=False)
    (tmp_path / "junk").write_bytes(b"junk")
    with pytest.raises(KeyTokenError, match="cannot be opened"):
        load_note_key(tmp_path / "junk", ORIGIN, cosigner=False)
    with pytest.raises(KeyTokenError, match="Ed25519 or ML-DSA-44"):
        load_note_key(pem(tmp_path / "ec", ec.generate_private_key(ec.SECP256R1())), ORIGIN, cosigner=False)
    with pytest.raises(KeyTokenError, match="name"):
        load_note_key(pem(tmp_path / "k", Ed25519PrivateKey.generate()), "a name", cosigner=False)
