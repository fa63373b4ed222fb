"""The one signature in a document: what it covers, with whose certificate, when. Nothing is verified here, and nothing left open.

The profile is what Vietnamese health and tax documents use: an enveloped `ds:Signature` anywhere in the document, one reference to
the document element (empty URI, or its own id) with the enveloped-signature transform and at most one canonicalisation,
further references only to properties inside the signature itself, the signer's certificate first in X509Data, and a signed
`SigningTime` among those properties (`ds:SignatureProperty` or XAdES).

Signature wrapping is refused by construction: the document element is the one delivered, there is no second signature, an id that a
reference names occurs once in the whole document, and what stands in the signature without being signed is a signature's own words
(a reader who looks for an element anywhere would find a forged one there).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import TypeAlias

from cryptography import x509
from lxml import etree

from gateway.core.digest import Digest
from gateway.core.documents.canonical import Canonicalization, read_canonicalization
from gateway.core.documents.causes import Cause, DocumentRejected
from gateway.core.errors import MalformedMessage
from gateway.core.signing.algorithms import SignatureAlgorithm
from gateway.core.signing.certificates import parse_certificate
from gateway.core.signing.strictxml import (
    DS,
    Children,
    InvalidXml,
    check_attributes,
    digest_method,
    digest_value,
    leaf_base64,
    leaf_text,
    need_attribute,
)

_ENVELOPED = "http://www.w3.org/2000/09/xmldsig#enveloped-signature"
_IDS = ("Id", "ID", "id", "{http://www.w3.org/XML/1998/namespace}id")
_OWN = (
    DS,
    "http://www.w3.org/2009/xmldsig11#",
    "http://uri.etsi.org/01903/v1.3.2#",
    "http://uri.etsi.org/01903/v1.4.1#",
)
_MOST_REFERENCES = 8
_MOST_CERTIFICATES = 8
_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,6})\d{0,6})?(Z|[+-](?:0\d|1[0-4]):[0-5]\d)?", re.ASCII)
_HERE = timezone(timedelta(hours=7))  # signing software of the country writes local time, often without saying so


@dataclass(frozen=True, slots=True)
class DocumentSignature:
    """`digested`: each reference's digest, as signed, with the octets it must be of; the document element's is the first.
    `signed_info`: canonical octets. `certificates`: the signer's, then whatever helps to build a path. `signing_time`: as
    claimed and signed, in UTC; None when none is signed."""

    algorithm: SignatureAlgorithm
    signed_info: bytes
    value: bytes
    digested: tuple[tuple[Digest, bytes], ...]
    certificates: tuple[x509.Certificate, ...]
    signing_time: datetime | None


@dataclass(frozen=True, slots=True)
class _Reference:
    uri: str
    transforms: tuple[etree._Element, ...]
    digest: Digest


def read_signature(root: etree._Element) -> DocumentSignature:
    """DocumentRejected: `unsigned`, `wrapped`, `weak` (an algorithm that no longer stands), `form` (everything else). Takes the
    signature out of the tree."""
    found = list(root.iter(_ds("Signature")))
    if not found:
        raise DocumentRejected(Cause.UNSIGNED, "The document carries no signature")
    if len(found) > 1 or found[0] is root:
        raise DocumentRejected(Cause.WRAPPED, "The document is not a document with exactly one signature in it")
    try:
        return _read(root, found[0])
    except InvalidXml as e:
        raise DocumentRejected(Cause.FORM, f"The document's signature is not of an accepted form: {e}") from e
    except MalformedMessage as e:
        cause = Cause.WEAK if e.code == "unsupported_algorithm" else Cause.FORM
        raise DocumentRejected(cause, f"The document's signature is not acceptable: {e.safe_detail}") from e


def _ds(name: str) -> str:
    return f"{{{DS}}}{name}"


def _read(root: etree._Element, signature: etree._Element) -> DocumentSignature:
    check_attributes(signature, ("Id",))
    parts = Children(signature)
    info = parts.one(_ds("SignedInfo"))
    value = parts.one(_ds("SignatureValue"))
    check_attributes(value, ("Id",))
    key_info = parts.one(_ds("KeyInfo"))
    objects = parts.many(_ds("Object"), _MOST_REFERENCES)
    parts.end()
    canonicalization, algorithm, references = _read_signed_info(info)
    named = _by_id(root)
    whole, *inner = _document_first(references, root, named)
    targets = [_inside(r.uri, named, (key_info, *objects)) for r in inner]
    _refuse_unsigned((key_info, *objects), targets)
    signing_time = _signing_time(targets)
    certificates = _read_key_info(key_info)
    signed_info = canonicalization.of(info)
    of_parts = tuple((r.digest, _octets(r, target)) for r, target in zip(inner, targets, strict=True))
    _take_out(signature)  # what the enveloped-signature transform does; everything above is read by now
    return DocumentSignature(
        algorithm=algorithm,
        signed_info=signed_info,
        value=leaf_base64(value),
        digested=((whole.digest, _octets_of_document(whole, root)), *of_parts),
        certificates=certificates,
        signing_time=signing_time,
    )


def _read_signed_info(element: etree._Element) -> tuple[Canonicalization, SignatureAlgorithm, list[_Reference]]:
    check_attributes(element, ("Id",))
    children = Children(element)
    canonicalization = read_canonicalization(children.one(_ds("CanonicalizationMethod")))
    method = children.one(_ds("SignatureMethod"))
    Children(method).end()
    algorithm = SignatureAlgorithm.from_uri(need_attribute(method, "Algorithm"))
    references = [_read_reference(r) for r in children.many(_ds("Reference"), _MOST_REFERENCES)]
    children.end()
    return canonicalization, algorithm, references


def _read_reference(element: etree._Element) -> _Reference:
    uri = need_attribute(element, "URI", ("Id", "Type"))
    children = Children(element)
    transforms = children.maybe(_ds("Transforms"))
    algorithm = digest_method(children.one(_ds("DigestMethod")))
    digest = digest_value(children.one(_ds("DigestValue")), algorithm)
    children.end()
    if transforms is None:
        return _Reference(uri, (), digest)
    check_attributes(transforms)
    listed = Children(transforms)
    found = listed.many(_ds("Transform"), 2)
    listed.end()
    return _Reference(uri, tuple(found), digest)


_Named: TypeAlias = Mapping[str, list[etree._Element]]


def _by_id(root: etree._Element) -> _Named:
    """Every element that an attribute gives an id, whatever its spelling: which one is an id, only a DTD could say."""
    found: dict[str, list[etree._Element]] = {}
    for element in root.iter():
        for name in {element.get(attribute) for attribute in _IDS} - {None}:
            found.setdefault(str(name), []).append(element)
    return found


def _document_first(references: list[_Reference], root: etree._Element, named: _Named) -> list[_Reference]:
    """The one reference to the document element before the others."""
    own = {f"#{root.get(name)}" for name in _IDS if root.get(name) is not None} | {""}
    whole = [r for r in references if r.uri in own]
    if len(whole) != 1:
        raise DocumentRejected(Cause.WRAPPED, "The signature does not cover the document that was sent, exactly once")
    if whole[0].uri:
        _only_with_id(named, whole[0].uri[1:])
    return [whole[0], *(r for r in references if r is not whole[0])]


def _inside(uri: str, named: _Named, places: tuple[etree._Element, ...]) -> etree._Element:
    """The element that a further reference names: part of the signature itself, never of the document."""
    if not uri.startswith("#"):
        raise DocumentRejected(Cause.WRAPPED, "The signature refers to something outside the document")
    target = _only_with_id(named, uri[1:])
    if not any(place is target or place in target.iterancestors() for place in places):
        raise DocumentRejected(Cause.WRAPPED, "The signature covers a part of the document on its own")
    return target


def _refuse_unsigned(places: tuple[etree._Element, ...], signed: list[etree._Element]) -> None:
    """A signing time that is not signed is a fault of its own, and no danger."""
    rest = list(places)
    while rest:
        element = rest.pop()
        if any(element is target for target in signed):
            continue
        name = etree.QName(element)
        if name.namespace not in _OWN and not (name.localname == "SigningTime" and len(element) == 0):
            raise DocumentRejected(Cause.WRAPPED, "Something stands in the signature without being signed")
        rest += element


def _only_with_id(named: _Named, name: str) -> etree._Element:
    found = named.get(name, [])
    if len(found) != 1:
        raise DocumentRejected(Cause.WRAPPED, "An id that the signature refers to does not occur exactly once")
    return found[0]


def _octets(reference: _Reference, target: etree._Element) -> bytes:
    if len(reference.transforms) > 1:
        raise InvalidXml("too many transforms")
    return _canonicalization(reference.transforms).of(target)


def _octets_of_document(reference: _Reference, root: etree._Element) -> bytes:
    first, rest = reference.transforms[:1], reference.transforms[1:]
    if not first or need_attribute(first[0], "Algorithm") != _ENVELOPED:
        raise InvalidXml("the first transform is not the enveloped signature")
    Children(first[0]).end()
    return _canonicalization(rest).of(root)


def _canonicalization(transforms: tuple[etree._Element, ...]) -> Canonicalization:
    return read_canonicalization(transforms[0]) if transforms else Canonicalization()


def _take_out(signature: etree._Element) -> None:
    """The text behind an element goes with it in lxml, and belongs to the document."""
    parent, before, tail = signature.getparent(), signature.getprevious(), signature.tail or ""
    assert parent is not None  # the signature is not the document element
    if before is None:
        parent.text = (parent.text or "") + tail
    else:
        before.tail = (before.tail or "") + tail
    parent.remove(signature)


def _read_key_info(element: etree._Element) -> tuple[x509.Certificate, ...]:
    """A bare key beside the certificate is tolerated and never used: nobody vouches for it."""
    check_attributes(element, ("Id",))
    data = [child for child in element if child.tag == _ds("X509Data")]
    if len(data) != 1 or any(child.tag not in (_ds("X509Data"), _ds("KeyValue")) for child in element):
        raise InvalidXml("not exactly one X509Data")
    found = [parse_certificate(leaf_base64(e)) for e in data[0].findall(_ds("X509Certificate"))]
    if not 1 <= len(found) <= _MOST_CERTIFICATES:
        raise InvalidXml("no certificate, or too many")
    return tuple(found)


def _signing_time(targets: list[etree._Element]) -> datetime | None:
    found = {id(e): e for target in targets for e in _named(target, "SigningTime")}
    if len(found) > 1:
        raise InvalidXml("several signing times")
    return next((_parse_time(leaf_text(e)) for e in found.values()), None)


def _named(target: etree._Element, name: str) -> Iterator[etree._Element]:
    return (e for e in target.iter() if etree.QName(e).localname == name)


def _parse_time(text: str) -> datetime:
    match = _TIME.fullmatch(text.strip())
    if match is None:
        raise InvalidXml("SigningTime is no time")
    seconds, fraction, zone = match.groups()
    try:
        time = datetime.fromisoformat(f"{seconds}.{(fraction or '').ljust(6, '0')}{zone or ''}")
        return (time if zone else time.replace(tzinfo=_HERE)).astimezone(UTC)
    except (ValueError, OverflowError) as e:
        raise InvalidXml("SigningTime is no time") from e
