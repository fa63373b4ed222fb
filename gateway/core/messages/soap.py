"""SOAP messages made by others, as far as their signatures need to be checked (reference 3.11).

Rule: the bytes are parsed, never printed again. DOCTYPE is refused before anything in it could have an effect; a header
element that stands twice is refused, because two readers would take different ones.
"""

from __future__ import annotations

import binascii
import re
from dataclasses import dataclass
from typing import Any

from lxml import etree

from gateway.core.digest import DigestAlgorithm
from gateway.core.errors import MalformedMessage
from gateway.core.identifiers import (
    ClientId,
    MemberId,
    SecurityServerId,
    ServiceId,
    SubsystemId,
    check_piece,
)
from gateway.core.xmlparser import NotXml, parse_tree

SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
XROAD = "http://x-road.eu/xsd/xroad.xsd"
IDENTIFIERS = "http://x-road.eu/xsd/identifiers"
MAX_XML = 1024 * 1024
_OBJECT_TYPE = f"{{{IDENTIFIERS}}}objectType"
_ENCODINGS = frozenset({"utf-8", "us-ascii", "ascii", "iso-8859-1"})
_VERSION = re.compile(r"4\.[0-9]+")
_MAX_ID = 255
_MEMBER = ("xRoadInstance", "memberClass", "memberCode")
_SUBSYSTEM = (*_MEMBER, "subsystemCode")
_FORMS = {
    "MEMBER": (_MEMBER,),
    "SUBSYSTEM": (_SUBSYSTEM,),
    "SERVER": ((*_MEMBER, "serverCode"),),
    "SERVICE": tuple(
        (*owner, "serviceCode", *version) for owner in (_MEMBER, _SUBSYSTEM) for version in ((), ("serviceVersion",))
    ),
}


@dataclass(frozen=True, slots=True)
class Envelope:
    """`header`: children of the SOAP header. `body`: the only child of the SOAP body, None when it is empty."""

    header: tuple[etree._Element, ...]
    body: etree._Element | None


@dataclass(frozen=True, slots=True)
class SoapParties:
    """Who talks to whom. `is_response`: the body's element name ends with `Response`."""

    client: ClientId
    service: ServiceId
    message_id: str
    is_response: bool


@dataclass(frozen=True, slots=True)
class SoapMessage:
    """`request_hash`: 64 raw bytes, responses only. `is_response`: the body's element name ends with `Response`."""

    client: ClientId
    service: ServiceId
    message_id: str
    security_server: SecurityServerId | None
    request_hash: bytes | None
    is_response: bool


def parse_soap(part: bytes) -> SoapMessage:
    """Headers of an X-Road SOAP message of protocol 4. MalformedMessage with the codes of reference 10."""
    envelope = parse_envelope(part)
    headers = _headers(envelope.header)
    _require(headers, "client", "service", "id", "protocolVersion")
    if not _VERSION.fullmatch(_text(headers["protocolVersion"])):
        raise MalformedMessage("unsupported SOAP protocol version", code="invalid_protocol_version")
    service = _service_id(headers["service"])
    is_response = _is_response(envelope.body, service)
    return SoapMessage(
        client=_client_id(headers["client"]),
        service=service,
        message_id=_message_id(headers["id"]),
        security_server=_server_id(headers["securityServer"]) if "securityServer" in headers else None,
        request_hash=_request_hash(headers["requestHash"]) if "requestHash" in headers else None,
        is_response=is_response,
    )


def parse_soap_parties(part: bytes) -> SoapParties:
    """What also older messages say, whose other headers are of no use to us any more. MalformedMessage as `parse_soap`."""
    envelope = parse_envelope(part)
    headers = _headers(envelope.header)
    _require(headers, "client", "service", "id")
    service = _service_id(headers["service"])
    return SoapParties(
        _client_id(headers["client"]), service, _message_id(headers["id"]), _is_response(envelope.body, service)
    )


def _require(headers: dict[str, etree._Element], *names: str) -> None:
    for name in names:
        if name not in headers:
            raise MalformedMessage(f"the SOAP header {name} is missing", code="missing_header_field")


def parse_envelope(xml: bytes) -> Envelope:
    """A SOAP 1.1 envelope. MalformedMessage: `invalid_xml`, `invalid_soap`, `missing_body`, `invalid_body`."""
    root = _parse_xml(xml)
    if root.tag != f"{{{SOAP}}}Envelope":
        raise MalformedMessage("no SOAP 1.1 envelope", code="invalid_soap")
    children = list(root)
    tags = [child.tag for child in children]
    header, body = f"{{{SOAP}}}Header", f"{{{SOAP}}}Body"
    if body not in tags:
        raise MalformedMessage("the SOAP body is missing", code="missing_body")
    if tags not in ([header, body], [body]):
        raise MalformedMessage("unexpected elements in the SOAP envelope", code="invalid_soap")
    content = list(children[-1])
    if len(content) > 1:
        raise MalformedMessage("the SOAP body has more than one element", code="invalid_body")
    return Envelope(tuple(children[0]) if len(children) == 2 else (), content[0] if content else None)


def _parse_xml(xml: bytes) -> etree._Element:
    """Root element. Nothing outside the document is read, no entity is expanded, size and depth are bounded."""
    if len(xml) > MAX_XML or b"<!DOCTYPE" in xml:
        raise MalformedMessage("oversized XML or one with a DOCTYPE", code="invalid_xml")
    # Comments and instructions are not even built: a text they cut in two would be read differently by others.
    try:
        root = parse_tree(xml, encoding=None, keep_comments=False)
    except NotXml as e:
        raise MalformedMessage("malformed XML", code="invalid_xml") from e
    document: Any = root.getroottree().docinfo  # the stubs do not know what it lacks
    # An exotic encoding could have hidden the DOCTYPE from the search above.
    if document.internalDTD is not None or (document.encoding or "utf-8").lower() not in _ENCODINGS:
        raise MalformedMessage("XML with a DOCTYPE or of unexpected encoding", code="invalid_xml")
    return root


def _headers(fields: tuple[etree._Element, ...]) -> dict[str, etree._Element]:
    headers: dict[str, etree._Element] = {}
    for field in fields:
        name = etree.QName(field)
        if name.namespace != XROAD:
            continue
        if name.localname in headers:
            raise MalformedMessage(f"the SOAP header {name.localname} stands twice", code="duplicate_header_field")
        headers[name.localname] = field
    return headers


def _is_response(body: etree._Element | None, service: ServiceId) -> bool:
    if body is None:
        raise MalformedMessage("the SOAP body is empty", code="invalid_body")
    name = etree.QName(body).localname
    if not name.startswith(service.service_code):
        raise MalformedMessage("SOAP body and service header name different services", code="inconsistent_headers")
    return name.endswith("Response")


def _text(element: etree._Element) -> str:
    if len(element):
        raise MalformedMessage("a SOAP header holds unexpected elements", code="invalid_soap")
    return element.text or ""


def _pieces(element: etree._Element) -> dict[str, str]:
    """An identifier's children by name; they stand in the order of one of the forms of its object type."""
    forms = _FORMS.get(element.get(_OBJECT_TYPE, ""), ())
    names = tuple(etree.QName(child).localname for child in element)
    if names not in forms or any(etree.QName(child).namespace != IDENTIFIERS for child in element):
        raise MalformedMessage("malformed identifier in a SOAP header", code="invalid_soap")
    return {name: check_piece(_text(child)) for name, child in zip(names, element, strict=True)}


def _client(pieces: dict[str, str]) -> ClientId:
    member = MemberId(pieces["xRoadInstance"], pieces["memberClass"], pieces["memberCode"])
    subsystem = pieces.get("subsystemCode")
    if subsystem is None:
        return member
    return SubsystemId(member.instance, member.member_class, member.member_code, subsystem)


def _client_id(element: etree._Element) -> ClientId:
    pieces = _pieces(element)
    if "serviceCode" in pieces or "serverCode" in pieces:
        raise MalformedMessage("the SOAP header client is no client identifier", code="invalid_soap")
    return _client(pieces)


def _service_id(element: etree._Element) -> ServiceId:
    pieces = _pieces(element)
    if "serviceCode" not in pieces:
        raise MalformedMessage("the SOAP header service is no service identifier", code="invalid_soap")
    return ServiceId(_client(pieces), pieces["serviceCode"], pieces.get("serviceVersion"))


def _server_id(element: etree._Element) -> SecurityServerId:
    pieces = _pieces(element)
    if "serverCode" not in pieces:
        raise MalformedMessage("the SOAP header securityServer is no server identifier", code="invalid_soap")
    return SecurityServerId(*pieces.values())


def _message_id(element: etree._Element) -> str:
    value = _text(element)
    if not value or len(value) > _MAX_ID:
        raise MalformedMessage("the SOAP header id is empty or too long", code="missing_header_field")
    return value


def _request_hash(element: etree._Element) -> bytes:
    """base64 of SHA-512 over the raw SOAP part of the request."""
    if element.get("algorithmId") != DigestAlgorithm.SHA512.uri:
        raise MalformedMessage("requestHash of unsupported algorithm", code="invalid_soap")
    try:
        value = binascii.a2b_base64("".join(_text(element).split()).encode("ascii"), strict_mode=True)
    except ValueError as e:
        raise MalformedMessage("requestHash is not base64", code="invalid_soap") from e
    if len(value) != DigestAlgorithm.SHA512.size:
        raise MalformedMessage("requestHash has the wrong length", code="invalid_soap")
    return value
