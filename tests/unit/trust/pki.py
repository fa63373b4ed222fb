"""A small CA with everything it issued, for tests of keys and certificates. RSA keys are made once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from gateway.core.identifiers import MemberId, SecurityServerId
from gateway.core.signing.algorithms import PrivateKey
from gateway.core.signing.certificates import auth_certificate_subject, sign_certificate_subject
from gateway.core.signing.profiles import EJBCA
from gateway.core.signing.requests import KeyType
from gateway.core.signing.trust import ApprovedCa, CaCertificate, InstanceTrust
from gateway.trust.authority import Authority, Identity, Validity, create_root, named, new_key, validity
from gateway.trust.responder import OcspResponder
from gateway.trust.status import CertificateIndex

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
G01 = MemberId("VN", "GOV", "G01")
SS1 = SecurityServerId("VN", "GOV", "G01", "ss1")
SHA1 = hashes.SHA1()  # noqa: S303 - names certificates in OCSP, protects nothing
OCSP_URL = "http://127.0.0.1:1/ocsp"


@cache
def rsa_key() -> PrivateKey:
    return new_key(KeyType.RSA_2048)


def sign_subject(member: MemberId = G01) -> x509.Name:
    return sign_certificate_subject(EJBCA, member=member, server=SS1)


def auth_subject() -> x509.Name:
    return auth_certificate_subject(EJBCA, server=SS1)


def ocsp_request(
    certificate: x509.Certificate,
    issuer: x509.Certificate,
    algorithm: hashes.HashAlgorithm = SHA1,
    *extensions: tuple[x509.ExtensionType, bool],
) -> bytes:
    """DER. `extensions`: value and whether it is critical."""
    builder = ocsp.OCSPRequestBuilder().add_certificate(certificate, issuer, algorithm)
    for value, critical in extensions:
        builder = builder.add_extension(value, critical=critical)
    return builder.build().public_bytes(Encoding.DER)


class Pki:
    """`directory` holds the index. `during`: of everything it issues."""

    def __init__(self, directory: Path, *, now: datetime = NOW, root_key: PrivateKey | None = None) -> None:
        self.during: Validity = validity(now, years=2)
        self.root = create_root(named("Test CA", organisation="Test"), validity(now, years=10), root_key)
        self.index = CertificateIndex(directory / "index.json")
        self.authority = Authority(self.root, self.index.record)
        self.ocsp_signer = self.authority.issue_ocsp_signer(named("Test OCSP"), self.during)
        self.urls: tuple[str, ...] = (OCSP_URL,)
        self.freshness = timedelta(hours=1)
        self.fingerprint = b"trust 1"
        self.authentication_only = False

    def sign(self, member: MemberId = G01, key: PrivateKey | None = None, during: Validity | None = None) -> Identity:
        return self.authority.issue_signing(sign_subject(member), during or self.during, key)

    def auth(self, key: PrivateKey | None = None) -> Identity:
        return self.authority.issue_authentication(auth_subject(), self.during, key)

    @property
    def responder(self) -> OcspResponder:
        return OcspResponder(self.root.certificate, self.ocsp_signer, self.index, timedelta(minutes=30))

    @property
    def ca(self) -> CaCertificate:
        return CaCertificate(self.root.certificate, self.urls)

    @property
    def trust(self) -> InstanceTrust:
        approved = ApprovedCa("Test CA", self.authentication_only, EJBCA, self.ca)
        return InstanceTrust("VN", (approved,), self.freshness, True, self.fingerprint)

    def trust_of(self, instance: str, now: datetime) -> InstanceTrust:
        assert instance == "VN"
        return self.trust
