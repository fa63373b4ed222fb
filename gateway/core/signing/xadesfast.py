"""Received signatures: bytes -> XadesSignature, or MalformedMessage. Two readers, one value.

The *fast* reader here takes only text of exactly our own form, in which the canonical octets can be cut out. Everything else goes
to the general reader in `xadesread.py`; whatever the fast one returns, the general one would return too.
"""

from __future__ import annotations

from functools import lru_cache

from cryptography import x509

from gateway.core.digest import Digest, DigestAlgorithm
from gateway.core.errors import MalformedMessage
from gateway.core.remembering import remembered
from gateway.core.signing import xadesform as form
from gateway.core.signing.algorithms import SignatureAlgorithm
from gateway.core.signing.certificates import parse_certificate
from gateway.core.signing.strictxml import MAX_DOCUMENT, InvalidXml, attributes_of, decode_base64, parse_xml
from gateway.core.signing.xadesread import (
    Reference,
    UnsignedProperties,
    XadesSignature,
    parse_any_form,
    parse_time,
    read_unsigned,
)

HASH_CHAIN_RESULT = "/sig-hashchainresult.xml"
MESSAGE = "/message.xml"

_CUTS = tuple((piece, piece[:1]) for piece in form.PIECES[1:])
_URIS = {uri.encode(): uri for uri in (MESSAGE, HASH_CHAIN_RESULT)}
_MIME_TYPES = (b"text/xml", b"application/hash-chain-result")
_ALGORITHMS = {a.uri.encode(): a for a in SignatureAlgorithm}
_LONGEST_NAME = 4 * 1024
SIGNATURES_REMEMBERED = 64  # messages of a batch come one after the other, those of several peers mixed
LARGEST_REMEMBERED = 24 * 1024  # bytes
_OWN_IDS = frozenset(
    ("signature", "signature-value", "signature-reference-0", "signature-reference-1", "signed-properties")
)


@remembered(SIGNATURES_REMEMBERED, most_bytes=LARGEST_REMEMBERED)
def parse_signature(xml: bytes) -> XadesSignature:
    """MalformedMessage with `signature_verification.invalid_xml` (not XML as we read it) or
    `signature_verification.malformed_signature` (no signature as reference 4.2 says) otherwise."""
    return _parse_own_form(xml) or parse_any_form(xml)


def _parse_own_form(xml: bytes) -> XadesSignature | None:
    values = _cut(xml)
    if values is None:
        return None
    (
        algorithm,
        uri,
        digest,
        properties_digest,
        value,
        certificate,
        time,
        certificate_digest,
        issuer,
        serial,
        mime,
        rest,
    ) = values
    if algorithm not in _ALGORITHMS or uri not in _URIS or mime not in _MIME_TYPES:
        return None
    if len(issuer) + len(serial) > _LONGEST_NAME or not _is_plain(issuer, serial):
        return None
    start = len(form.HEAD) + len(form.SIGNED_INFO_TAG)
    signed_info = xml[start : xml.index(form.BEFORE_VALUE, start)]
    start = xml.index(form.SIGNED_PROPERTIES_TAG, start) + len(form.SIGNED_PROPERTIES_TAG)
    signed_properties = xml[start : len(xml) - len(rest)]
    try:
        unsigned = _parse_unsigned(rest)
        return XadesSignature(
            algorithm=_ALGORITHMS[algorithm],
            signed_info=form.SIGNED_INFO_APEX + signed_info,
            value=decode_base64(value),
            references=(Reference(_URIS[uri], _sha512(digest)),),
            signed_properties=form.SIGNED_PROPERTIES_APEX + signed_properties,
            signed_properties_digest=_sha512(properties_digest),
            certificate=_parse_certificate(certificate),
            certificate_digest=_sha512(certificate_digest),
            signing_time=parse_time(time.decode("ascii")),
            extra_certificates=unsigned.extra_certificates,
            ocsp=unsigned.ocsp,
            timestamps=unsigned.timestamps,
        )
    except (MalformedMessage, ValueError):
        return None  # the general reader says what is wrong


def _cut(xml: bytes) -> list[bytes] | None:
    """The values between the fixed pieces, the last being everything after them; None when a piece is not where it belongs."""
    at = len(form.PIECES[0])
    if not xml.startswith(form.PIECES[0]) or len(xml) > MAX_DOCUMENT:
        return None
    values = []
    for piece, first in _CUTS:
        end = xml.find(first, at)
        if end < 0 or not xml.startswith(piece, end):
            return None
        values.append(xml[at:end])
        at = end + len(piece)
    values.append(xml[at:])
    return values


def _sha512(text: bytes) -> Digest:
    return Digest(DigestAlgorithm.SHA512, decode_base64(text))


@lru_cache(maxsize=1024)
def _is_plain(issuer: bytes, serial: bytes) -> bool:
    """Text that is its own canonical form and legal XML: printable, nothing to escape."""
    try:
        text = issuer.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return text.isprintable() and not set(text) & set("<>&") and serial.isdigit()


@remembered(1024, most_bytes=12 * 1024)
def _parse_certificate(text: bytes) -> x509.Certificate:
    return parse_certificate(decode_base64(text))


@remembered(512, most_bytes=24 * 1024)
def _parse_unsigned(rest: bytes) -> UnsignedProperties:
    """The unsigned properties by the general reader, once for each credential of a peer. InvalidXml or MalformedMessage."""
    if not rest.startswith(form.UNSIGNED_PROPERTIES_TAG) or not rest.endswith(form.TAIL):
        raise InvalidXml("not our form")
    content = rest[len(form.UNSIGNED_PROPERTIES_TAG) : -len(form.TAIL)]
    root = parse_xml(form.UNSIGNED_PROPERTIES_APEX + content)
    if any(not _OWN_IDS.isdisjoint(attributes_of(element).values()) for element in root.iter()):
        raise InvalidXml("an Id occurs twice")
    return read_unsigned(root)
