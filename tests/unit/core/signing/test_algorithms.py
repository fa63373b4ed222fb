from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from gateway.core.digest import DigestAlgorithm
from gateway.core.errors import KeyTokenError, MalformedMessage, SignatureRejected
from gateway.core.signing.algorithms import (
    PrivateKey,
    SignatureAlgorithm,
    default_algorithm,
    sign,
    sign_der,
    verify,
    verify_der,
)

P256 = ec.generate_private_key(ec.SECP256R1())
P521 = ec.generate_private_key(ec.SECP521R1())
RSA = rsa.generate_private_key(65537, 2048)
DATA = b"<ds:SignedInfo/>"
FITTING = [(P256, a) for a in SignatureAlgorithm if a.is_ecdsa] + [
    (RSA, a) for a in SignatureAlgorithm if not a.is_ecdsa
]


@pytest.mark.parametrize(
    ("key", "algorithm"), FITTING, ids=lambda x: x.name if isinstance(x, SignatureAlgorithm) else ""
)
def test_round_trip_in_both_encodings(key: PrivateKey, algorithm: SignatureAlgorithm) -> None:
    for make, check in ((sign, verify), (sign_der, verify_der)):
        value = make(key, algorithm, DATA)
        check(key.public_key(), algorithm, value, DATA)
        with pytest.raises(SignatureRejected) as e:
            check(key.public_key(), algorithm, value, DATA + b" ")
        assert e.value.code == "signature_verification.invalid_signature_value"


@pytest.mark.parametrize(("key", "size"), [(P256, 64), (P521, 132)])
def test_ecdsa_values_are_two_numbers_of_the_curve_s_size(key: ec.EllipticCurvePrivateKey, size: int) -> None:
    algorithm = SignatureAlgorithm.ECDSA_SHA512
    value = sign(key, algorithm, DATA)
    assert len(value) == size
    verify(key.public_key(), algorithm, value, DATA)


def test_der_is_not_taken_for_raw_nor_raw_for_der() -> None:
    algorithm = SignatureAlgorithm.ECDSA_SHA512
    raw, der = sign(P256, algorithm, DATA), sign_der(P256, algorithm, DATA)
    decode_dss_signature(der)
    for check, value in ((verify, der), (verify_der, raw), (verify, raw[:-1]), (verify, b"\0" + raw), (verify, b"")):
        with pytest.raises(SignatureRejected):
            check(P256.public_key(), algorithm, value, DATA)


@pytest.mark.parametrize(
    ("key", "algorithm"),
    [
        (P256.public_key(), SignatureAlgorithm.RSA_SHA512),
        (RSA.public_key(), SignatureAlgorithm.ECDSA_SHA512),
        (ed25519.Ed25519PrivateKey.generate().public_key(), SignatureAlgorithm.ECDSA_SHA512),
    ],
)
def test_a_key_of_another_kind_verifies_nothing(
    key: ec.EllipticCurvePublicKey | rsa.RSAPublicKey, algorithm: SignatureAlgorithm
) -> None:
    with pytest.raises(SignatureRejected):
        verify(key, algorithm, bytes(64), DATA)


def test_a_short_rsa_key_verifies_nothing() -> None:
    short = rsa.generate_private_key(65537, 1024)  # noqa: S505 - that is the point
    value = sign(short, SignatureAlgorithm.RSA_SHA256, DATA)
    with pytest.raises(SignatureRejected):
        verify(short.public_key(), SignatureAlgorithm.RSA_SHA256, value, DATA)


def test_signing_with_a_key_of_another_kind() -> None:
    with pytest.raises(KeyTokenError) as e:
        sign(P256, SignatureAlgorithm.RSA_SHA512, DATA)
    assert e.value.code == "unsupported_sign_algorithm"


def test_defaults_are_of_the_sha512_family() -> None:
    assert default_algorithm(P256.public_key()) is SignatureAlgorithm.ECDSA_SHA512
    assert default_algorithm(RSA.public_key()) is SignatureAlgorithm.RSA_SHA512
    assert default_algorithm(RSA.public_key(), pss=True) is SignatureAlgorithm.RSA_PSS_SHA512
    with pytest.raises(KeyTokenError):
        default_algorithm(ed25519.Ed25519PrivateKey.generate().public_key())


def test_digests_and_uris() -> None:
    assert SignatureAlgorithm.RSA_PSS_SHA384.digest is DigestAlgorithm.SHA384
    for algorithm in SignatureAlgorithm:
        assert SignatureAlgorithm.from_uri(algorithm.uri) is algorithm


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "http://www.w3.org/2000/09/xmldsig#rsa-sha1",
        "http://www.w3.org/2001/04/xmldsig-more#hmac-sha512",
        "http://www.w3.org/2001/04/xmldsig-more#RSA-SHA512",
    ],
)
def test_other_uris_are_refused(uri: str) -> None:
    with pytest.raises(MalformedMessage) as e:
        SignatureAlgorithm.from_uri(uri)
    assert e.value.code == "unsupported_algorithm"
