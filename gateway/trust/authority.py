"""Keys and certificates of an instance (reference 4.5). No files and no network; randomness for keys and serial numbers.

| certificate    | issuer      | key usage (critical)                     | extended key usage     |
|----------------|-------------|------------------------------------------|------------------------|
| root           | itself      | keyCertSign, cRLSign                     |                        |
| intermediate   | root        | keyCertSign, cRLSign                     |                        |
| OCSP signer    | CA          | digitalSignature                         | OCSPSigning, no-check  |
| time-stamping  | CA          | digitalSignature                         | timeStamping, critical |
| signing        | CA          | nonRepudiation, and nothing else         |                        |
| authentication | CA          | digitalSignature (+ keyEncipherment, RSA)| clientAuth, serverAuth |
| TLS            | itself      | digitalSignature (+ keyEncipherment, RSA)| clientAuth, serverAuth |
| registry       | itself      | digitalSignature                         |                        |
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from gateway.core.signing.algorithms import PrivateKey, PublicKey
from gateway.core.signing.requests import KeyType, general_name

_CLOCKS_DIFFER = timedelta(minutes=1)


def new_key(key_type: KeyType = KeyType.EC_P256) -> PrivateKey:
    match key_type:
        case KeyType.EC_P256:
            return ec.generate_private_key(ec.SECP256R1())
        case KeyType.EC_P384:
            return ec.generate_private_key(ec.SECP384R1())
        case KeyType.RSA_2048:
            return rsa.generate_private_key(public_exponent=65537, key_size=2048)
        case KeyType.RSA_3072:
            return rsa.generate_private_key(public_exponent=65537, key_size=3072)


@dataclass(frozen=True, slots=True)
class Identity:
    """A private key and the certificate of its public key."""

    key: PrivateKey
    certificate: x509.Certificate


@dataclass(frozen=True, slots=True)
class Validity:
    """UTC, whole seconds."""

    not_before: datetime
    not_after: datetime


def validity(now: datetime, *, years: float) -> Validity:
    """From a minute before `now`, because clocks differ."""
    start = now.replace(microsecond=0) - _CLOCKS_DIFFER
    return Validity(start, start + timedelta(days=365.25 * years))


def named(name: str, *, organisation: str | None = None) -> x509.Name:
    attributes = [] if organisation is None else [x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation)]
    return x509.Name([*attributes, x509.NameAttribute(NameOID.COMMON_NAME, name)])


# --- what CAs issue ------------------------------------------------------------------------------------------------


class Use(Enum):
    """What a certificate that a CA issues is for."""

    INTERMEDIATE = "intermediate"
    OCSP = "ocsp"
    TSA = "tsa"
    SIGN = "sign"
    AUTH = "auth"


@dataclass(frozen=True, slots=True)
class Authority:
    """A CA at work. `record` is told each certificate before it is handed out, and is durable when it returns."""

    identity: Identity
    record: Callable[[x509.Certificate], None]

    def certify(self, subject: x509.Name, public_key: PublicKey, use: Use, during: Validity) -> x509.Certificate:
        """A certificate as the table above has it for this use, whatever its holder may have asked for."""
        issuer = self.identity.certificate
        identifier = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
        points_at = _Extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier))
        extensions = [*_extensions(use, public_key), points_at]
        certificate = _certificate(subject, public_key, during, extensions, issuer.subject, self.identity.key)
        self.record(certificate)  # if we crash here: a serial number nobody uses, and not a certificate nobody knows
        return certificate

    def issue_intermediate(self, subject: x509.Name, during: Validity, key: PrivateKey | None = None) -> Identity:
        return self._issue(subject, during, key, Use.INTERMEDIATE)

    def issue_ocsp_signer(self, subject: x509.Name, during: Validity, key: PrivateKey | None = None) -> Identity:
        return self._issue(subject, during, key, Use.OCSP)

    def issue_time_stamper(self, subject: x509.Name, during: Validity, key: PrivateKey | None = None) -> Identity:
        return self._issue(subject, during, key, Use.TSA)

    def issue_signing(self, subject: x509.Name, during: Validity, key: PrivateKey | None = None) -> Identity:
        """A member's signing certificate. `subject`: `core.signing.certificates.sign_certificate_subject` of the CA's profile."""
        return self._issue(subject, during, key, Use.SIGN)

    def issue_authentication(self, subject: x509.Name, during: Validity, key: PrivateKey | None = None) -> Identity:
        """A security server's certificate for mutual TLS between security servers. `subject`: `auth_certificate_subject`."""
        return self._issue(subject, during, key, Use.AUTH)

    def _issue(self, subject: x509.Name, during: Validity, key: PrivateKey | None, use: Use) -> Identity:
        key = key or new_key()
        return Identity(key, self.certify(subject, key.public_key(), use, during))


def _extensions(use: Use, public_key: PublicKey) -> list[_Extension]:
    match use:
        case Use.INTERMEDIATE:
            return _authority_extensions(path_length=0)
        case Use.OCSP:
            return [
                _key_usage(digital_signature=True),
                _extended_key_usage(ExtendedKeyUsageOID.OCSP_SIGNING),
                _Extension(x509.OCSPNoCheck()),
            ]
        case Use.TSA:  # RFC 3161 2.3
            return [
                _key_usage(digital_signature=True),
                _extended_key_usage(ExtendedKeyUsageOID.TIME_STAMPING, critical=True),
            ]
        case Use.SIGN:
            return [_key_usage(content_commitment=True)]
        case Use.AUTH:
            return _tls_extensions(public_key)


# --- what stands for itself ----------------------------------------------------------------------------------------


def create_root(subject: x509.Name, during: Validity, key: PrivateKey | None = None) -> Identity:
    return _self_signed(subject, during, key or new_key(), _authority_extensions(path_length=None))


def create_tls(
    subject: x509.Name, during: Validity, key: PrivateKey | None = None, *, addresses: Iterable[str] = ()
) -> Identity:
    """For the connection between a security server and its information systems. `addresses`: IP addresses and host names."""
    key = key or new_key()
    names = [general_name(a) for a in addresses]
    extensions = [
        *_tls_extensions(key.public_key()),
        *([_Extension(x509.SubjectAlternativeName(names))] if names else []),
    ]
    return _self_signed(subject, during, key, extensions)


def create_registry(subject: x509.Name, during: Validity, key: PrivateKey | None = None) -> Identity:
    """For signing the global configuration's directories (reference 7.2); trusted through the anchor, not through a CA."""
    return _self_signed(subject, during, key or new_key(), [_key_usage(digital_signature=True)])


# --- parts ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Extension:
    value: x509.ExtensionType
    critical: bool = False


def _self_signed(subject: x509.Name, during: Validity, key: PrivateKey, extensions: Iterable[_Extension]) -> Identity:
    return Identity(key, _certificate(subject, key.public_key(), during, extensions, subject, key))


def _certificate(
    subject: x509.Name,
    public_key: PublicKey,
    during: Validity,
    extensions: Iterable[_Extension],
    issuer: x509.Name,
    issuer_key: PrivateKey,
) -> x509.Certificate:
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(during.not_before)
        .not_valid_after(during.not_after)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
    )
    extensions = tuple(extensions)
    if not any(isinstance(e.value, x509.BasicConstraints) for e in extensions):
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    for extension in extensions:
        builder = builder.add_extension(extension.value, critical=extension.critical)
    return builder.sign(issuer_key, hashes.SHA256())


def _authority_extensions(*, path_length: int | None) -> list[_Extension]:
    return [
        _Extension(x509.BasicConstraints(ca=True, path_length=path_length), critical=True),
        _key_usage(key_cert_sign=True, crl_sign=True),
    ]


def _tls_extensions(public_key: PublicKey) -> list[_Extension]:
    # TLS 1.2 knows RSA key exchange; an EC key cannot encipher.
    return [
        _key_usage(digital_signature=True, key_encipherment=isinstance(public_key, rsa.RSAPublicKey)),
        _extended_key_usage(ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH),
    ]


def _key_usage(
    *,
    digital_signature: bool = False,
    content_commitment: bool = False,
    key_encipherment: bool = False,
    key_cert_sign: bool = False,
    crl_sign: bool = False,
) -> _Extension:
    usage = x509.KeyUsage(
        digital_signature=digital_signature,
        content_commitment=content_commitment,
        key_encipherment=key_encipherment,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        encipher_only=False,
        decipher_only=False,
    )
    return _Extension(usage, critical=True)


def _extended_key_usage(*usages: x509.ObjectIdentifier, critical: bool = False) -> _Extension:
    return _Extension(x509.ExtendedKeyUsage(usages), critical)
