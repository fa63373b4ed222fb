"""A small country's PKI in memory: an approved CA (with an intermediate on demand), its OCSP responder, certificates of members.

    pki = Pki(now=datetime(2026, 11, 24, 12, tzinfo=UTC))
    sign = pki.issue_sign(member)                        # key="ec" | "rsa" | "pss"
    auth = pki.issue_auth(server)
    pki.ocsp(sign.certificate)                           # DER, good, fresh at pki.now; every time and the status can be moved
    pki.revoke(sign.certificate)                         # from now on `ocsp` says revoked
    pki.trust()                                          # InstanceTrust as the global configuration would give it
    pki.credential(sign)                                 # SigningCredential with a fresh OCSP answer
    pki.sign_message(sign, part, bodies)                 # a whole signature
    pki.stamp(data)                                      # a time-stamp token at pki.now, by pki.approved_tsa

`pki.now` may be moved; certificates are valid from a day before to ten years after the start. RSA keys are made once per process.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Literal, TypeAlias

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from gateway.core.digest import sha512
from gateway.core.identifiers import MemberId, SecurityServerId
from gateway.core.signing.algorithms import PrivateKey, SignatureAlgorithm, default_algorithm, sign
from gateway.core.signing.certificates import (
    auth_certificate_subject,
    der,
    parse_certificate,
    sign_certificate_subject,
)
from gateway.core.signing.trust import ApprovedCa, ApprovedTsa, CaCertificate, InstanceTrust
from gateway.core.signing.tsp import build_query, parse_response, with_certificates
from gateway.core.signing.xades import SignatureDraft, SigningCredential, draft_signature
from gateway.trust.authority import Identity
from gateway.trust.timestamping import TimeStampingAuthority

KeyKind: TypeAlias = Literal["ec", "rsa", "pss"]
OcspStatus: TypeAlias = Literal["good", "revoked", "unknown"]

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
EJBCA = "ee.ria.xroad.common.certificateprofile.impl.EjbcaCertificateProfileInfoProvider"
FRESHNESS = timedelta(hours=1)
_STATUS = {
    "good": ocsp.OCSPCertStatus.GOOD,
    "revoked": ocsp.OCSPCertStatus.REVOKED,
    "unknown": ocsp.OCSPCertStatus.UNKNOWN,
}


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate with its key. `issuer` is None for a root. `pss`: signs with RSA-PSS."""

    certificate: x509.Certificate
    key: PrivateKey
    issuer: Issued | None = None
    member: MemberId | None = None
    pss: bool = False

    @property
    def der(self) -> bytes:
        return der(self.certificate)

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        return self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )

    @property
    def algorithm(self) -> SignatureAlgorithm:
        return default_algorithm(self.certificate.public_key(), pss=self.pss)

    def sign(self, data: bytes) -> bytes:
        """An XML-DSig signature value."""
        return sign(self.key, self.algorithm, data)


@dataclass(frozen=True, slots=True)
class SignedMessage:
    """A signature XML with its chain documents, as they travel."""

    signature: bytes
    hash_chain_result: bytes | None
    hash_chain: bytes | None


@lru_cache(maxsize=16)
def _rsa_key(number: int, bits: int = 2048) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, bits)


@dataclass(slots=True)
class Pki:
    now: datetime = NOON
    instance: str = "VN"
    profile: str = EJBCA
    ca_name: str = "Root CA"
    ca_key: KeyKind = "ec"
    ca: Issued = field(init=False)
    ocsp_signer: Issued = field(init=False)
    tsa: Issued = field(init=False)
    intermediate: Issued | None = field(init=False, default=None)
    _serial: int = field(init=False, default=1000)
    _stamps: int = field(init=False, default=0)
    _rsa_keys: int = field(init=False, default=0)
    _revoked: dict[int, datetime] = field(init=False, default_factory=dict)
    _start: datetime = field(init=False)

    def __post_init__(self) -> None:
        self._start = self.now
        self.ca = self.issue_ca(self.ca_name, key=self.ca_key)
        self.ocsp_signer = self.issue_ocsp_signer(self.ca)
        self.tsa = self.issue_tsa()

    # --- certificates

    def issue(
        self,
        subject: x509.Name,
        *,
        issuer: Issued | None = None,
        key: KeyKind = "ec",
        private_key: PrivateKey | None = None,
        member: MemberId | None = None,
        usage: Sequence[str] | None = ("digital_signature",),
        extended: Sequence[x509.ObjectIdentifier] = (),
        extended_critical: bool = False,
        ca: bool = False,
        path_length: int | None = None,
        not_before: datetime | None = None,
        not_after: datetime | None = None,
    ) -> Issued:
        """Any certificate. `issuer` None: self-signed. `usage` None: no KeyUsage extension."""
        private = private_key or self._key(key)
        self._serial += 1
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject if issuer is None else issuer.certificate.subject)
            .public_key(private.public_key())
            .serial_number(self._serial)
            .not_valid_before(not_before or self._start - timedelta(days=1))
            .not_valid_after(not_after or self._start + timedelta(days=3650))
            .add_extension(x509.BasicConstraints(ca, path_length), critical=True)
        )
        if usage is not None:
            builder = builder.add_extension(_key_usage(usage), critical=True)
        if extended:
            builder = builder.add_extension(x509.ExtendedKeyUsage(list(extended)), critical=extended_critical)
        signer = private if issuer is None else issuer.key
        certificate = parse_certificate(der(builder.sign(signer, hashes.SHA256())))
        return Issued(certificate, private, issuer, member, key == "pss")

    def issue_ca(
        self, name: str, *, issuer: Issued | None = None, key: KeyKind = "ec", path_length: int | None = None
    ) -> Issued:
        subject = x509.Name([_attribute(NameOID.COUNTRY_NAME, "VN"), _attribute(NameOID.COMMON_NAME, name)])
        usage = ("key_cert_sign", "crl_sign")
        return self.issue(subject, issuer=issuer, key=key, usage=usage, ca=True, path_length=path_length)

    def issue_intermediate(self, name: str = "Intermediate CA", *, issuer: Issued | None = None) -> Issued:
        """A CA below the root; listed in `trust` once it is `pki.intermediate`."""
        return self.issue_ca(name, issuer=issuer or self.ca)

    def issue_ocsp_signer(self, issuer: Issued, name: str = "OCSP", **more: object) -> Issued:
        subject = x509.Name([_attribute(NameOID.COMMON_NAME, f"{name} of {_common_name(issuer.certificate)}")])
        options: dict[str, object] = {"extended": [ExtendedKeyUsageOID.OCSP_SIGNING], "issuer": issuer, **more}
        return self.issue(subject, **options)  # type: ignore[arg-type]  # forwarded as they are

    def issue_tsa(self, name: str = "TSA", key: KeyKind = "ec", **more: object) -> Issued:
        subject = x509.Name([_attribute(NameOID.COMMON_NAME, name)])
        options: dict[str, object] = {
            "issuer": self.ca,
            "key": key,
            "extended": [ExtendedKeyUsageOID.TIME_STAMPING],
            "extended_critical": True,
            **more,
        }
        return self.issue(subject, **options)  # type: ignore[arg-type]  # forwarded as they are

    def issue_sign(
        self,
        member: MemberId,
        key: KeyKind = "ec",
        *,
        server_code: str = "SS1",
        issuer: Issued | None = None,
        usage: Sequence[str] | None = ("content_commitment",),
        **more: object,
    ) -> Issued:
        server = SecurityServerId(member.instance, member.member_class, member.member_code, server_code)
        subject = sign_certificate_subject(self.profile, member=member, server=server)
        options: dict[str, object] = {
            "issuer": issuer or self.ca,
            "key": key,
            "member": member,
            "usage": usage,
            **more,
        }
        return self.issue(subject, **options)  # type: ignore[arg-type]  # forwarded as they are

    def issue_auth(
        self,
        server: SecurityServerId,
        key: KeyKind = "ec",
        *,
        issuer: Issued | None = None,
        usage: Sequence[str] | None = ("digital_signature", "key_encipherment"),
        **more: object,
    ) -> Issued:
        options: dict[str, object] = {
            "issuer": issuer or self.ca,
            "key": key,
            "usage": usage,
            "extended": [ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH],
            **more,
        }
        return self.issue(auth_certificate_subject(self.profile, server=server), **options)  # type: ignore[arg-type]

    def _key(self, kind: KeyKind) -> PrivateKey:
        if kind == "ec":
            return ec.generate_private_key(ec.SECP256R1())
        self._rsa_keys += 1
        return _rsa_key(self._rsa_keys)

    # --- status

    def revoke(self, certificate: x509.Certificate) -> None:
        self._revoked[certificate.serial_number] = self.now

    def ocsp(
        self,
        certificate: x509.Certificate,
        *,
        status: OcspStatus | None = None,
        this_update: datetime | None = None,
        next_update: datetime | Literal["default"] | None = "default",
        issuer: Issued | None = None,
        signer: Issued | None = None,
        embed: Sequence[x509.Certificate] | None = None,
        digest: hashes.SHA1 | hashes.SHA256 | None = None,
        by_key: bool = False,
    ) -> bytes:
        """DER OCSPResponse: a CertID of `digest` (SHA-1), signed by `signer` (the responder), `embed` inside (the signer)."""
        signer = signer or self.ocsp_signer
        issuer = issuer or (self.intermediate if self._by_intermediate(certificate) else None) or self.ca
        status = status or ("revoked" if certificate.serial_number in self._revoked else "good")
        this_update = this_update or self.now - timedelta(minutes=1)
        revoked_at = self._revoked.get(certificate.serial_number, this_update) if status == "revoked" else None
        embed = [signer.certificate] if embed is None else list(embed)
        builder = ocsp.OCSPResponseBuilder().add_response(
            certificate,
            issuer.certificate,
            digest or hashes.SHA1(),  # noqa: S303 - the only CertID that X-Road understands
            _STATUS[status],
            this_update,
            this_update + timedelta(days=1) if next_update == "default" else next_update,
            revoked_at,
            None,
        )
        encoding = ocsp.OCSPResponderEncoding.HASH if by_key else ocsp.OCSPResponderEncoding.NAME
        builder = builder.responder_id(encoding, signer.certificate)
        if embed:
            builder = builder.certificates(embed)
        return builder.sign(signer.key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)

    def _by_intermediate(self, certificate: x509.Certificate) -> bool:
        return self.intermediate is not None and certificate.issuer == self.intermediate.certificate.subject

    def trust(
        self,
        instance: str | None = None,
        *,
        profile: str | None = None,
        freshness: timedelta = FRESHNESS,
        verify_next_update: bool = True,
        authentication_only: bool = False,
        list_ocsp: bool = True,
        more: Sequence[ApprovedCa] = (),
    ) -> InstanceTrust:
        """As the global configuration would give it. `list_ocsp`: the responder's certificate stands in shared-params."""
        responders = (self.ocsp_signer.certificate,) if list_ocsp else ()
        url = ("http://ocsp.example.vn/",)
        intermediates = (
            ()
            if self.intermediate is None
            else (CaCertificate(self.intermediate.certificate, ocsp_urls=url, ocsp_certificates=responders),)
        )
        top = CaCertificate(self.ca.certificate, ocsp_urls=url, ocsp_certificates=responders)
        approved = ApprovedCa(self.ca_name, authentication_only, profile or self.profile, top, intermediates)
        content = repr((instance, approved, freshness, verify_next_update, tuple(more)))
        return InstanceTrust(
            instance=instance or self.instance,
            approved_cas=(approved, *more),
            ocsp_freshness=freshness,
            verify_next_update=verify_next_update,
            fingerprint=hashlib.sha256(content.encode() + self.ca.der).digest(),
        )

    # --- time-stamps

    @property
    def approved_tsa(self) -> ApprovedTsa:
        return ApprovedTsa("TSA", "http://tsa.example.vn/", self.tsa.certificate)

    def authority(self, tsa: Issued | None = None) -> TimeStampingAuthority:
        tsa = tsa or self.tsa
        return TimeStampingAuthority(Identity(tsa.key, tsa.certificate), "1.2.3.4.1", 1, self._next_stamp)

    def stamp(self, stamped: bytes, *, by: Issued | None = None, at: datetime | None = None) -> bytes:
        """A DER token as the message log keeps it, with the authority's certificate inside."""
        tsa = by or self.tsa
        answer = self.authority(tsa).answer(build_query(sha512(stamped)), at or self.now)
        token = parse_response(answer).token
        assert token is not None
        return with_certificates(token, (tsa.certificate,))

    def _next_stamp(self) -> int:
        self._stamps += 1
        return self._stamps

    # --- signatures

    def credential(
        self, signer: Issued, *, responses: Sequence[bytes] | None = None, intermediates: Sequence[Issued] = ()
    ) -> SigningCredential:
        """`signer` from `issue_sign`. Answers for the certificate and each intermediate are made unless given."""
        assert signer.member is not None
        certificates = [signer.certificate, *(i.certificate for i in intermediates)]
        answers = [self.ocsp(c) for c in certificates] if responses is None else list(responses)
        return SigningCredential(
            signer.member,
            signer.certificate,
            signer.algorithm,
            tuple(i.certificate for i in intermediates),
            tuple(answers),
        )

    def sign_message(
        self,
        signer: Issued,
        part: bytes,
        bodies: Sequence[bytes] = (),
        *,
        credential: SigningCredential | None = None,
        at: datetime | None = None,
    ) -> SignedMessage:
        """What the signer's own security server would send for these parts."""
        draft = draft_signature(
            sha512(part), [sha512(b) for b in bodies], credential or self.credential(signer), at or self.now
        )
        return complete(draft, signer)


def complete(draft: SignatureDraft, signer: Issued) -> SignedMessage:
    return SignedMessage(draft.complete(signer.sign(draft.signed_info)), draft.hash_chain_result, draft.hash_chain)


def _attribute(oid: x509.ObjectIdentifier, value: str) -> x509.NameAttribute[str]:
    return x509.NameAttribute(oid, value)


def _common_name(certificate: x509.Certificate) -> str:
    return str(certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)


def _key_usage(names: Sequence[str]) -> x509.KeyUsage:
    bits = (
        "digital_signature",
        "content_commitment",
        "key_encipherment",
        "data_encipherment",
        "key_agreement",
        "key_cert_sign",
        "crl_sign",
        "encipher_only",
        "decipher_only",
    )
    return x509.KeyUsage(**{bit: bit in names for bit in bits})
