"""Was the certificate revoked that signed a document? Judged by what was fetched ahead of time; nothing here waits for anybody.

  revoked   some verified list, or answer, says so, fresh or not: a revocation is for good
  good      a fresh list of its issuer does not name it; a fresh answer says good
  unknown   everything else

Every certificate of the path is looked at, except the one on the trust list: who is listed is the operator's word.
A document of before the revocation counts as one of after it: its signing time is a claim of whoever holds the key.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import Enum
from itertools import pairwise
from typing import TypeAlias

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.ocsp import OCSPCertStatus

from gateway.core.documents.causes import Cause, DocumentRejected
from gateway.core.errors import CertificateStatusUnknown, MalformedMessage
from gateway.core.signing.certificates import der, find_issuer, sha256_hex
from gateway.core.signing.ocsp import not_good, stated_status
from gateway.core.signing.trust import InstanceTrust

MOST_LIST = 16 << 20
"""Bytes of a revocation list: some 400,000 certificates."""
FUTURE_TOLERANCE = timedelta(minutes=5)
_X509_ERRORS = (x509.InvalidVersion, x509.DuplicateExtension, x509.UnsupportedGeneralNameType)
_STRONG = (hashes.SHA256, hashes.SHA384, hashes.SHA512)
_UNDERSTOOD = (x509.CRLNumber, x509.AuthorityKeyIdentifier, x509.FreshestCRL, x509.IssuerAlternativeName)

Link: TypeAlias = tuple[x509.Certificate, x509.Certificate]
"""A certificate and its issuer."""


class Source(Enum):
    """Where it is looked up: revocation lists (RFC 5280 5), or answers about single certificates (RFC 6960)."""

    CRL = "crl"
    OCSP = "ocsp"


@dataclass(frozen=True, slots=True)
class RevocationList:
    """A complete list that `issuer` signed. `revoked`: serial numbers."""

    issuer: x509.Certificate
    this_update: datetime
    next_update: datetime | None
    revoked: frozenset[int] = field(repr=False)


@dataclass(frozen=True, slots=True)
class StatusAnswer:
    """What a responder that may speak for its issuer said of one certificate; `revoked`, or good."""

    revoked: bool
    this_update: datetime
    next_update: datetime | None


@dataclass(frozen=True, slots=True)
class KnownRevocations:
    """What is known at a moment. `answers`: by SHA-256 (hex) of the certificate."""

    lists: tuple[RevocationList, ...] = ()
    answers: Mapping[str, StatusAnswer] = field(default_factory=dict)


class StatusUnknown(DocumentRejected):
    """`wanted`: of which certificates of the path nothing fresh is known."""

    def __init__(self, wanted: tuple[Link, ...]) -> None:
        self.wanted = wanted
        super().__init__(
            Cause.STATUS_UNKNOWN, "Whether the signer's certificate was revoked is not known at the moment"
        )


@dataclass(frozen=True, slots=True)
class RevocationRule:
    """`freshest`: greatest age of a list or answer."""

    source: Source
    freshest: timedelta

    def check(self, path: Sequence[x509.Certificate], known: KnownRevocations, at: datetime) -> None:
        """DocumentRejected (`revoked`) or StatusUnknown. `path`: from the signer to the trust list, both included."""
        wanted: list[Link] = []
        for certificate, issuer in pairwise(path):
            said = self._about(certificate, issuer, known)
            if any(s.revoked for s in said):
                raise DocumentRejected(Cause.REVOKED, "The signer's certificate was revoked")
            if not any(self._is_fresh(s, at) for s in said):
                wanted.append((certificate, issuer))
        if wanted:
            raise StatusUnknown(tuple(wanted))

    def _about(
        self, certificate: x509.Certificate, issuer: x509.Certificate, known: KnownRevocations
    ) -> Sequence[StatusAnswer]:
        if self.source is Source.OCSP:
            answer = known.answers.get(sha256_hex(certificate))
            return () if answer is None else (answer,)
        serial = certificate.serial_number
        of_issuer = (found for found in known.lists if found.issuer == issuer)
        return [StatusAnswer(serial in found.revoked, found.this_update, found.next_update) for found in of_issuer]

    def _is_fresh(self, said: StatusAnswer, at: datetime) -> bool:
        if not at - self.freshest <= said.this_update <= at + FUTURE_TOLERANCE:
            return False
        return said.next_update is None or at <= said.next_update


def read_list(data: bytes, issuers: Sequence[x509.Certificate]) -> RevocationList:
    """DER or PEM -> the complete list of one of `issuers`, verified. MalformedMessage for what cannot be read or is a part of a
    list; CertificateStatusUnknown when none of them signed it, or with an algorithm that no longer stands."""
    try:
        found = _parse(data)
        extensions = list(found.extensions)
        revoked = frozenset(entry.serial_number for entry in found)
        this_update, next_update = found.last_update_utc, found.next_update_utc
        named = [issuer for issuer in issuers if issuer.subject == found.issuer]
        strong = isinstance(found.signature_hash_algorithm, _STRONG)
        signer = next((issuer for issuer in named if _may_sign(issuer) and _signed_by(found, issuer)), None)
    except (ValueError, TypeError, UnsupportedAlgorithm, *_X509_ERRORS) as e:
        raise MalformedMessage("a revocation list cannot be read", code="incorrect_validation_info") from e
    if any(e.critical and not isinstance(e.value, _UNDERSTOOD) for e in extensions):
        raise MalformedMessage(
            "a part of a revocation list, or one of several issuers", code="incorrect_validation_info"
        )
    if signer is None or not strong:
        raise CertificateStatusUnknown("The revocation list was not signed by an authority of the trust list")
    return RevocationList(signer, this_update, next_update, revoked)


def read_answer(
    response: bytes, certificate: x509.Certificate, trust: InstanceTrust, freshest: timedelta, at: datetime
) -> StatusAnswer:
    """A DER OCSPResponse -> what it says of the certificate, verified (`core/signing/ocsp.py`). MalformedMessage or
    AuthenticationFailed when it says nothing that counts."""
    _, ca = find_issuer(certificate, trust, at)
    trusted = replace(trust, ocsp_freshness=freshest, verify_next_update=True)
    stated = stated_status(response, certificate, ca.certificate, ca, trusted, at)
    if stated.status is OCSPCertStatus.UNKNOWN:
        raise not_good(stated.status)
    return StatusAnswer(stated.status is OCSPCertStatus.REVOKED, stated.this_update, stated.next_update)


def _parse(data: bytes) -> x509.CertificateRevocationList:
    if len(data) > MOST_LIST:
        raise ValueError("oversized")
    pem = data.lstrip().startswith(b"-----BEGIN")
    return x509.load_pem_x509_crl(data) if pem else x509.load_der_x509_crl(data)


def _may_sign(issuer: x509.Certificate) -> bool:
    try:
        return issuer.extensions.get_extension_for_class(x509.KeyUsage).value.crl_sign
    except x509.ExtensionNotFound:
        return True  # RFC 5280 4.2.1.3: without the extension nothing is forbidden


def _signed_by(found: x509.CertificateRevocationList, issuer: x509.Certificate) -> bool:
    key = issuer.public_key()
    return isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey) and found.is_signature_valid(key)


def issuers_of(trust: InstanceTrust) -> tuple[x509.Certificate, ...]:
    """The certificates of a trust list, in a fixed order."""
    return tuple(sorted((c.certificate for a in trust.approved_cas for c in a.certificates), key=der))
