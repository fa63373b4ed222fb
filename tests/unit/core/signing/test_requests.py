"""Certificate requests: what is written is what others read; who does not hold the key is found out."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from ipaddress import ip_address

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from gateway.core.errors import GatewayError, MalformedMessage, SignatureRejected
from gateway.core.signing.algorithms import PrivateKey, sign_der
from gateway.core.signing.requests import build_request, parse_request, request_algorithm
from tests.unit.trust.pki import auth_subject, rsa_key, sign_subject

KEYS: dict[str, PrivateKey] = {
    "p256": ec.generate_private_key(ec.SECP256R1()),
    "p384": ec.generate_private_key(ec.SECP384R1()),
    "rsa": rsa_key(),
}


def request_of(key: PrivateKey, subject: x509.Name, *addresses: str) -> bytes:
    sign = partial(sign_der, key, request_algorithm(key.public_key()))
    return build_request(subject, key.public_key(), sign, addresses)


@pytest.mark.parametrize("kind", KEYS)
@pytest.mark.parametrize("encoding", [Encoding.PEM, Encoding.DER])
def test_a_request_is_read_as_it_was_written(kind: str, encoding: Encoding) -> None:
    key = KEYS[kind]
    data = x509.load_pem_x509_csr(request_of(key, sign_subject())).public_bytes(encoding)
    request = parse_request(data)
    assert request.subject == sign_subject()
    assert request.subject.public_bytes() == sign_subject().public_bytes()
    assert request.public_key == key.public_key()


def test_addresses_become_alternative_names() -> None:
    data = request_of(KEYS["p256"], auth_subject(), "ss1.example.vn", "10.0.0.1")
    read = x509.load_pem_x509_csr(data)
    names = read.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["ss1.example.vn"]
    assert names.get_values_for_type(x509.IPAddress) == [ip_address("10.0.0.1")]
    assert not x509.load_pem_x509_csr(request_of(KEYS["p256"], auth_subject())).extensions


@pytest.mark.parametrize("kind", KEYS)
def test_whoever_does_not_hold_the_key_is_refused(kind: str) -> None:
    key = KEYS[kind]
    thief = {"rsa": rsa.generate_private_key(65537, 2048)}.get(kind) or ec.generate_private_key(key.curve)  # type: ignore[union-attr]
    sign = partial(sign_der, thief, request_algorithm(key.public_key()))
    with pytest.raises(SignatureRejected) as refused:
        parse_request(build_request(sign_subject(), key.public_key(), sign))
    assert refused.value.code == "csr_failed"


def test_another_subject_than_the_signed_one_is_refused() -> None:
    der = x509.load_pem_x509_csr(request_of(KEYS["p256"], sign_subject())).public_bytes(Encoding.DER)
    assert der.count(b"G01") == 1
    with pytest.raises(SignatureRejected):
        parse_request(der.replace(b"G01", b"G02"))


def _by_library(key: object, name: x509.Name, digest: hashes.HashAlgorithm | None) -> bytes:
    builder = x509.CertificateSigningRequestBuilder().subject_name(name)
    return builder.sign(key, digest).public_bytes(Encoding.PEM)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "data",
    [
        _by_library(rsa.generate_private_key(65537, 1024), sign_subject(), hashes.SHA256()),  # noqa: S505 - refused
        _by_library(ec.generate_private_key(ec.SECP256K1()), sign_subject(), hashes.SHA256()),
        _by_library(ed25519.Ed25519PrivateKey.generate(), sign_subject(), None),
        _by_library(KEYS["p256"], x509.Name([]), hashes.SHA256()),
        _by_library(
            KEYS["p256"], x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "x" * 60)] * 800), hashes.SHA256()
        ),
        b"",
        b"-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n",
    ],
    ids=["rsa 1024", "another curve", "ed25519", "no subject", "oversized", "empty", "no request"],
)
def test_what_is_not_acceptable(data: bytes) -> None:
    with pytest.raises(GatewayError) as refused:
        parse_request(data)
    assert isinstance(refused.value, MalformedMessage | SignatureRejected)
    assert refused.value.code == "csr_failed"


def test_a_certificate_is_no_request() -> None:
    name = sign_subject()
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(KEYS["p256"].public_key())
    now = datetime(2026, 1, 1, tzinfo=UTC)
    certificate = (
        builder.serial_number(1).not_valid_before(now).not_valid_after(now).sign(KEYS["p256"], hashes.SHA256())
    )
    with pytest.raises(MalformedMessage):
        parse_request(certificate.public_bytes(Encoding.PEM))
