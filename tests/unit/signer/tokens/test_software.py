"""Keys in files: every form that works, and in words why another does not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    pkcs12,
)

from gateway.core.errors import KeyTokenError
from gateway.core.signing.algorithms import SignatureAlgorithm, verify
from gateway.core.signing.requests import KeyType
from gateway.signer.tokens import TOKENS, KeyToken, open_token
from gateway.signer.tokens.software import SoftwareToken
from gateway.trust.authority import Authority, Identity, create_root, named, new_key, validity
from tests.unit.trust.pki import NOW, Pki, rsa_key, sign_subject


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return Pki(tmp_path_factory.mktemp("pki"))


@pytest.fixture(scope="module")
def identity(pki: Pki) -> Identity:
    return pki.sign()


def key_pem(identity: Identity, pin: str | None = None) -> bytes:
    protection = BestAvailableEncryption(pin.encode()) if pin else NoEncryption()
    return identity.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, protection)


def cert_pem(*certificates: x509.Certificate) -> bytes:
    return b"".join(c.public_bytes(Encoding.PEM) for c in certificates)


def p12(identity: Identity, pin: str | None, *chain: x509.Certificate) -> bytes:
    protection = BestAvailableEncryption(pin.encode()) if pin else NoEncryption()
    return pkcs12.serialize_key_and_certificates(b"x", identity.key, identity.certificate, chain, protection)


FORMS: dict[str, tuple[Callable[[Identity], bytes], str | None]] = {
    "pkcs12": (lambda i: p12(i, "s3cret"), "s3cret"),
    "pkcs12 without pin": (lambda i: p12(i, None), None),
    "pem": (lambda i: key_pem(i) + cert_pem(i.certificate), None),
    "pem, certificate first": (lambda i: cert_pem(i.certificate) + key_pem(i), None),
    "protected pem": (lambda i: key_pem(i, "s3cret") + cert_pem(i.certificate), "s3cret"),
}


@pytest.mark.parametrize("form", FORMS)
def test_forms(form: str, identity: Identity, tmp_path: Path) -> None:
    write, pin = FORMS[form]
    (tmp_path / "token").write_bytes(write(identity))
    token = open_token(f"file:{tmp_path / 'token'}", pin=pin)
    assert token.certificate == identity.certificate
    value = token.sign(token.algorithm, b"data")
    verify(identity.certificate.public_key(), token.algorithm, value, b"data")


@pytest.mark.parametrize("form", [Encoding.PEM, Encoding.DER], ids=str)
def test_certificate_in_its_own_file(form: Encoding, identity: Identity, tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(key_pem(identity))
    (tmp_path / "cert").write_bytes(identity.certificate.public_bytes(form))
    token = open_token(f"file:{tmp_path / 'key'}", certificate=tmp_path / "cert")
    assert token.certificate == identity.certificate


def test_a_softtoken_of_xroad_with_its_certificate_beside_it(pki: Pki, identity: Identity, tmp_path: Path) -> None:
    """X-Road's signer keeps in its PKCS#12 files a certificate that it made for itself, and the issued one elsewhere."""
    dummy = create_root(named("X"), pki.during, identity.key)
    (tmp_path / "key.p12").write_bytes(p12(Identity(identity.key, dummy.certificate), "1234"))
    (tmp_path / "cert").write_bytes(cert_pem(identity.certificate, pki.root.certificate))
    token = open_token(f"file:{tmp_path / 'key.p12'}", pin="1234", certificate=tmp_path / "cert")
    assert token.certificate == identity.certificate


def test_issuers_are_looked_out_of_the_chain(pki: Pki, tmp_path: Path) -> None:
    during = pki.during
    upper = pki.authority.issue_intermediate(named("Upper"), during)
    lower = Authority(upper, lambda c: None).issue_intermediate(named("Lower"), during)
    leaf = Authority(lower, lambda c: None).issue_signing(sign_subject(), during)
    chain = (pki.root.certificate, upper.certificate, pki.ocsp_signer.certificate, lower.certificate)
    (tmp_path / "p12").write_bytes(p12(leaf, "pin", *chain))
    token = open_token(f"file:{tmp_path / 'p12'}", pin="pin")
    assert token.intermediates == (lower.certificate, upper.certificate)


def test_an_expired_certificate_is_not_the_tokens_business(pki: Pki) -> None:
    past = pki.sign(during=validity(NOW.replace(year=2020), years=1))
    assert SoftwareToken(past.key, past.certificate).certificate == past.certificate


@dataclass(frozen=True)
class Case:
    content: Callable[[Identity, Pki], bytes | None]
    pin: str | None
    code: str
    words: str


BAD = {
    "missing": Case(lambda i, p: None, None, "token_not_found", "cannot be read: No such file"),
    "pkcs12, wrong pin": Case(lambda i, p: p12(i, "s3cret"), "wr0ng", "pin_incorrect", "wrong pin"),
    "pkcs12, no pin": Case(lambda i, p: p12(i, "s3cret"), None, "pin_incorrect", "needs a pin"),
    "pem, wrong pin": Case(lambda i, p: key_pem(i, "s3cret"), "wr0ng", "pin_incorrect", "wrong pin"),
    "pem, no pin": Case(lambda i, p: key_pem(i, "s3cret"), None, "pin_incorrect", "needs a pin"),
    "pem, needless pin": Case(lambda i, p: key_pem(i), "s3cret", "pin_incorrect", "is not protected"),
    "garbage": Case(lambda i, p: b"\0\1\2", None, "pin_incorrect", "no PKCS#12 file"),
    "empty": Case(lambda i, p: b"", None, "pin_incorrect", "no PKCS#12 file"),
    "huge": Case(lambda i, p: b"x" * (1 << 20) + b"xx", None, "token_not_available", "too large"),
    "no key": Case(lambda i, p: cert_pem(i.certificate), None, "key_not_found", "no private key"),
    "no certificate": Case(lambda i, p: key_pem(i), None, "cert_not_found", "no certificate belongs"),
    "another's certificate": Case(
        lambda i, p: key_pem(i) + cert_pem(p.root.certificate), None, "cert_not_found", "no certificate belongs"
    ),
    "damaged certificate": Case(
        lambda i, p: key_pem(i) + b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        None,
        "cert_not_found",
        "cannot be read",
    ),
    "pkcs12 without key": Case(
        lambda i, p: pkcs12.serialize_key_and_certificates(b"x", None, None, [i.certificate], NoEncryption()),
        None,
        "key_not_found",
        "no private key",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_files_fail(name: str, identity: Identity, pki: Pki, tmp_path: Path) -> None:
    case = BAD[name]
    content = case.content(identity, pki)
    if content is not None:
        (tmp_path / "token").write_bytes(content)
    with pytest.raises(KeyTokenError, match=case.words) as e:
        open_token(f"file:{tmp_path / 'token'}", pin=case.pin)
    assert e.value.code == case.code
    assert str(tmp_path / "token") in e.value.safe_detail
    assert "s3cret" not in e.value.safe_detail
    assert "wr0ng" not in e.value.safe_detail


def test_key_of_another_certificate_fail(identity: Identity, pki: Pki) -> None:
    with pytest.raises(KeyTokenError) as e:
        SoftwareToken(new_key(), identity.certificate)
    assert e.value.code == "key_not_found"


@pytest.mark.parametrize("key", [ed25519.Ed25519PrivateKey.generate(), ec.generate_private_key(ec.SECP256K1())])
def test_kinds_of_keys_fail(key: ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey, identity: Identity) -> None:
    with pytest.raises(KeyTokenError) as e:
        SoftwareToken(key, identity.certificate)
    assert e.value.code == "key_not_available"


@pytest.mark.parametrize("reference", ["", "file:", "pkcs11:token", "/a/path", "http://x"])
def test_unknown_tokens_fail(reference: str) -> None:
    with pytest.raises(KeyTokenError) as e:
        open_token(reference)
    assert e.value.code == "token_not_found"


def test_algorithm_and_speed(pki: Pki) -> None:
    plain = pki.sign(key=rsa_key())
    p384 = pki.sign(key=new_key(KeyType.EC_P384))
    p256 = pki.sign()

    def token(i: Identity, *, pss: bool = False) -> KeyToken:
        return SoftwareToken(i.key, i.certificate, pss=pss)

    assert token(plain).algorithm is SignatureAlgorithm.RSA_SHA512
    assert token(plain, pss=True).algorithm is SignatureAlgorithm.RSA_PSS_SHA512
    assert token(p256).algorithm is SignatureAlgorithm.ECDSA_SHA512
    assert [token(i).slow for i in (plain, p384, p256)] == [True, True, False]


def test_the_registry_is_what_it_says() -> None:
    assert set(TOKENS) == {"file", "pkcs11"}
