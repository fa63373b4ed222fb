"""Signature algorithms: XML-DSig URIs on one side, `cryptography` keys on the other. No other room touches paddings or hashes.

Two encodings of ECDSA values exist: XML-DSig writes r‖s of fixed length (`sign`, `verify`; reference 4.2), everything that grew
out of X.509 writes an ASN.1 SEQUENCE (`sign_der`, `verify_der`; directories of the global configuration, reference 7.2).
"""

from __future__ import annotations

from enum import Enum
from functools import lru_cache
from typing import TypeAlias, TypeGuard

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes, PublicKeyTypes
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from gateway.core.digest import DigestAlgorithm
from gateway.core.errors import KeyTokenError, MalformedMessage, SignatureRejected

PublicKey: TypeAlias = rsa.RSAPublicKey | ec.EllipticCurvePublicKey
PrivateKey: TypeAlias = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

_MIN_RSA_BITS = 2048
_HASHES: dict[DigestAlgorithm, hashes.HashAlgorithm] = {
    DigestAlgorithm.SHA256: hashes.SHA256(),
    DigestAlgorithm.SHA384: hashes.SHA384(),
    DigestAlgorithm.SHA512: hashes.SHA512(),
}


class SignatureAlgorithm(Enum):
    """Algorithms that may sign a message; value = XML-DSig URI. PSS: MGF1 with the same digest, salt as long as the digest."""

    RSA_SHA256 = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
    RSA_SHA384 = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha384"
    RSA_SHA512 = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha512"
    RSA_PSS_SHA256 = "http://www.w3.org/2007/05/xmldsig-more#sha256-rsa-MGF1"
    RSA_PSS_SHA384 = "http://www.w3.org/2007/05/xmldsig-more#sha384-rsa-MGF1"
    RSA_PSS_SHA512 = "http://www.w3.org/2007/05/xmldsig-more#sha512-rsa-MGF1"
    ECDSA_SHA256 = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256"
    ECDSA_SHA384 = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha384"
    ECDSA_SHA512 = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha512"

    @property
    def uri(self) -> str:
        return self.value

    @property
    def digest(self) -> DigestAlgorithm:
        return DigestAlgorithm[self.name.rpartition("_")[2]]

    @property
    def is_ecdsa(self) -> bool:
        return self.name.startswith("ECDSA")

    @classmethod
    def from_uri(cls, uri: str) -> SignatureAlgorithm:
        """The algorithm with this URI; MalformedMessage for any other (SHA-1, HMAC and `none` are not among ours)."""
        try:
            return cls(uri)
        except ValueError as e:
            raise MalformedMessage("unsupported signature algorithm", code="unsupported_algorithm") from e


_HASH_OF = {algorithm: _HASHES[algorithm.digest] for algorithm in SignatureAlgorithm}
_ECDSA_OF = {algorithm: ec.ECDSA(_HASH_OF[algorithm]) for algorithm in SignatureAlgorithm if algorithm.is_ecdsa}


def default_algorithm(public_key: PublicKeyTypes, *, pss: bool = False) -> SignatureAlgorithm:
    """The SHA-512 algorithm of this kind of key, as X-Road chooses it (reference 0). KeyTokenError for other kinds of keys."""
    match public_key:
        case rsa.RSAPublicKey():
            return SignatureAlgorithm.RSA_PSS_SHA512 if pss else SignatureAlgorithm.RSA_SHA512
        case ec.EllipticCurvePublicKey():
            return SignatureAlgorithm.ECDSA_SHA512
        case _:
            raise KeyTokenError("keys of this kind cannot sign messages", code="unsupported_sign_algorithm")


def sign(private_key: PrivateKeyTypes, algorithm: SignatureAlgorithm, data: bytes) -> bytes:
    """The XML-DSig signature value (ECDSA: r‖s). KeyTokenError when the key is not of the algorithm's kind."""
    value = sign_der(private_key, algorithm, data)
    if _is_ec_private(private_key):
        size = _coordinate_size(private_key.curve)
        r, s = decode_dss_signature(value)
        return r.to_bytes(size, "big") + s.to_bytes(size, "big")
    return value


def verify(public_key: PublicKeyTypes, algorithm: SignatureAlgorithm, value: bytes, data: bytes) -> None:
    """Check an XML-DSig signature value (ECDSA: r‖s of exactly twice the curve's size). SignatureRejected otherwise."""
    if _is_ec_public(public_key):
        size = _coordinate_size(public_key.curve)
        if len(value) != 2 * size:
            raise SignatureRejected("Signature is not valid")
        value = encode_dss_signature(int.from_bytes(value[:size], "big"), int.from_bytes(value[size:], "big"))
    verify_der(public_key, algorithm, value, data)


def sign_der(private_key: PrivateKeyTypes, algorithm: SignatureAlgorithm, data: bytes) -> bytes:
    """As `sign`, an ECDSA value as ASN.1 DER."""
    if algorithm in _ECDSA_OF and _is_ec_private(private_key):
        return private_key.sign(data, _ECDSA_OF[algorithm])
    match private_key:
        case rsa.RSAPrivateKey() if not algorithm.is_ecdsa:
            return private_key.sign(data, _rsa_padding(algorithm), _HASH_OF[algorithm])
        case _:
            raise KeyTokenError("the key is not of the algorithm's kind", code="unsupported_sign_algorithm")


def verify_der(
    public_key: PublicKeyTypes,
    algorithm: SignatureAlgorithm,
    value: bytes,
    data: bytes,
    *,
    least_rsa_bits: int = _MIN_RSA_BITS,
) -> None:
    """As `verify`, an ECDSA value as ASN.1 DER."""
    try:
        if algorithm in _ECDSA_OF and _is_ec_public(public_key):
            return public_key.verify(value, data, _ECDSA_OF[algorithm])
        match public_key:
            case rsa.RSAPublicKey() if not algorithm.is_ecdsa and public_key.key_size >= least_rsa_bits:
                public_key.verify(value, data, _rsa_padding(algorithm), _HASH_OF[algorithm])
            case _:
                raise SignatureRejected("Signature is not valid: the key is too short or not of the algorithm's kind")
    except (InvalidSignature, UnsupportedAlgorithm, ValueError) as e:
        raise SignatureRejected("Signature is not valid") from e


def _is_ec_public(key: PublicKeyTypes) -> TypeGuard[ec.EllipticCurvePublicKey]:
    return _is_a(type(key), ec.EllipticCurvePublicKey)


def _is_ec_private(key: PrivateKeyTypes) -> TypeGuard[ec.EllipticCurvePrivateKey]:
    return _is_a(type(key), ec.EllipticCurvePrivateKey)


@lru_cache(maxsize=64)
def _is_a(kind: type, wanted: type) -> bool:
    """`isinstance` with an abstract class asks Python code, four times a message."""
    return issubclass(kind, wanted)


def _rsa_padding(algorithm: SignatureAlgorithm) -> padding.AsymmetricPadding:
    if not algorithm.name.startswith("RSA_PSS"):
        return padding.PKCS1v15()
    return padding.PSS(mgf=padding.MGF1(_HASH_OF[algorithm]), salt_length=padding.PSS.DIGEST_LENGTH)


def _coordinate_size(curve: ec.EllipticCurve) -> int:
    return (curve.key_size + 7) // 8
