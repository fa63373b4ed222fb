"""Certificate requests (PKCS#10, RFC 2986): written for any key that signs, read strictly.

A request that was read is proved: whoever made it holds the private key. Nothing else in it is a fact, and a certification
authority takes nothing from it but the key and, when it agrees, the subject; extensions it asks for are for people to look at.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from ipaddress import ip_address

from asn1crypto import csr, keys
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gateway.core.errors import MalformedMessage, SignatureRejected
from gateway.core.signing.algorithms import PublicKey, SignatureAlgorithm

MAX_REQUEST = 32 * 1024
_CODE = "csr_failed"
_MIN_RSA_BITS = 2048
_CURVES = (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)
_STRONG = (hashes.SHA256, hashes.SHA384, hashes.SHA512)
_PEM = b"-----BEGIN "
_NAMES = {
    SignatureAlgorithm.RSA_SHA256: "sha256_rsa",
    SignatureAlgorithm.ECDSA_SHA256: "sha256_ecdsa",
    SignatureAlgorithm.ECDSA_SHA384: "sha384_ecdsa",
}


class KeyType(Enum):
    """Kinds of keys that are made anew."""

    EC_P256 = "ec-p256"
    EC_P384 = "ec-p384"
    RSA_2048 = "rsa-2048"
    RSA_3072 = "rsa-3072"


@dataclass(frozen=True, slots=True)
class CertificateRequest:
    """`subject` as it was asked for. Made by `parse_request` alone, so whoever asked holds the key."""

    subject: x509.Name
    public_key: PublicKey


def request_algorithm(public_key: PublicKey) -> SignatureAlgorithm:
    """What a request for this key is signed with: every authority reads these."""
    if isinstance(public_key, rsa.RSAPublicKey):
        return SignatureAlgorithm.RSA_SHA256
    wide = public_key.curve.key_size > 256
    return SignatureAlgorithm.ECDSA_SHA384 if wide else SignatureAlgorithm.ECDSA_SHA256


def build_request(
    subject: x509.Name, public_key: PublicKey, sign: Callable[[bytes], bytes], addresses: Iterable[str] = ()
) -> bytes:
    """PEM. `sign`: with the private key and `request_algorithm`, an ECDSA value as DER. `addresses`: host names and IP addresses
    for subjectAltName."""
    info = csr.CertificationRequestInfo({
        "version": "v1",
        "subject": asn1_x509.Name.load(subject.public_bytes()),
        "subject_pk_info": keys.PublicKeyInfo.load(
            public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        ),
        "attributes": [_names_wanted(names)] if (names := [general_name(a) for a in addresses]) else [],
    })  # fmt: skip
    request = csr.CertificationRequest({
        "certification_request_info": info,
        "signature_algorithm": {"algorithm": _NAMES[request_algorithm(public_key)]},
        "signature": sign(info.dump()),
    })  # fmt: skip
    return x509.load_der_x509_csr(request.dump()).public_bytes(Encoding.PEM)


def parse_request(data: bytes) -> CertificateRequest:
    """PEM or DER. MalformedMessage (`csr_failed`) when it is none, or its subject is empty or its key too weak;
    SignatureRejected when it does not prove possession of its key."""
    if len(data) > MAX_REQUEST:
        raise MalformedMessage("a certificate request is oversized", code=_CODE)
    try:
        request = x509.load_pem_x509_csr(data) if _PEM in data else x509.load_der_x509_csr(data)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # C with more than two letters: an instance
            subject, public_key, digest = request.subject, request.public_key(), request.signature_hash_algorithm
        proved = isinstance(digest, _STRONG) and request.is_signature_valid
    except (ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion) as e:
        raise MalformedMessage("a certificate request cannot be read", code=_CODE) from e
    if not proved:
        raise SignatureRejected("The certificate request does not prove that its maker holds the key", code=_CODE)
    if not subject.rdns:
        raise MalformedMessage("a certificate request names no subject", code=_CODE)
    match public_key:
        case rsa.RSAPublicKey() if public_key.key_size >= _MIN_RSA_BITS:
            return CertificateRequest(subject, public_key)
        case ec.EllipticCurvePublicKey() if isinstance(public_key.curve, _CURVES):
            return CertificateRequest(subject, public_key)
        case _:
            raise MalformedMessage("keys are RSA of at least 2048 bits, or EC on P-256, P-384 or P-521", code=_CODE)


def general_name(address: str) -> x509.GeneralName:
    """An IP address or a host name, as certificates write it."""
    try:
        return x509.IPAddress(ip_address(address))
    except ValueError:
        return x509.DNSName(address)


def _names_wanted(names: list[x509.GeneralName]) -> csr.CRIAttribute:
    value = asn1_x509.GeneralNames.load(x509.SubjectAlternativeName(names).public_bytes())
    extension = asn1_x509.Extension({"extn_id": "subject_alt_name", "critical": False, "extn_value": value})
    return csr.CRIAttribute({"type": "extension_request", "values": [[extension]]})
