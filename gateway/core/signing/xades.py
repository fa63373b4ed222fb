"""XAdES signatures as X-Road makes them: templates out (here), values in (`xadesfast.py`, `xadesread.py`). Reference 4.1, 4.2, 4.8.

SignedInfo and SignedProperties are written in canonical form already, so their canonical octets are known without canonicalising.
What never changes for one credential (certificate, issuer, policy, OCSP answers) is rendered once and kept.
"""

from __future__ import annotations

import hashlib
from binascii import b2a_base64
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from xml.sax.saxutils import escape

from cryptography import x509

from gateway.core.digest import Digest, DigestAlgorithm, sha512
from gateway.core.errors import MalformedMessage
from gateway.core.identifiers import MemberId
from gateway.core.remembering import remembered, remembered_by_object
from gateway.core.signing import xadesform as form
from gateway.core.signing.algorithms import SignatureAlgorithm
from gateway.core.signing.certificates import der, rfc2253
from gateway.core.signing.hashchain import HashChain, build_hash_chain, build_hash_chains
from gateway.core.signing.xadesfast import (
    HASH_CHAIN_RESULT,
    LARGEST_REMEMBERED,
    MESSAGE,
    SIGNATURES_REMEMBERED,
    parse_signature,
)
from gateway.core.signing.xadesread import Reference, XadesSignature
from gateway.core.values import quick

__all__ = [
    "HASH_CHAIN_RESULT",
    "MESSAGE",
    "Reference",
    "SignatureDraft",
    "SigningCredential",
    "XadesSignature",
    "draft_batch",
    "draft_signature",
    "parse_signature",
    "signature_digest",
]


@dataclass(frozen=True, slots=True)
class SigningCredential:
    """What a member signs with, short of the key. `intermediates`: CA certificates between it and a listed CA, never the root;
    `ocsp`: OCSPResponse DER for `certificate`, then for each intermediate. `batch`: messages that wait for this key share its next
    signature. Reuse the value: what is rendered from it is kept."""

    member: MemberId
    certificate: x509.Certificate
    algorithm: SignatureAlgorithm
    intermediates: tuple[x509.Certificate, ...]
    ocsp: tuple[bytes, ...]
    batch: bool = False


@quick
@dataclass(frozen=True, slots=True)
class SignatureDraft:
    """A signature short of its value. `signed_info`: canonical octets, to be signed; the chain documents travel beside it."""

    signed_info: bytes
    hash_chain_result: bytes | None
    hash_chain: bytes | None
    before_value: bytes
    after_value: bytes

    def complete(self, value: bytes) -> bytes:
        """The signature XML. `value`: XML-DSig signature value of `signed_info` (ECDSA: raw r‖s)."""
        return self.before_value + b2a_base64(value, newline=False) + self.after_value


@remembered(SIGNATURES_REMEMBERED, most_bytes=LARGEST_REMEMBERED)
def signature_digest(signature: bytes) -> bytes:
    """SHA-512 of a signature XML: what a time-stamp covers, and how an access record names it. Messages of a batch share it."""
    return hashlib.sha512(signature).digest()


def draft_signature(
    message: Digest, attachments: Sequence[Digest], credential: SigningCredential, now: datetime
) -> SignatureDraft:
    """A message alone is signed directly, with attachments through a hash chain (reference 4.1). All digests are SHA-512."""
    if not attachments:
        return _draft(MESSAGE, message, "text/xml", credential, now, None)
    return _draft_chained(build_hash_chain(message, attachments), credential, now)


def draft_batch(
    messages: Sequence[tuple[Digest, Sequence[Digest]]], credential: SigningCredential, now: datetime
) -> tuple[SignatureDraft, ...]:
    """One signature over several messages, each a digest and its attachments' digests (reference 4.1, batch). The drafts differ
    only in their hash chains, so one value completes them all."""
    if len(messages) == 1:
        return (draft_signature(*messages[0], credential, now),)
    chains = build_hash_chains(messages)
    first = _draft_chained(chains[0], credential, now)
    return tuple(replace(first, hash_chain=chain.chain) for chain in chains)


def _draft_chained(chain: HashChain, credential: SigningCredential, now: datetime) -> SignatureDraft:
    return _draft(HASH_CHAIN_RESULT, sha512(chain.result), "application/hash-chain-result", credential, now, chain)


def _draft(
    uri: str, covered: Digest, mime_type: str, credential: SigningCredential, now: datetime, chain: HashChain | None
) -> SignatureDraft:
    if covered.algorithm is not DigestAlgorithm.SHA512:
        raise MalformedMessage("messages are signed by their SHA-512 digest", code="unsupported_algorithm")
    frame = _frame(credential)
    time = now.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="milliseconds").encode()
    properties = b"".join(
        (form.BEFORE_TIME, time, b"Z", frame.after_time, mime_type.encode(), form.AFTER_SIGNED_PROPERTIES)
    )
    digest = hashlib.sha512(form.SIGNED_PROPERTIES_APEX + properties).digest()
    info = b"".join(
        (
            frame.before_uri,
            uri.encode(),
            form.BEFORE_DIGEST,
            b2a_base64(covered.value, newline=False),
            form.BEFORE_PROPERTIES_DIGEST,
            b2a_base64(digest, newline=False),
            form.AFTER_SIGNED_INFO,
        )
    )
    return SignatureDraft(
        signed_info=form.SIGNED_INFO_APEX + info,
        hash_chain_result=None if chain is None else chain.result,
        hash_chain=None if chain is None else chain.chain,
        before_value=b"".join((form.HEAD, form.SIGNED_INFO_TAG, info, form.BEFORE_VALUE)),
        after_value=b"".join((frame.after_value, properties, frame.tail)),
    )


@dataclass(frozen=True, slots=True)
class _Frame:
    """The constant parts of a credential's signatures."""

    before_uri: bytes
    after_value: bytes
    after_time: bytes
    tail: bytes


@remembered_by_object(256)
def _frame(credential: SigningCredential) -> _Frame:
    certificate = credential.certificate
    return _Frame(
        before_uri=b"".join((form.BEFORE_ALGORITHM, credential.algorithm.uri.encode(), form.BEFORE_URI)),
        after_value=b"".join(
            (
                form.BEFORE_CERTIFICATE,
                b2a_base64(der(certificate), newline=False),
                form.AFTER_CERTIFICATE,
                form.SIGNED_PROPERTIES_TAG,
            )
        ),
        after_time=form.BEFORE_CERTIFICATE_DIGEST + _identified(certificate) + form.BEFORE_MIME_TYPE,
        tail=b"".join(
            (form.BEFORE_UNSIGNED, _certificates(credential), _ocsp_values(credential), form.AFTER_UNSIGNED, form.TAIL)
        ),
    )


def _identified(certificate: x509.Certificate) -> bytes:
    """Digest, issuer and serial number of a certificate."""
    return b"".join(
        (
            b2a_base64(hashlib.sha512(der(certificate)).digest(), newline=False),
            form.BEFORE_ISSUER,
            escape(rfc2253(certificate.issuer), {"\r": "&#xD;"}).encode(),
            form.BEFORE_SERIAL,
            str(certificate.serial_number).encode(),
        )
    )


def _certificates(credential: SigningCredential) -> bytes:
    numbered = list(enumerate(credential.intermediates, start=1))
    if not numbered:
        return b""
    refs = (form.CERTIFICATE_REF % n + _identified(c) + form.AFTER_SERIAL for n, c in numbered)
    values = (form.CERTIFICATE_VALUE % (n, b2a_base64(der(c), newline=False)) for n, c in numbered)
    return form.CERTIFICATE_REFS % (b"".join(refs), b"".join(values))


def _ocsp_values(credential: SigningCredential) -> bytes:
    values = (
        form.OCSP_VALUE % (n, b2a_base64(response, newline=False))
        for n, response in enumerate(credential.ocsp, start=1)
    )
    return form.OCSP_VALUES % b"".join(values)
