"""What every kind of key token promises (`gateway/signer/tokens`). A new kind adds a row to `KINDS`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
    pkcs12,
)

from gateway.core.errors import KeyTokenError, SignatureRejected
from gateway.core.signing.algorithms import SignatureAlgorithm, verify
from gateway.core.signing.requests import KeyType
from gateway.signer.tokens import KeyToken, open_token
from gateway.trust.authority import Identity, new_key
from tests.support.softhsm import PIN, softhsm
from tests.unit.trust.pki import Pki, rsa_key


def _pkcs12(directory: Path, identity: Identity) -> KeyToken:
    data = pkcs12.serialize_key_and_certificates(
        b"t", identity.key, identity.certificate, None, BestAvailableEncryption(b"pin")
    )
    (directory / "t.p12").write_bytes(data)
    return open_token(f"file:{directory / 't.p12'}", pin="pin")


def _pem(directory: Path, identity: Identity) -> KeyToken:
    key = identity.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (directory / "t.pem").write_bytes(key + identity.certificate.public_bytes(Encoding.PEM))
    return open_token(f"file:{directory / 't.pem'}")


def _pkcs11(directory: Path, identity: Identity, name: str, **more: bool) -> KeyToken:
    (directory / "c.pem").write_bytes(identity.certificate.public_bytes(Encoding.PEM))
    return open_token(softhsm().keep(name, identity), pin=PIN, certificate=directory / "c.pem", **more)


KINDS: dict[str, Callable[[Path], KeyToken]] = {
    "pkcs12 ec p256": lambda d: _pkcs12(d, Pki(d).sign()),
    "pem ec p384": lambda d: _pem(d, Pki(d).sign(key=new_key(KeyType.EC_P384))),
    "pem ec p521": lambda d: _pem(d, Pki(d).sign(key=ec.generate_private_key(ec.SECP521R1()))),
    "pkcs12 rsa": lambda d: _pkcs12(d, Pki(d).sign(key=rsa_key())),
}
HARDWARE: dict[str, Callable[[Path], KeyToken]] = {
    "pkcs11 ec p256": lambda d: _pkcs11(d, Pki(d).sign(), "p256"),
    "pkcs11 ec p384": lambda d: _pkcs11(d, Pki(d).sign(key=new_key(KeyType.EC_P384)), "p384"),
    "pkcs11 rsa": lambda d: _pkcs11(d, Pki(d).sign(key=rsa_key()), "rsa"),
    "pkcs11 rsa pss": lambda d: _pkcs11(d, Pki(d).sign(key=rsa_key()), "pss", pss=True),
}
_OPEN: dict[str, KeyToken] = {}


@pytest.fixture(params=[*KINDS, *(pytest.param(kind, marks=pytest.mark.interop) for kind in HARDWARE)])
def token(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> KeyToken:
    """Opened once: none of these tests changes it."""
    if request.param not in _OPEN:
        _OPEN[request.param] = {**KINDS, **HARDWARE}[request.param](tmp_path_factory.mktemp("token"))
    return _OPEN[request.param]


def test_signs_with_the_key_of_its_certificate(token: KeyToken) -> None:
    value = token.sign(token.algorithm, b"data")
    verify(token.certificate.public_key(), token.algorithm, value, b"data")
    with pytest.raises(SignatureRejected):
        verify(token.certificate.public_key(), token.algorithm, value, b"date")


def test_ecdsa_values_are_raw(token: KeyToken) -> None:
    key = token.certificate.public_key()
    if isinstance(key, ec.EllipticCurvePublicKey):
        assert len(token.sign(token.algorithm, b"data")) == 2 * ((key.curve.key_size + 7) // 8)
    else:
        assert len(token.sign(token.algorithm, b"data")) == 256


def test_algorithm_of_another_kind_of_key_fail(token: KeyToken) -> None:
    other = SignatureAlgorithm.RSA_SHA512 if token.algorithm.is_ecdsa else SignatureAlgorithm.ECDSA_SHA512
    with pytest.raises(KeyTokenError) as e:
        token.sign(other, b"data")
    assert e.value.code == "unsupported_sign_algorithm"


def test_signs_with_the_sha512_family(token: KeyToken) -> None:
    assert token.algorithm.name.endswith("_SHA512")


def test_exports_its_key_or_says_no(token: KeyToken) -> None:
    try:
        pem = token.export_key()
    except KeyTokenError:
        return
    assert load_pem_private_key(pem, None).public_key() == token.certificate.public_key()


def test_holds_no_root_among_its_issuers(token: KeyToken) -> None:
    assert all(c.subject != c.issuer for c in token.intermediates)
