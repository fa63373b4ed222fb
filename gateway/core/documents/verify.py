"""Is this document good? In this order, and the first thing wrong is the cause.

1. It can be read, and carries one signature that covers it as a whole (`reading.py`, `signature.py`).
2. Algorithms and key still stand.
3. The digests and the signature value are right.                -- so nobody else's document is blamed on a certificate's holder
4. The certificate may sign documents, and has a path to the trust list, good now and when it was signed.
5. The signing time is signed, not in the future, and not too long ago.

Revocation is looked at apart from this (`revocation.py`), for services whose operator says where it is published.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from gateway.core.documents.causes import Cause, DocumentRejected
from gateway.core.documents.reading import read_document
from gateway.core.documents.signature import DocumentSignature, read_signature
from gateway.core.errors import AuthenticationFailed, SignatureRejected
from gateway.core.signing import algorithms
from gateway.core.signing.certificates import der, verify_chain
from gateway.core.signing.trust import ApprovedCa, CaCertificate, InstanceTrust

FUTURE_TOLERANCE = timedelta(minutes=5)
_LEAST_RSA_BITS, _LEAST_EC_BITS = 2048, 256


@dataclass(frozen=True, slots=True)
class VerifiedDocument:
    """The holder of the first certificate of `path` signed exactly this document; the last is on the trust list. `signing_time`:
    the holder's claim, within the rule."""

    path: tuple[x509.Certificate, ...]
    signing_time: datetime

    @property
    def certificate(self) -> x509.Certificate:
        return self.path[0]


def trust_list(certificates: Sequence[x509.Certificate]) -> InstanceTrust:
    """Whose certificates count for documents: those that these authorities issued, themselves or through others."""
    authorities = tuple(ApprovedCa("", False, "", CaCertificate(c)) for c in certificates)
    fingerprint = hashlib.sha256(b"".join(map(der, certificates))).digest()
    return InstanceTrust("", authorities, timedelta(0), False, fingerprint)


def verify_document(xml: bytes, trust: InstanceTrust, *, at: datetime, oldest: timedelta) -> VerifiedDocument:
    """DocumentRejected with the cause otherwise. `trust`: of `trust_list`; `oldest`: greatest age of the signing time."""
    signature = read_signature(read_document(xml))
    _require_strong(signature)
    _verify_value(signature)
    signing_time = signature.signing_time
    if signing_time is None:
        raise DocumentRejected(Cause.SIGNING_TIME, "The document's signing time is missing or not signed")
    path = _verify_certificate(signature, (signing_time, at), trust)
    if signing_time > at + FUTURE_TOLERANCE:
        raise DocumentRejected(Cause.SIGNING_TIME, "The document's signing time lies in the future")
    if signing_time < at - oldest:
        raise DocumentRejected(Cause.SIGNING_TIME, "The document was signed too long ago")
    return VerifiedDocument(path, signing_time)


def _require_strong(signature: DocumentSignature) -> None:
    key = signature.certificates[0].public_key()
    strong = (isinstance(key, rsa.RSAPublicKey) and key.key_size >= _LEAST_RSA_BITS) or (
        isinstance(key, ec.EllipticCurvePublicKey) and key.key_size >= _LEAST_EC_BITS
    )
    if not strong:
        raise DocumentRejected(Cause.WEAK, "The key of the document's signer is too short, or of another kind")


def _verify_value(signature: DocumentSignature) -> None:
    for digest, octets in signature.digested:
        if digest.algorithm.of(octets) != digest:
            raise DocumentRejected(Cause.ALTERED, "The document is not the one that was signed")
    key = signature.certificates[0].public_key()
    try:
        algorithms.verify(key, signature.algorithm, signature.value, signature.signed_info)
    except SignatureRejected as e:
        raise DocumentRejected(Cause.ALTERED, "The document's signature value is wrong") from e


def _verify_certificate(
    signature: DocumentSignature, moments: tuple[datetime, ...], trust: InstanceTrust
) -> tuple[x509.Certificate, ...]:
    """The path, as it is good at each of `moments`."""
    path: tuple[x509.Certificate, ...] = ()
    signer, *others = signature.certificates
    if not _may_sign(signer):
        raise DocumentRejected(Cause.UNTRUSTED, "The signer's certificate is not for signing documents")
    for moment in moments:
        try:
            path = verify_chain(signer, others, trust, moment)
        except AuthenticationFailed as e:
            expired = e.code.endswith("cert_validity_time")
            cause = Cause.EXPIRED if expired else Cause.UNTRUSTED
            raise DocumentRejected(cause, f"The signer's certificate is not acceptable: {e.safe_detail}") from e
    return path


def _may_sign(certificate: x509.Certificate) -> bool:
    try:
        usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return False
    return usage.digital_signature or usage.content_commitment
