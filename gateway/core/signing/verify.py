"""Verification, in the order of reference 4.4. One function per identity: a message's signer, a TLS peer.

`verify_message` establishes that `signer`'s member said exactly the parts that were received:

1. The signature is a signature: strict XML, one ds:Signature, one set of signed properties, no transforms (`xadesread.py`).
2. Every received part is covered. With a hash chain: the signature covers the chain's result, and the chain computes to it from
   exactly these parts. Without: the signature covers the message and each attachment directly. Nothing else is covered, and no
   chain is there that the signature does not cover. (X-Road leaves this open: reference 4.4, gap.)
3. The certificate beside the signature is a signing certificate, and the one that the signed properties name by digest.
4. It belongs to the member who is to be the signer, read by the profile of the CA that issued it; that CA is listed in the
   signer's instance, and not for authentication only.
5. The signature value is right over SignedInfo, and the digest of every reference is that of what was received.
6. The certificate's path, validity and OCSP status are good at the moment, and no later answer that we asked for ourselves says
   that it is revoked (`revoked.py`).

Steps 4 and 6 are remembered (`SignerVerdicts`) as long as the OCSP answer stays fresh. 2 and 3 are done for every message, and of 5
what looks at the parts. What the bytes of a signature decide alone (1 and the rest of 5) is done once for the messages of a batch
that come close together; a failure is never remembered.
Codes are those of reference 10 below `signature_verification`.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import TypeAlias

from cryptography import x509

from gateway.core.digest import Digest
from gateway.core.errors import (
    AuthenticationFailed,
    CertificateStatusUnknown,
    GatewayError,
    MalformedMessage,
    PeerRejected,
    SignatureRejected,
)
from gateway.core.identifiers import ClientId, MemberId
from gateway.core.remembering import remembered
from gateway.core.signing import algorithms
from gateway.core.signing.certificates import (
    der,
    digest_of,
    find_issuer,
    is_authentication_certificate,
    is_signing_certificate,
    parse_certificate,
    rfc2253,
    signing_member,
    verify_chain,
)
from gateway.core.signing.hashchain import part_names, verify_hash_chain
from gateway.core.signing.ocsp import FUTURE_TOLERANCE, OcspVerdict, known_by, select, verify_ocsp
from gateway.core.signing.revoked import RevokedCertificates
from gateway.core.signing.trust import CaCertificate, InstanceTrust
from gateway.core.signing.xades import HASH_CHAIN_RESULT, XadesSignature, parse_signature
from gateway.core.signing.xadesfast import LARGEST_REMEMBERED, SIGNATURES_REMEMBERED
from gateway.core.values import quick

_MAX_CHAIN = 8


@quick
@dataclass(frozen=True, slots=True)
class MessageDigests:
    """SHA-512 of the message part and of each attachment (a REST body is the only attachment), as received."""

    message: Digest
    attachments: tuple[Digest, ...] = ()

    def by_name(self) -> dict[str, Digest]:
        """Under the names that signatures use: `/message.xml`, `/attachment1`, ..."""
        return dict(zip(part_names(len(self.attachments)), (self.message, *self.attachments), strict=True))


@quick
@dataclass(frozen=True, slots=True)
class VerifiedSignature:
    """`member` said it. `signing_time` is the signer's claim; `valid_until`: when the signer's OCSP answer stops being fresh.
    `steps`: what was established, a sentence each."""

    member: MemberId
    certificate: x509.Certificate
    signing_time: datetime
    valid_until: datetime
    steps: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class VerifiedServer:
    """An authentication certificate that is good until `valid_until`. Whose it is, the registration says, not its subject."""

    certificate: x509.Certificate
    valid_until: datetime


@dataclass(frozen=True, slots=True)
class SignerVerdict:
    """Steps 4 and 6 for one certificate with its OCSP answers; holds from `valid_from` to `valid_until`, both included."""

    member: MemberId
    valid_from: datetime
    valid_until: datetime
    steps: tuple[str, ...]


VerdictKey: TypeAlias = tuple[bytes, tuple[bytes, ...], str, bytes]


class SignerVerdicts:
    """Remembers verdicts by (certificate, OCSP answers, trust). Bounded in number; none outlives its OCSP answer. `revoked`: whose
    certificates are refused whatever the answers beside them say."""

    def __init__(self, most: int = 4096, revoked: RevokedCertificates | None = None) -> None:
        self._most = most
        self.revoked = RevokedCertificates() if revoked is None else revoked
        self._known: OrderedDict[VerdictKey, SignerVerdict] = OrderedDict()
        self.hits = 0
        self.misses = 0

    @property
    def size(self) -> int:
        return len(self._known)

    def certificates(self) -> set[tuple[str, bytes]]:
        """Instance and DER of every certificate there is a verdict on."""
        return {(instance, certificate) for certificate, _, instance, _ in self._known}

    def get(self, key: VerdictKey, at: datetime) -> SignerVerdict | None:
        verdict = self._known.get(key)
        if verdict is None or not verdict.valid_from <= at <= verdict.valid_until:
            self.misses += 1
            return None
        self.hits += 1
        self._known.move_to_end(key)
        return verdict

    def put(self, key: VerdictKey, verdict: SignerVerdict) -> None:
        self._known[key] = verdict
        self._known.move_to_end(key)
        while len(self._known) > self._most:
            self._known.popitem(last=False)


def verify_message(
    digests: MessageDigests,
    *,
    signature: bytes,
    hash_chain_result: bytes | None,
    hash_chain: bytes | None,
    signer: ClientId,
    trust: InstanceTrust,
    at: datetime,
    verdicts: SignerVerdicts,
) -> VerifiedSignature:
    """What the module docstring says. `trust`: of the signer's instance. MalformedMessage (not XML, no signature),
    CertificateStatusUnknown (OCSP) or SignatureRejected (everything else), codes below `signature_verification`."""
    return verify_parts(
        digests.by_name(),
        signature=signature,
        hash_chain_result=hash_chain_result,
        hash_chain=hash_chain,
        signer=signer,
        trust=trust,
        at=at,
        verdicts=verdicts,
    )


def verify_parts(
    parts: Mapping[str, Digest],
    *,
    signature: bytes,
    hash_chain_result: bytes | None,
    hash_chain: bytes | None,
    signer: ClientId,
    trust: InstanceTrust,
    at: datetime,
    verdicts: SignerVerdicts,
) -> VerifiedSignature:
    """`verify_message` of parts under any names, as containers may hold them. Errors as there."""
    # 1. structure
    xades = parse_signature(signature)
    # 2. coverage
    covered = _verify_coverage(xades, parts, hash_chain_result, hash_chain)
    # 3. kind of certificate
    _verify_certificate_kind(xades)
    # 4. member
    key = (der(xades.certificate), known_by(xades.ocsp), trust.instance, trust.fingerprint)
    verdict = verdicts.get(key, at)
    member = _signing_member(xades.certificate, trust, at) if verdict is None else verdict.member
    if member != signer.member:
        raise _rejected("The certificate of the signature belongs to another member", "incorrect_certificate")
    # 5. signature value and references
    _verify_references(xades, covered)
    _verify_value(signature)
    # 6. path, validity, OCSP
    if verdict is None:
        verdict = _verify_status(xades, member, trust, at)
        verdicts.put(key, verdict)
    if key[0] in verdicts.revoked:
        raise _unacceptable_status(CertificateStatusUnknown("OCSP says by now that the certificate is revoked"))
    return VerifiedSignature(
        member,
        xades.certificate,
        xades.signing_time,
        verdict.valid_until,
        (
            _covered_step(len(parts) - 1, hash_chain is not None),
            _value_step(xades.algorithm),
            *verdict.steps,
        ),
    )


def _rejected(what: str, code: str) -> SignatureRejected:
    return SignatureRejected(what, code=f"signature_verification.{code}")


def _unacceptable_status(error: CertificateStatusUnknown) -> CertificateStatusUnknown:
    return CertificateStatusUnknown(error.safe_detail, code=f"signature_verification.invalid_cert_path.{error.code}")


def _malformed(what: str) -> SignatureRejected:
    return _rejected(what, "malformed_signature")


def _verify_coverage(
    xades: XadesSignature, parts: Mapping[str, Digest], hash_chain_result: bytes | None, hash_chain: bytes | None
) -> Mapping[str, bytes | Digest]:
    """What each reference must be the digest of: exactly the parts, or exactly the result of their hash chain."""
    if (hash_chain_result is None) != (hash_chain is None):
        raise _malformed("The hash chain is incomplete")
    expected: Mapping[str, bytes | Digest] = parts
    if hash_chain_result is not None and hash_chain is not None:
        expected = {HASH_CHAIN_RESULT: hash_chain_result}
    referenced = {r.uri for r in xades.references}
    if referenced != expected.keys():  # uncovered parts would be anybody's words (reference 4.4, gap)
        raise _malformed("The signature does not cover exactly the parts of the message")
    if hash_chain_result is not None and hash_chain is not None:
        try:
            verify_hash_chain(hash_chain_result, hash_chain, parts)
        except MalformedMessage as e:
            raise _rejected(e.safe_detail, f"malformed_signature.{e.code}") from e
    return expected


def _verify_certificate_kind(xades: XadesSignature) -> None:
    if not is_signing_certificate(xades.certificate):
        raise _malformed("The certificate of the signature is not a signing certificate")
    if digest_of(xades.certificate, xades.certificate_digest.algorithm) != xades.certificate_digest:
        raise _malformed("The certificate of the signature is not the one that was signed with it")


def _signing_member(certificate: x509.Certificate, trust: InstanceTrust, at: datetime) -> MemberId:
    try:
        approved, _ = find_issuer(certificate, trust, at)
        member = signing_member(certificate, profile=approved.profile, instance=trust.instance)
    except (AuthenticationFailed, MalformedMessage) as e:
        raise _rejected(e.safe_detail, e.code) from e
    if approved.authentication_only:
        raise _rejected(
            "The certification authority may issue authentication certificates only", "incorrect_certificate"
        )
    return member


def _verify_references(xades: XadesSignature, covered: Mapping[str, bytes | Digest]) -> None:
    for reference in xades.references:
        what = covered[reference.uri]
        digest = what if isinstance(what, Digest) else reference.digest.algorithm.of(what)
        if digest != reference.digest:
            raise SignatureRejected("Signature is not valid: a digest does not match")


@remembered(SIGNATURES_REMEMBERED, most_bytes=LARGEST_REMEMBERED)
def _verify_value(signature: bytes) -> None:
    """What is the same for every message under this signature: the signer's word for the signed properties and for SignedInfo."""
    xades = parse_signature(signature)
    if xades.signed_properties_digest.algorithm.of(xades.signed_properties) != xades.signed_properties_digest:
        raise SignatureRejected("Signature is not valid: the digest of the signed properties does not match")
    algorithms.verify(xades.certificate.public_key(), xades.algorithm, xades.value, xades.signed_info)


def _verify_status(xades: XadesSignature, member: MemberId, trust: InstanceTrust, at: datetime) -> SignerVerdict:
    """The issuer must itself be listed, so the path is the certificate and that CA; encapsulated certificates cannot add to it."""
    certificate = xades.certificate
    try:
        path = verify_chain(certificate, (), trust, at)
        approved, ca = find_issuer(certificate, trust, at)
        status = _verify_listed(certificate, ca, xades.ocsp, trust, at)
    except CertificateStatusUnknown as e:
        raise _unacceptable_status(e) from e
    except (AuthenticationFailed, MalformedMessage) as e:
        raise _rejected(
            e.safe_detail, e.code if e.code.startswith(_PATH_CODES) else f"invalid_cert_path.{e.code}"
        ) from e
    not_before = max(c.not_valid_before_utc for c in path)
    return SignerVerdict(
        member,
        max(not_before, status.this_update - FUTURE_TOLERANCE),
        min(status.valid_until, *(c.not_valid_after_utc for c in path)),
        (
            f"Signing certificate belongs to member {member}",
            f"Signing certificate was issued by approved certification service '{approved.name}' ({rfc2253(certificate.issuer)})",
            f"OCSP says good as of {status.this_update.isoformat()}",
        ),
    )


_PATH_CODES = ("invalid_cert_path", "cannot_create_cert_path")


def _verify_listed(
    certificate: x509.Certificate, ca: CaCertificate, ocsp: Sequence[bytes], trust: InstanceTrust, at: datetime
) -> OcspVerdict:
    response = select(ocsp, certificate, ca.certificate)
    return verify_ocsp(response, certificate, ca.certificate, ca, trust, at)


@lru_cache(maxsize=64)
def _value_step(algorithm: algorithms.SignatureAlgorithm) -> str:
    return f"Signature value verifies ({algorithm.name})"


@lru_cache(maxsize=64)
def _covered_step(attachments: int, chained: bool) -> str:
    how = "through a hash chain" if chained else "directly"
    return f"Signature covers the message and all {attachments} attachments {how}"


def verify_auth_certificate(
    chain: Sequence[bytes], ocsp: Sequence[bytes], trust: InstanceTrust, at: datetime
) -> VerifiedServer:
    """The certificates that a TLS peer showed (DER, leaf first), with OCSP answers for each of them (reference 3.3).

    Establishes: the leaf is an authentication certificate; each certificate has a path to a listed CA, is valid and good by an
    OCSP answer. PeerRejected or CertificateStatusUnknown, both with code `ssl_authentication_failed`, the reason in the detail.
    Whether the leaf is registered for a security server is the caller's question.
    """
    try:
        return _verify_auth_certificate(chain, ocsp, trust, at)
    except CertificateStatusUnknown as e:
        raise CertificateStatusUnknown(_peer_detail(e), code=PeerRejected.default_code) from e
    except (AuthenticationFailed, MalformedMessage) as e:
        raise PeerRejected(_peer_detail(e)) from e


def _peer_detail(error: GatewayError) -> str:
    return f"The peer's authentication certificate is not acceptable: {error.safe_detail}"


def _verify_auth_certificate(
    chain: Sequence[bytes], ocsp: Sequence[bytes], trust: InstanceTrust, at: datetime
) -> VerifiedServer:
    if not 1 <= len(chain) <= _MAX_CHAIN:
        raise PeerRejected("no certificates, or too many")
    certificates = [parse_certificate(c) for c in chain]
    leaf, *additional = certificates
    if not is_authentication_certificate(leaf):
        raise PeerRejected("it is not an authentication certificate")
    until = [
        moment for certificate in certificates for moment in _verify_link(certificate, additional, ocsp, trust, at)
    ]
    return VerifiedServer(leaf, min(until))


def _verify_link(
    certificate: x509.Certificate,
    additional: Sequence[x509.Certificate],
    ocsp: Sequence[bytes],
    trust: InstanceTrust,
    at: datetime,
) -> tuple[datetime, ...]:
    """The ends of all validities that `certificate` depends on."""
    path = verify_chain(certificate, additional, trust, at)
    ca = find_issuer(certificate, trust, at)[1] if len(path) == 2 else CaCertificate(path[1])
    status = _verify_listed(certificate, ca, ocsp, trust, at)
    return (status.valid_until, *(c.not_valid_after_utc for c in path))
