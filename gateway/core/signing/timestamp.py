"""Time-stamps: since when do these bytes exist, says an authority that the global configuration approves (reference 4.7, 5.2).

`verify_timestamp`, in this order:

1. The token is a token: CMS over a TSTInfo, one signer, the attributes of RFC 3161 (`tsp.py`).
2. It is about the bytes given: its imprint is their digest.
3. The signer is an approved authority: its certificate is the one the token names (issuer and serial number, or key identifier)
   and the one its signed attributes name by hash (ESSCertID; RFC 2634, RFC 5816). Certificates inside the token say nothing.
4. The signature is right over the signed attributes, and these hold the digest of the TSTInfo.
5. The certificate may stamp: extended key usage exactly timeStamping and critical (RFC 3161 2.3), valid at the time stamped.

X-Road leaves out 5, and 3 but for the names. Whether the authority's certificate was revoked is not asked: an authority is
withdrawn by taking it out of the global configuration.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography import x509

from gateway.core.digest import Digest
from gateway.core.errors import GatewayError, MalformedMessage, SignatureRejected, TimestampRejected
from gateway.core.signing import algorithms
from gateway.core.signing.certificates import der, is_time_stamper
from gateway.core.signing.timestampbatch import verify_batch_chain
from gateway.core.signing.trust import ApprovedTsa
from gateway.core.signing.tsp import TimestampToken, parse_response, parse_token, with_certificates

_GRANTED = (0, 1)
# RSA keys of 1024 bits were good until the end of 2013 (NIST SP 800-131A), and stamps of that time are in archives.
_LONGER_KEYS_SINCE = datetime(2014, 1, 1, tzinfo=UTC)
_CODE_SIGNER = "mlog.timestamp_signer_verification_failed"


@dataclass(frozen=True, slots=True)
class VerifiedTimestamp:
    """The bytes existed at `time` (UTC), says `tsa` in its token number `serial`. `imprint`: their digest. `steps`: what was
    established, a sentence each."""

    time: datetime
    serial: int
    imprint: Digest
    tsa: ApprovedTsa
    steps: tuple[str, ...]


def verify_timestamp(token: bytes, stamped: bytes, tsas: Sequence[ApprovedTsa]) -> VerifiedTimestamp:
    """What the module docstring says. `stamped`: for a single time-stamp the octets of the SignatureValue, for a batch
    `ts-hashchainresult.xml`. `tsas`: the approved authorities of all instances. TimestampRejected for everything that is wrong."""
    # 1. structure
    parsed = _parse(token)
    # 2. imprint
    if not hmac.compare_digest(parsed.imprint.algorithm.of(stamped).value, parsed.imprint.value):
        raise TimestampRejected("The time-stamp is not about these data")
    # 3. authority
    tsa = _authority(parsed, tsas)
    # 4. signature
    _verify_signature(parsed, tsa.certificate)
    # 5. purpose and validity
    _verify_purpose(tsa.certificate, parsed.time)
    return VerifiedTimestamp(
        parsed.time,
        parsed.serial,
        parsed.imprint,
        tsa,
        (
            f"Time-stamp is over the {parsed.imprint.algorithm.name} digest of what was stamped",
            f"Time-stamp was signed by approved authority '{tsa.name}' ({parsed.algorithm.name})",
            f"Time-stamp says {parsed.time.isoformat()}, serial number {parsed.serial}",
        ),
    )


def verify_batch_timestamp(
    token: bytes, result: bytes, chain: bytes, signature: bytes, tsas: Sequence[ApprovedTsa]
) -> VerifiedTimestamp:
    """`token` stamps `result` (ts-hashchainresult.xml), which follows from `chain` (ts-hashchain.xml) and the signature XML.
    TimestampRejected for everything that is wrong, the codes of hash chains below `malformed_signature`."""
    verified = verify_timestamp(token, result, tsas)
    try:
        verify_batch_chain(result, chain, signature)
    except MalformedMessage as e:
        raise TimestampRejected(e.safe_detail, code=f"malformed_signature.{e.code}") from e
    step = "Hash chain leads from the signature to what was stamped"
    return VerifiedTimestamp(verified.time, verified.serial, verified.imprint, verified.tsa, (*verified.steps, step))


def accept_response(response: bytes, stamped: bytes, tsa: ApprovedTsa) -> tuple[bytes, VerifiedTimestamp]:
    """What an authority answered to `tsp.build_query(sha512(stamped))`: the token to keep, verified. As X-Road does, the
    authority's certificate is put beside the signature (reference 6.2), so that the token alone names who signed it.

    TimestampRejected: `mlog.timestamp_non_granted_response` when it did not stamp, and as `verify_timestamp`.
    """
    try:
        answer = parse_response(response)
    except MalformedMessage as e:
        raise TimestampRejected(e.safe_detail, code="mlog.timestamp_non_granted_response") from e
    if answer.status not in _GRANTED or answer.token is None:
        raise TimestampRejected(
            f"The authority did not stamp: status {answer.status} ({answer.failure or 'no reason'})",
            code="mlog.timestamp_non_granted_response",
        )
    verify_timestamp(answer.token, stamped, (tsa,))
    token = with_certificates(answer.token, (tsa.certificate,))
    return token, verify_timestamp(token, stamped, (tsa,))


def _parse(token: bytes) -> TimestampToken:
    try:
        return parse_token(token)
    except GatewayError as e:
        raise TimestampRejected(f"Time-stamp is malformed: {e.safe_detail}") from e


def _authority(token: TimestampToken, tsas: Sequence[ApprovedTsa]) -> ApprovedTsa:
    named = [tsa for tsa in tsas if _is_named(token, tsa.certificate)]
    if not named:
        raise TimestampRejected(
            "The time-stamp is not by an approved time-stamping authority", code="mlog.tsp_certificate_not_found"
        )
    meant = token.certificate_hash
    for tsa in named:
        if hmac.compare_digest(hashlib.new(meant.algorithm, der(tsa.certificate)).digest(), meant.value):
            return tsa
    raise TimestampRejected("The time-stamp's signer meant another certificate", code=_CODE_SIGNER)


def _is_named(token: TimestampToken, certificate: x509.Certificate) -> bool:
    signer = token.signer
    if signer.key_identifier is not None:
        return signer.key_identifier in _key_identifiers(certificate)
    return (signer.issuer, signer.serial_number) == (certificate.issuer.public_bytes(), certificate.serial_number)


def _key_identifiers(certificate: x509.Certificate) -> Iterator[bytes]:
    try:
        yield certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    except x509.ExtensionNotFound:
        return


def _verify_signature(token: TimestampToken, certificate: x509.Certificate) -> None:
    if token.content_digest.algorithm.of(token.content) != token.content_digest:
        raise TimestampRejected("The time-stamp's signed attributes are about another content", code=_CODE_SIGNER)
    try:
        algorithms.verify_der(
            certificate.public_key(),
            token.algorithm,
            token.signature,
            token.signed_attributes,
            least_rsa_bits=2048 if token.time >= _LONGER_KEYS_SINCE else 1024,
        )
    except SignatureRejected as e:
        raise TimestampRejected(f"Time-stamp: {e.safe_detail}", code=_CODE_SIGNER) from e


def _verify_purpose(certificate: x509.Certificate, at: datetime) -> None:
    if not is_time_stamper(certificate):
        raise TimestampRejected("The signer's certificate is not one of a time-stamping authority", code=_CODE_SIGNER)
    if not certificate.not_valid_before_utc <= at <= certificate.not_valid_after_utc:
        raise TimestampRejected("The time-stamp was made outside its certificate's validity", code=_CODE_SIGNER)
