"""Keys, certificates and OCSP answers of a made-up instance. Independent of the code under test."""

from __future__ import annotations

import itertools
import warnings
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Literal

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

KeyKind = Literal["rsa", "ec"]
Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
_SERIALS = itertools.count(0x1000)
_RSA_POOL = itertools.cycle(range(8))


def new_key(kind: KeyKind) -> Key:
    """RSA keys come from a small pool: making them is most of the time that these tests would take."""
    return ec.generate_private_key(ec.SECP256R1()) if kind == "ec" else _rsa(next(_RSA_POOL))


@cache
def _rsa(_number: int) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


@dataclass(frozen=True)
class Pair:
    """A certificate with its key. `issuer`: None for a root."""

    key: Key
    certificate: x509.Certificate
    issuer: Pair | None = None

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.DER)

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def key_pem(self, password: str | None) -> bytes:
        how = (
            serialization.NoEncryption()
            if password is None
            else serialization.BestAvailableEncryption(password.encode())
        )
        return self.key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, how)

    def p12(self, password: str) -> bytes:
        """With every issuer up to the root, as administrators export them."""
        chain, above = [], self.issuer
        while above is not None:
            chain.append(above.certificate)
            above = above.issuer
        how = serialization.BestAvailableEncryption(password.encode())
        return pkcs12.serialize_key_and_certificates(b"key", self.key, self.certificate, chain, how)


def name(*fields: tuple[x509.ObjectIdentifier, str]) -> x509.Name:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an instance of more than two letters in C
        return x509.Name([x509.NameAttribute(oid, value, _validate=False) for oid, value in fields])


def authority(common_name: str, kind: KeyKind, above: Pair | None = None) -> Pair:
    key = new_key(kind)
    subject = name(
        (NameOID.COUNTRY_NAME, "FI"), (NameOID.ORGANIZATION_NAME, "Test"), (NameOID.COMMON_NAME, common_name)
    )
    usage = _usage(key_cert_sign=True, crl_sign=True)
    return _issue(subject, key, above, [(x509.BasicConstraints(ca=True, path_length=None), True), (usage, True)])


def responder(above: Pair, kind: KeyKind, common_name: str = "Test OCSP") -> Pair:
    extensions: list[tuple[x509.ExtensionType, bool]] = [
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.OCSP_SIGNING]), False)
    ]
    return _issue(name((NameOID.COMMON_NAME, common_name)), new_key(kind), above, extensions)


def signing(subject: x509.Name, kind: KeyKind, above: Pair) -> Pair:
    return _issue(subject, new_key(kind), above, [(_usage(content_commitment=True), True)])


def authentication(subject: x509.Name, kind: KeyKind, above: Pair) -> Pair:
    usage = _usage(digital_signature=True, key_encipherment=kind == "rsa")
    both = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH])
    return _issue(subject, new_key(kind), above, [(usage, True), (both, False)])


def fivrk_sign(instance: str, member_class: str, code: str, server: str) -> x509.Name:
    serial = (NameOID.SERIAL_NUMBER, f"{instance}/{server}/{member_class}")
    return name(
        (NameOID.COUNTRY_NAME, "FI"), (NameOID.ORGANIZATION_NAME, "Some Oy"), serial, (NameOID.COMMON_NAME, code)
    )


def ejbca_sign(instance: str, member_class: str, code: str, server: str) -> x509.Name:
    return name(
        (NameOID.COUNTRY_NAME, instance), (NameOID.ORGANIZATION_NAME, member_class), (NameOID.COMMON_NAME, code)
    )


def auth_subject(instance: str, server: str) -> x509.Name:
    return name((NameOID.COUNTRY_NAME, instance), (NameOID.COMMON_NAME, server))


def _usage(**on: bool) -> x509.KeyUsage:
    every = (
        "digital_signature content_commitment key_encipherment data_encipherment key_agreement key_cert_sign crl_sign "
        "encipher_only decipher_only"
    )
    return x509.KeyUsage(**{**dict.fromkeys(every.split(), False), **on})


def _issue(subject: x509.Name, key: Key, above: Pair | None, extensions: list[tuple[x509.ExtensionType, bool]]) -> Pair:
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject if above is None else above.certificate.subject)
        .public_key(key.public_key())
        .serial_number(next(_SERIALS))
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=30))
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    return Pair(key, builder.sign(key if above is None else above.key, hashes.SHA256()), above)


@dataclass
class Statuses:
    """The responder behind one CA. `revoked`: serial numbers."""

    ca: Pair
    signer: Pair
    revoked: set[int] = field(default_factory=set)

    def answer(self, certificate: x509.Certificate) -> bytes:
        now = datetime.now(UTC).replace(microsecond=0)
        gone = certificate.serial_number in self.revoked
        return (
            ocsp.OCSPResponseBuilder()
            .add_response(
                certificate,
                self.ca.certificate,
                hashes.SHA1(),  # noqa: S303 - X-Road compares CertIDs of SHA-1 only
                ocsp.OCSPCertStatus.REVOKED if gone else ocsp.OCSPCertStatus.GOOD,
                now,
                None,
                now - timedelta(minutes=1) if gone else None,
                None,
            )
            .responder_id(ocsp.OCSPResponderEncoding.HASH, self.signer.certificate)
            .certificates([self.signer.certificate])
            .sign(self.signer.key, hashes.SHA256())
            .public_bytes(serialization.Encoding.DER)
        )


def is_good(response: bytes, certificate: x509.Certificate, statuses: Statuses) -> bool:
    """What a peer asks of an OCSP answer: this certificate, by SHA-1, good, signed by the listed responder, not old."""
    parsed = ocsp.load_der_ocsp_response(response)
    request = ocsp.OCSPRequestBuilder().add_certificate(certificate, statuses.ca.certificate, hashes.SHA1()).build()  # noqa: S303
    about = (parsed.issuer_name_hash, parsed.issuer_key_hash, parsed.serial_number)
    key = statuses.signer.certificate.public_key()
    if isinstance(key, ec.EllipticCurvePublicKey):
        key.verify(parsed.signature, parsed.tbs_response_bytes, ec.ECDSA(hashes.SHA256()))
    else:
        assert isinstance(key, rsa.RSAPublicKey)
        key.verify(parsed.signature, parsed.tbs_response_bytes, padding.PKCS1v15(), hashes.SHA256())
    return (
        about == (request.issuer_name_hash, request.issuer_key_hash, request.serial_number)
        and parsed.certificate_status is ocsp.OCSPCertStatus.GOOD
        and datetime.now(UTC) - parsed.this_update_utc < timedelta(hours=1)
    )
