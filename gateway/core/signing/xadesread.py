"""The general reader of received signatures. Nothing is verified here, but nothing is left open either.

It parses with lxml and canonicalises in document context; it takes what X-Road 7 writes and the X-Road 8 form (root
`ds:Signature`, exclusive canonicalisation, SigningCertificateV2). Refused: what `strictxml` refuses; transforms other than
canonicalisation of SignedProperties; a reference to SignedProperties that is not *the* SignedProperties (signature wrapping);
anything unexpected. `xadesfast.py` reads our own form without all this, and falls back to here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography import x509
from lxml import etree

from gateway.core.digest import Digest
from gateway.core.errors import MalformedMessage
from gateway.core.signing.algorithms import SignatureAlgorithm
from gateway.core.signing.certificates import der, parse_certificate
from gateway.core.signing.strictxml import (
    DS,
    Children,
    InvalidXml,
    NotWellFormed,
    attributes_of,
    check_attributes,
    digest_method,
    digest_value,
    leaf_base64,
    leaf_text,
    need_attribute,
    only_child,
    parse_xml,
)
from gateway.core.values import quick

_XADES = "http://uri.etsi.org/01903/v1.3.2#"
_ROOTS = tuple(f"{{http://uri.etsi.org/02918/v1.{n}.1#}}XAdESSignatures" for n in (2, 1))
_SIGNED_PROPERTIES_TYPE = "http://uri.etsi.org/01903#SignedProperties"
_EXCLUSIVE = {
    "http://www.w3.org/TR/2001/REC-xml-c14n-20010315": False,
    "http://www.w3.org/2001/10/xml-exc-c14n#": True,
}
_MAX_REFERENCES = 256
_MAX_VALUES = 16
_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,6})\d{0,6})?(Z|[+-](?:0\d|1[0-4]):[0-5]\d)", re.ASCII)


@quick
@dataclass(frozen=True, slots=True)
class Reference:
    """What a signature covers: a file of the message, e.g. `/message.xml`."""

    uri: str
    digest: Digest


@quick
@dataclass(frozen=True, slots=True)
class XadesSignature:
    """`signed_info`, `signed_properties`: canonical octets. `signed_properties_digest`: what SignedInfo says about the latter.
    `certificate_digest`: what SignedProperties say about `certificate`. `signing_time`: as claimed by the signer, in UTC.
    `ocsp`, `timestamps`: DER as encapsulated, unverified and unsigned."""

    algorithm: SignatureAlgorithm
    signed_info: bytes
    value: bytes
    references: tuple[Reference, ...]
    signed_properties: bytes
    signed_properties_digest: Digest
    certificate: x509.Certificate
    certificate_digest: Digest
    signing_time: datetime
    extra_certificates: tuple[x509.Certificate, ...]
    ocsp: tuple[bytes, ...]
    timestamps: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class UnsignedProperties:
    extra_certificates: tuple[x509.Certificate, ...] = ()
    ocsp: tuple[bytes, ...] = ()
    timestamps: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class _SignedInfo:
    octets: bytes
    algorithm: SignatureAlgorithm
    references: tuple[Reference, ...]
    properties_id: str
    properties_digest: Digest
    properties_exclusive: bool


def parse_any_form(xml: bytes) -> XadesSignature:
    """MalformedMessage with `signature_verification.invalid_xml` (not XML as we read it) or
    `signature_verification.malformed_signature` (no signature as reference 4.2 says) otherwise."""
    try:
        return _read(parse_xml(xml))
    except NotWellFormed as e:
        raise MalformedMessage(f"Signature is {e}", code="signature_verification.invalid_xml") from e
    except (InvalidXml, MalformedMessage) as e:
        raise MalformedMessage(
            f"Signature is malformed: {e.safe_detail if isinstance(e, MalformedMessage) else e}",
            code="signature_verification.malformed_signature",
        ) from e


def _read(root: etree._Element) -> XadesSignature:
    if root.tag in _ROOTS:
        check_attributes(root)
        root = only_child(root, _ds("Signature"))
    if root.tag != _ds("Signature"):
        raise InvalidXml("no ds:Signature")
    name = need_attribute(root, "Id")
    parts = Children(root)
    info = _read_signed_info(parts.one(_ds("SignedInfo")))
    value = parts.one(_ds("SignatureValue"))
    if check_attributes(value, ("Id",)).get("Id") not in (None, "signature-value", f"value-{name}"):
        raise InvalidXml("an unknown Id")
    certificate = _read_key_info(parts.one(_ds("KeyInfo")))
    qualifying = _bare(only_child(_bare(parts.one(_ds("Object"))), _xades("QualifyingProperties")), "Target")
    parts.end()
    if need_attribute(qualifying, "Target") != f"#{name}":
        raise InvalidXml("the properties are about another signature")
    properties = Children(qualifying)
    signed = properties.one(_xades("SignedProperties"))
    unsigned = properties.maybe(_xades("UnsignedProperties"))
    properties.end()
    if need_attribute(signed, "Id") != info.properties_id:
        raise InvalidXml("the signed properties are not those that are referenced")
    signing_time, certificate_digest = _read_signed_properties(signed)
    extras = UnsignedProperties() if unsigned is None else read_unsigned(unsigned)
    return XadesSignature(
        algorithm=info.algorithm,
        signed_info=info.octets,
        value=leaf_base64(value),
        references=info.references,
        signed_properties=_canonical(signed, exclusive=info.properties_exclusive),
        signed_properties_digest=info.properties_digest,
        certificate=certificate,
        certificate_digest=certificate_digest,
        signing_time=signing_time,
        extra_certificates=extras.extra_certificates,
        ocsp=extras.ocsp,
        timestamps=extras.timestamps,
    )


def _ds(name: str) -> str:
    return f"{{{DS}}}{name}"


def _xades(name: str) -> str:
    return f"{{{_XADES}}}{name}"


def _bare(element: etree._Element, *allowed: str) -> etree._Element:
    check_attributes(element, allowed)
    return element


def _canonical(element: etree._Element, *, exclusive: bool) -> bytes:
    """Canonical XML 1.0 of a subtree in document context, without comments: of the bytes received, never of a rebuilt tree."""
    try:
        return etree.tostring(element, method="c14n", exclusive=exclusive, with_comments=False)
    except etree.C14NError as e:  # a namespace that is no absolute URI
        raise InvalidXml("no canonical form") from e


def _read_signed_info(element: etree._Element) -> _SignedInfo:
    check_attributes(element, ("Id",))
    children = Children(element)
    exclusive = _canonicalisation(children.one(_ds("CanonicalizationMethod")))
    method = children.one(_ds("SignatureMethod"))
    Children(method).end()
    algorithm = SignatureAlgorithm.from_uri(need_attribute(method, "Algorithm"))
    found = [_read_reference(r) for r in children.many(_ds("Reference"), _MAX_REFERENCES)]
    children.end()
    references = tuple(Reference(uri, digest) for uri, digest, kind, _ in found if kind is None)
    signed = [(uri, digest, c14n) for uri, digest, kind, c14n in found if kind is not None]
    if len(signed) != 1:
        raise InvalidXml("not exactly one reference to signed properties")
    if len({r.uri for r in references}) != len(references):
        raise InvalidXml("something is referenced twice")
    uri, digest, properties_exclusive = signed[0]
    return _SignedInfo(
        _canonical(element, exclusive=exclusive), algorithm, references, uri[1:], digest, properties_exclusive
    )


def _canonicalisation(element: etree._Element) -> bool:
    """Whether it is the exclusive one."""
    Children(element).end()
    uri = need_attribute(element, "Algorithm")
    if uri not in _EXCLUSIVE:
        raise InvalidXml("an unknown canonicalisation")
    return _EXCLUSIVE[uri]


def _read_reference(element: etree._Element) -> tuple[str, Digest, str | None, bool]:
    """(URI, digest, Type if it is the signed properties, exclusive canonicalisation)"""
    uri = need_attribute(element, "URI", ("Id", "Type"))
    kind = attributes_of(element).get("Type")
    children = Children(element)
    transforms = children.maybe(_ds("Transforms"))
    algorithm = digest_method(children.one(_ds("DigestMethod")))
    digest = digest_value(children.one(_ds("DigestValue")), algorithm)
    children.end()
    if kind not in (None, _SIGNED_PROPERTIES_TYPE) or not uri.startswith("/" if kind is None else "#"):
        raise InvalidXml("a reference to something else")
    if transforms is None:
        return uri, digest, kind, False
    if (
        kind is None
    ):  # external data are hashed as they are: a transform would run code of the sender's choice over them
        raise InvalidXml("a transform")
    return uri, digest, kind, _canonicalisation(only_child(_bare(transforms), _ds("Transform")))


def _read_key_info(element: etree._Element) -> x509.Certificate:
    data = only_child(_bare(element), _ds("X509Data"))
    return parse_certificate(leaf_base64(_bare(only_child(_bare(data), _ds("X509Certificate")))))


def _read_signed_properties(element: etree._Element) -> tuple[datetime, Digest]:
    """(SigningTime, digest of the signing certificate). The rest is covered by the signature and says nothing we act on."""
    properties = {}
    children = Children(Children(element).one(_xades("SignedSignatureProperties")))
    while (child := children.any()) is not None:
        if child.tag in properties:
            raise InvalidXml("a signed property occurs twice")
        properties[child.tag] = child
    time = properties.get(_xades("SigningTime"))
    named = [properties[t] for t in (_xades("SigningCertificate"), _xades("SigningCertificateV2")) if t in properties]
    if time is None or len(named) != 1:
        raise InvalidXml("the signed properties do not name time and certificate")
    return parse_time(leaf_text(time)), _certificate_digest(Children(named[0]).one(_xades("Cert")))


def _certificate_digest(element: etree._Element) -> Digest:
    children = Children(Children(element).one(_xades("CertDigest")))
    algorithm = digest_method(children.one(_ds("DigestMethod")))
    digest = digest_value(children.one(_ds("DigestValue")), algorithm)
    children.end()
    return digest


def parse_time(text: str) -> datetime:
    match = _TIME.fullmatch(text)
    if match is None:
        raise InvalidXml("SigningTime is no time with a time zone")
    seconds, fraction, zone = match.groups()
    try:
        return datetime.fromisoformat(f"{seconds}.{(fraction or '').ljust(6, '0')}{zone}").astimezone(UTC)
    except (ValueError, OverflowError) as e:
        raise InvalidXml("SigningTime is no time") from e


def read_unsigned(element: etree._Element) -> UnsignedProperties:
    """Evidence beside the signature. What is of no use to us is refused: nobody signed it."""
    certificates: tuple[x509.Certificate, ...] = ()
    references: list[etree._Element] | None = None
    ocsp: tuple[bytes, ...] = ()
    timestamps: list[bytes] = []
    encapsulated: list[etree._Element] = []
    properties = Children(only_child(_bare(element), _xades("UnsignedSignatureProperties")))
    while (child := properties.any()) is not None:
        if child.tag == _xades("SignatureTimeStamp"):
            timestamps.append(_read_timestamp(child))
        elif child.tag == _xades("CompleteCertificateRefs") and references is None:
            references = _read_certificate_refs(child)
        elif child.tag == _xades("CertificateValues") and not encapsulated:
            encapsulated = _items(_bare(child), "EncapsulatedX509Certificate")
            certificates = tuple(parse_certificate(leaf_base64(_bare(c, "Id"))) for c in encapsulated)
        elif child.tag == _xades("RevocationValues") and not ocsp:
            ocsp = _read_ocsp_values(child)
        else:
            raise InvalidXml("an unexpected unsigned property")
    if references is not None:
        _check_certificate_refs(references, encapsulated, certificates)
    return UnsignedProperties(certificates, ocsp, tuple(timestamps))


def _items(element: etree._Element, name: str) -> list[etree._Element]:
    children = Children(element)
    found = children.many(_xades(name), _MAX_VALUES)
    children.end()
    if not found:
        raise InvalidXml(f"no {name}")
    return found


def _read_timestamp(element: etree._Element) -> bytes:
    children = Children(_bare(element, "Id"))
    method = children.maybe(_ds("CanonicalizationMethod"))
    if method is not None:
        _canonicalisation(method)
    token = leaf_base64(_bare(children.one(_xades("EncapsulatedTimeStamp")), "Id", "Encoding"))
    children.end()
    return token


def _read_certificate_refs(element: etree._Element) -> list[etree._Element]:
    if check_attributes(element, ("Id",)).get("Id") not in (None, "complete-certificate-refs"):
        raise InvalidXml("an unknown Id")
    return _items(_bare(only_child(element, _xades("CertRefs"))), "Cert")


def _check_certificate_refs(
    references: list[etree._Element], encapsulated: list[etree._Element], certificates: tuple[x509.Certificate, ...]
) -> None:
    """Each reference names one encapsulated certificate by Id and digest, and none is left over (reference 4.4 step 7)."""
    by_id = {attributes_of(e).get("Id"): c for e, c in zip(encapsulated, certificates, strict=True)}
    for reference in references:
        certificate = by_id.pop(need_attribute(reference, "URI").removeprefix("#"), None)
        digest = _certificate_digest(reference)
        if certificate is None or digest.algorithm.of(der(certificate)) != digest:
            raise InvalidXml("a certificate is missing or not the one referenced")
    if by_id:
        raise InvalidXml("a certificate is not referenced")


def _read_ocsp_values(element: etree._Element) -> tuple[bytes, ...]:
    values = _items(_bare(only_child(_bare(element), _xades("OCSPValues"))), "EncapsulatedOCSPValue")
    for number, value in enumerate(values, start=1):
        if check_attributes(value, ("Id",)).get("Id") not in (None, f"ocsp-response-{number}"):
            raise InvalidXml("an unknown Id")
    return tuple(leaf_base64(v) for v in values)
