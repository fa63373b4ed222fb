"""OCSP answers: is this certificate good, says somebody who may say so, recently enough (reference 4.6).

Rules in the order of checking: the answer can be read and is successful; its *first* SingleResponse is about this certificate, by
a SHA-1 CertID; the responder is known and authorised, and signed it; thisUpdate is neither too old nor in the future; nextUpdate
has not passed; the status is good. Stricter than X-Road: thisUpdate may lie at most a minute ahead, a delegated responder's
certificate must be valid at the moment, SHA-1 signatures are refused, and every embedded certificate must be signed by
somebody known, so that no byte of the evidence is anybody's guess.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import ocsp

from gateway.core.errors import CertificateStatusUnknown, MalformedMessage
from gateway.core.remembering import remembered
from gateway.core.signing.certificates import der, has_octet_signature, is_issued_by, is_ocsp_signer, parse_certificate
from gateway.core.signing.trust import CaCertificate, InstanceTrust

MAX_RESPONSE = 64 * 1024
FUTURE_TOLERANCE = timedelta(seconds=60)
_MOST_KEPT = 16 * 1024
_MAX_EMBEDDED = 8
_STRONG = (hashes.SHA256, hashes.SHA384, hashes.SHA512)
_X509_ERRORS = (x509.InvalidVersion, x509.DuplicateExtension, x509.UnsupportedGeneralNameType)


@dataclass(frozen=True, slots=True)
class CertId:
    """What an answer calls a certificate: SHA-1 of issuer name and issuer key, and the serial number."""

    issuer_name_hash: bytes
    issuer_key_hash: bytes
    serial_number: int


@dataclass(frozen=True, slots=True)
class OcspAnswer:
    """The first SingleResponse of a successful answer. `cert_id` is None when it does not use SHA-1."""

    cert_id: CertId | None
    status: ocsp.OCSPCertStatus
    this_update: datetime
    next_update: datetime | None
    responder_name: x509.Name | None
    responder_key_hash: bytes | None
    signed: bytes
    signature: bytes
    hash_algorithm: hashes.HashAlgorithm | None
    certificates: tuple[x509.Certificate, ...]


@dataclass(frozen=True, slots=True)
class OcspVerdict:
    """The certificate was good. `valid_until`: when this answer stops being fresh (reference 4.6)."""

    this_update: datetime
    next_update: datetime | None
    valid_until: datetime


@dataclass(frozen=True, slots=True)
class StatedStatus:
    """What somebody who may say so said, and until when that is fresh (reference 4.6)."""

    status: ocsp.OCSPCertStatus
    this_update: datetime
    next_update: datetime | None
    valid_until: datetime


def cert_id(certificate: x509.Certificate, issuer: x509.Certificate) -> CertId:
    """The CertID that an answer about `certificate` must carry."""
    request = _question(certificate, issuer)
    return CertId(request.issuer_name_hash, request.issuer_key_hash, request.serial_number)


def ocsp_request(certificate: x509.Certificate, issuer: x509.Certificate) -> bytes:
    """DER OCSPRequest. SHA-1 in the CertID: X-Road compares no other (reference 4.6)."""
    return _question(certificate, issuer).public_bytes(Encoding.DER)


def _question(certificate: x509.Certificate, issuer: x509.Certificate) -> ocsp.OCSPRequest:
    return ocsp.OCSPRequestBuilder().add_certificate(certificate, issuer, hashes.SHA1()).build()  # noqa: S303 - a name


@remembered(1024, most_bytes=_MOST_KEPT)
def parse_ocsp(response: bytes) -> OcspAnswer:
    """DER OCSPResponse -> its first SingleResponse. MalformedMessage (`incorrect_validation_info`) otherwise."""
    try:
        if len(response) > MAX_RESPONSE:
            raise ValueError("oversized")
        answer = _answer(ocsp.load_der_ocsp_response(response))
        if not has_octet_signature(response, answer.signature):
            raise ValueError("a signature of broken octets")
        return answer
    except (ValueError, TypeError, StopIteration, UnsupportedAlgorithm, *_X509_ERRORS) as e:
        raise MalformedMessage("an OCSP response cannot be read", code="incorrect_validation_info") from e


def _answer(parsed: ocsp.OCSPResponse) -> OcspAnswer:
    if parsed.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
        raise ValueError("the responder did not answer")
    first = next(iter(parsed.responses))
    is_sha1 = isinstance(first.hash_algorithm, hashes.SHA1)
    embedded = parsed.certificates
    if len(embedded) > _MAX_EMBEDDED:
        raise ValueError("too many certificates")
    return OcspAnswer(
        cert_id=CertId(first.issuer_name_hash, first.issuer_key_hash, first.serial_number) if is_sha1 else None,
        status=first.certificate_status,
        this_update=first.this_update_utc,
        next_update=first.next_update_utc,
        responder_name=parsed.responder_name,
        responder_key_hash=parsed.responder_key_hash,
        signed=parsed.tbs_response_bytes,
        signature=parsed.signature,
        hash_algorithm=parsed.signature_hash_algorithm,
        certificates=tuple(parse_certificate(der(c)) for c in embedded),
    )


def known_by(responses: tuple[bytes, ...]) -> tuple[bytes, ...]:
    """What a verdict on these is remembered by: themselves, or when they are large their digests. Whoever brings them may add what
    he likes to the one that counts."""
    if sum(map(len, responses)) <= _MOST_KEPT:
        return responses
    return tuple(hashlib.sha256(r).digest() for r in responses)


def select(responses: Sequence[bytes], certificate: x509.Certificate, issuer: x509.Certificate) -> bytes:
    """The response about this certificate. CertificateStatusUnknown (`cert_validation`) when there is none."""
    wanted = cert_id(certificate, issuer)
    for response in responses:
        if parse_ocsp(response).cert_id == wanted:
            return response
    raise CertificateStatusUnknown("There is no OCSP response for the certificate")


def verify_ocsp(
    response: bytes,
    certificate: x509.Certificate,
    issuer: x509.Certificate,
    ca: CaCertificate,
    trust: InstanceTrust,
    at: datetime,
) -> OcspVerdict:
    """`ca`: what the configuration says about `issuer`. MalformedMessage when the response cannot be read;
    CertificateStatusUnknown with `cert_validation` (revoked, unknown, about another certificate) or
    `incorrect_validation_info` (everything else)."""
    stated = stated_status(response, certificate, issuer, ca, trust, at)
    if stated.status is not ocsp.OCSPCertStatus.GOOD:
        raise not_good(stated.status)
    return OcspVerdict(stated.this_update, stated.next_update, stated.valid_until)


def stated_status(
    response: bytes,
    certificate: x509.Certificate,
    issuer: x509.Certificate,
    ca: CaCertificate,
    trust: InstanceTrust,
    at: datetime,
) -> StatedStatus:
    """What an answer that is to be believed says of the certificate, good or not. Errors as `verify_ocsp`, for one that is not."""
    answer = parse_ocsp(response)
    if answer.cert_id != cert_id(certificate, issuer):
        raise CertificateStatusUnknown("The OCSP response is not about the certificate")
    _verify_signer(answer, issuer, ca, trust, at)
    if answer.this_update > at + FUTURE_TOLERANCE:
        raise _incorrect("is from the future")
    if answer.this_update < at - trust.ocsp_freshness:
        raise _incorrect("is too old")
    valid_until = answer.this_update + trust.ocsp_freshness
    if trust.verify_next_update and answer.next_update is not None:
        if answer.next_update < at:
            raise _incorrect("is out of date: nextUpdate has passed")
        valid_until = min(valid_until, answer.next_update)
    return StatedStatus(answer.status, answer.this_update, answer.next_update, valid_until)


def not_good(status: ocsp.OCSPCertStatus) -> CertificateStatusUnknown:
    return CertificateStatusUnknown(f"OCSP says the certificate is {status.name.lower()}")


def _incorrect(what: str) -> CertificateStatusUnknown:
    return CertificateStatusUnknown(f"The OCSP response {what}", code="incorrect_validation_info")


def _verify_signer(
    answer: OcspAnswer, issuer: x509.Certificate, ca: CaCertificate, trust: InstanceTrust, at: datetime
) -> None:
    if not all(_is_accounted_for(c, answer, issuer, trust) for c in answer.certificates):
        raise _incorrect("carries a certificate of unknown origin")
    candidates = [c for c in _known(answer, issuer, ca, trust) if _is_named(answer, c)]
    if not candidates:
        raise _incorrect("is signed by an unknown responder")
    authorised = [c for c in candidates if _may_answer(c, issuer, ca, at)]
    if not authorised:
        raise _incorrect("is signed by a responder that is not authorised")
    if not any(_signed_by(answer, c) for c in authorised):
        raise _incorrect("has a wrong signature")


def _known(
    answer: OcspAnswer, issuer: x509.Certificate, ca: CaCertificate, trust: InstanceTrust
) -> Iterator[x509.Certificate]:
    """Where responder certificates are looked for: configuration, CA certificates, the answer itself."""
    yield from ca.ocsp_certificates
    yield issuer
    yield from answer.certificates
    for approved in trust.approved_cas:
        for listed in approved.certificates:
            yield from listed.ocsp_certificates


def _is_named(answer: OcspAnswer, candidate: x509.Certificate) -> bool:
    if answer.responder_name is not None:
        return answer.responder_name == candidate.subject
    return answer.responder_key_hash == _key_hash(candidate)


@lru_cache(maxsize=256)
def _key_hash(certificate: x509.Certificate) -> bytes:
    """SHA-1 of the subjectPublicKey bits: a name in ResponderID byKey, not a protection."""
    key = certificate.public_key()
    if isinstance(key, rsa.RSAPublicKey):
        bits = key.public_bytes(Encoding.DER, PublicFormat.PKCS1)
    elif isinstance(key, ec.EllipticCurvePublicKey):
        bits = key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    else:
        return b""
    return hashlib.sha1(bits, usedforsecurity=False).digest()


def _may_answer(candidate: x509.Certificate, issuer: x509.Certificate, ca: CaCertificate, at: datetime) -> bool:
    """Listed for this CA, or the CA itself, or certified by the CA for exactly this purpose (RFC 6960 4.2.2.2)."""
    if candidate in ca.ocsp_certificates or candidate == issuer:
        return True
    valid = candidate.not_valid_before_utc <= at <= candidate.not_valid_after_utc
    return valid and is_ocsp_signer(candidate) and is_issued_by(candidate, issuer)


def _is_accounted_for(
    embedded: x509.Certificate, answer: OcspAnswer, issuer: x509.Certificate, trust: InstanceTrust
) -> bool:
    """Listed, or signed by somebody we see: a certificate that nobody signed could be altered unnoticed."""
    listed = [ca for approved in trust.approved_cas for ca in approved.certificates]
    known = (issuer, *(ca.certificate for ca in listed))
    if embedded in known or any(embedded in ca.ocsp_certificates for ca in listed):
        return True
    return any(is_issued_by(embedded, c) for c in (*known, *answer.certificates))


def _signed_by(answer: OcspAnswer, responder: x509.Certificate) -> bool:
    if not isinstance(answer.hash_algorithm, _STRONG):
        return False
    key = responder.public_key()
    try:
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(answer.signature, answer.signed, padding.PKCS1v15(), answer.hash_algorithm)
        elif isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(answer.signature, answer.signed, ec.ECDSA(answer.hash_algorithm))
        else:
            return False
    except InvalidSignature:
        return False
    return True
