"""Certificates as X-Road uses them: which kind, whose, and issued by whom that the global configuration lists (reference 4.5).

The rule: a certificate is believed only along a path of checked signatures to a CA certificate that is *listed* in the
instance's shared-params; a listed intermediate CA is an anchor by itself. Names only help to find candidates.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import lru_cache

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID

from gateway.core.digest import Digest, DigestAlgorithm
from gateway.core.errors import AuthenticationFailed, MalformedMessage
from gateway.core.identifiers import MemberId
from gateway.core.remembering import remembered, remembered_by_object
from gateway.core.signing.profiles import (
    PROFILES,
    Subject,
    auth_certificate_subject,
    profile_named,
    sign_certificate_subject,
)
from gateway.core.signing.trust import ApprovedCa, CaCertificate, InstanceTrust

__all__ = [
    "PROFILES",
    "auth_certificate_subject",
    "der",
    "find_issuer",
    "has_octet_signature",
    "is_authentication_certificate",
    "is_issued_by",
    "is_ocsp_signer",
    "is_signing_certificate",
    "is_time_stamper",
    "ocsp_urls",
    "parse_certificate",
    "rfc2253",
    "sha1_hex",
    "sha256_hex",
    "sign_certificate_subject",
    "signing_member",
    "verify_chain",
]

_MAX_PATH = 8
_MAX_CERTIFICATE = 16 * 1024
_STRONG = (hashes.SHA256, hashes.SHA384, hashes.SHA512)
_X509_ERRORS = (x509.InvalidVersion, x509.DuplicateExtension, x509.UnsupportedGeneralNameType)


@remembered(2048, most_bytes=8 * 1024)
def parse_certificate(data: bytes) -> x509.Certificate:
    """One DER certificate whose every field can be read. MalformedMessage (`incorrect_certificate`) otherwise."""
    try:
        if len(data) > _MAX_CERTIFICATE:
            raise ValueError("oversized")
        certificate = x509.load_der_x509_certificate(data)
        # The library reads lazily: what it would stumble over later is found here, where it has a name.
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore", UserWarning
            )  # C with more than two letters: an instance (reference 11.1, 26)
            _ = (certificate.subject, certificate.issuer, certificate.extensions, certificate.public_key())
        _ = (certificate.not_valid_before_utc, certificate.not_valid_after_utc, certificate.signature_hash_algorithm)
        if not has_octet_signature(data, certificate.signature):
            raise ValueError("a signature of broken octets")
    except (ValueError, TypeError, UnsupportedAlgorithm, *_X509_ERRORS) as e:
        raise MalformedMessage("a certificate cannot be read", code="incorrect_certificate") from e
    return certificate


def has_octet_signature(signed: bytes, signature: bytes) -> bool:
    """Whether the BIT STRING of the signature has no unused bits: the library ignores their number, which nobody signed."""
    size = len(signature) + 1
    header = bytes((0x03, size)) if size < 0x80 else bytes((0x03, 0x81, size)) if size < 0x100 else None
    header = header or b"\x03\x82" + size.to_bytes(2, "big")
    return header + b"\0" + signature in signed


@remembered_by_object(4096)
def der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)


def digest_of(certificate: x509.Certificate, algorithm: DigestAlgorithm) -> Digest:
    """Of the certificate in DER."""
    return _digest(der(certificate), algorithm)


@lru_cache(maxsize=4096)
def _digest(certificate: bytes, algorithm: DigestAlgorithm) -> Digest:
    return algorithm.of(certificate)


def sha256_hex(certificate: x509.Certificate) -> str:
    return hashlib.sha256(der(certificate)).hexdigest()


def sha1_hex(certificate: x509.Certificate) -> str:
    """Names a certificate in the 5577 look-up (reference 3.4); protects nothing."""
    return hashlib.sha1(der(certificate), usedforsecurity=False).hexdigest()


def signing_member(certificate: x509.Certificate, *, profile: str, instance: str) -> MemberId:
    """The member a signing certificate speaks for (reference 4.5). `instance`: of the configuration that lists its CA.

    SignatureRejected (`incorrect_certificate`) when the subject does not fit the profile.
    """
    return profile_named(profile).member(Subject(certificate.subject), instance)


@remembered_by_object(4096)
def is_signing_certificate(certificate: x509.Certificate) -> bool:
    """KeyUsage is there and has nonRepudiation (reference 4.4 step 3)."""
    usage = _key_usage(certificate)
    return usage is not None and usage.content_commitment


def is_authentication_certificate(certificate: x509.Certificate) -> bool:
    """EKU clientAuth, or KeyUsage with digitalSignature, keyEncipherment or dataEncipherment (reference 3.3)."""
    if ExtendedKeyUsageOID.CLIENT_AUTH in _extended_key_usage(certificate):
        return True
    usage = _key_usage(certificate)
    return usage is not None and (usage.digital_signature or usage.key_encipherment or usage.data_encipherment)


def is_ocsp_signer(certificate: x509.Certificate) -> bool:
    return ExtendedKeyUsageOID.OCSP_SIGNING in _extended_key_usage(certificate)


def ocsp_urls(certificate: x509.Certificate) -> tuple[str, ...]:
    """HTTP addresses of responders that the certificate names itself (RFC 5280 4.2.2.1)."""
    try:
        access = certificate.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    except x509.ExtensionNotFound:
        return ()
    found = (a.access_location.value for a in access if a.access_method == AuthorityInformationAccessOID.OCSP)
    return tuple(url for url in found if isinstance(url, str) and url.startswith(("http://", "https://")))


def is_time_stamper(certificate: x509.Certificate) -> bool:
    """Extended key usage is timeStamping alone, and critical (RFC 3161 2.3)."""
    try:
        usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    except x509.ExtensionNotFound:
        return False
    return usage.critical and tuple(usage.value) == (ExtendedKeyUsageOID.TIME_STAMPING,)


def find_issuer(
    certificate: x509.Certificate, trust: InstanceTrust, at: datetime | None = None
) -> tuple[ApprovedCa, CaCertificate]:
    """The listed CA certificate that issued this one: issuer name equal *and* signature verified.

    Of several (renewed, or listed twice) those valid `at` come first, then those that may issue signing certificates.
    AuthenticationFailed (`cannot_create_cert_path`) when there is none.
    """
    found = sorted(
        _listed_issuers(certificate, trust),
        key=lambda pair: (at is not None and not _is_valid(pair[1].certificate, at), pair[0].authentication_only),
    )
    if not found:
        raise AuthenticationFailed(
            "Certificate is not issued by approved certification service provider", code="cannot_create_cert_path"
        )
    return found[0]


def verify_chain(
    certificate: x509.Certificate, extra: Sequence[x509.Certificate], trust: InstanceTrust, at: datetime
) -> tuple[x509.Certificate, ...]:
    """The path from `certificate` to a listed CA certificate, both included; `extra` only helps to build it.

    Each signature is checked, each certificate is valid `at`, each issuer is a CA within its path length. AuthenticationFailed
    with `cannot_create_cert_path`, `invalid_cert_path` or `invalid_cert_path.cert_validity_time` otherwise.
    """
    path = [certificate]
    while len(path) < _MAX_PATH and not any(_listed_issuers(path[-1], trust)):
        path.append(_issuer_among(extra, path))
    path.append(find_issuer(path[-1], trust, at)[1].certificate)
    if not all(_is_valid(c, at) for c in path):
        raise AuthenticationFailed(
            "A certificate is expired or not yet valid", code="invalid_cert_path.cert_validity_time"
        )
    if not all(_may_issue(c, below) for below, c in enumerate(path[1:])):
        raise AuthenticationFailed("An issuer is not a certification authority", code="invalid_cert_path")
    return tuple(path)


@lru_cache(maxsize=1024)
def is_issued_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Issuer name equal and signature verified, with a digest that still stands."""
    if not isinstance(certificate.signature_hash_algorithm, _STRONG):
        return False
    try:
        certificate.verify_directly_issued_by(issuer)
    except (InvalidSignature, UnsupportedAlgorithm, ValueError, TypeError):
        return False
    return True


def rfc2253(name: x509.Name) -> str:
    """A name as Java's `X500Principal.getName()` prints it (reference 4.2): reversed, types outside RFC 2253 as OID=#hex."""
    return ",".join("+".join(_rfc2253_attribute(a) for a in rdn) for rdn in reversed(name.rdns))


_RFC2253_TYPES = frozenset({"CN", "C", "L", "ST", "O", "OU", "STREET", "DC", "UID"})


def _rfc2253_attribute(attribute: x509.NameAttribute[str | bytes]) -> str:
    if attribute.rfc4514_attribute_name in _RFC2253_TYPES:
        return attribute.rfc4514_string()
    encoded = x509.Name([attribute]).public_bytes()
    at = _content_of(encoded, _content_of(encoded, _content_of(encoded, 0)))  # Name > RDN > attribute > its OID
    return f"{attribute.oid.dotted_string}=#{encoded[at + 2 + encoded[at + 1] :].hex()}"


def _content_of(encoded: bytes, at: int) -> int:
    """Where the content of the DER value at `at` begins."""
    first = encoded[at + 1]
    return at + 2 + (first & 0x7F if first & 0x80 else 0)


def _key_usage(certificate: x509.Certificate) -> x509.KeyUsage | None:
    try:
        return certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return None


def _extended_key_usage(certificate: x509.Certificate) -> tuple[x509.ObjectIdentifier, ...]:
    try:
        return tuple(certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)
    except x509.ExtensionNotFound:
        return ()


def _listed_issuers(certificate: x509.Certificate, trust: InstanceTrust) -> Iterator[tuple[ApprovedCa, CaCertificate]]:
    for approved in trust.approved_cas:
        for ca in approved.certificates:
            if ca.certificate.subject == certificate.issuer and is_issued_by(certificate, ca.certificate):
                yield approved, ca


def _issuer_among(extra: Sequence[x509.Certificate], path: Sequence[x509.Certificate]) -> x509.Certificate:
    for candidate in extra:
        if candidate not in path and is_issued_by(path[-1], candidate):
            return candidate
    raise AuthenticationFailed(
        "Certificate is not issued by approved certification service provider", code="cannot_create_cert_path"
    )


def _is_valid(certificate: x509.Certificate, at: datetime) -> bool:
    return certificate.not_valid_before_utc <= at <= certificate.not_valid_after_utc


def _may_issue(certificate: x509.Certificate, cas_below: int) -> bool:
    """A CA by basicConstraints, allowed to sign certificates, with at most `pathLenConstraint` CAs below it."""
    try:
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
    except x509.ExtensionNotFound:
        return False
    usage = _key_usage(certificate)
    within = constraints.path_length is None or cas_below <= constraints.path_length
    return constraints.ca and within and (usage is None or usage.key_cert_sign)
