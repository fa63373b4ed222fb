"""What the XML documents of a global configuration have in common: a careful reader, and a writer of text.

Reading is by element name, wherever the element stands among its siblings, so that elements added by a newer version change
nothing (reference 7.5 `any`); what is read must be there exactly as often as the schema says. Comments do not count.
"""

from __future__ import annotations

import base64
import binascii
import re
import warnings
from collections.abc import Sequence
from datetime import UTC, datetime
from xml.sax.saxutils import escape

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from lxml import etree

from gateway.core.errors import MalformedMessage
from gateway.core.identifiers import MAX_PIECE, ClientId, MemberId, SubsystemId, check_piece
from gateway.core.xmlparser import NotXml, parse_tree

XROAD = "http://x-road.eu/xsd/xroad.xsd"
IDENTIFIERS = "http://x-road.eu/xsd/identifiers"
MALFORMED = "malformed_global_conf"
MAX_DOCUMENT = 64 * 1024 * 1024

_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")  # no XML 1.0 document can hold these


def malformed(what: str) -> MalformedMessage:
    return MalformedMessage(what, code=MALFORMED)


def parse_root(xml: bytes, local_name: str) -> etree._Element:
    """The root element `{xroad.xsd}local_name`. MalformedMessage: not UTF-8 XML, another root, too large, or a DOCTYPE.

    UTF-8 is forced, so that no encoding can hide the word DOCTYPE from the check (entity bombs, external entities).
    """
    if len(xml) > MAX_DOCUMENT:
        raise malformed("a configuration document is too large")
    if b"<!DOCTYPE" in xml:
        raise malformed("a configuration document must not have a DOCTYPE")
    try:
        root = parse_tree(xml, keep_comments=False)
    except NotXml as e:
        raise malformed("a configuration document is not well-formed XML") from e
    if root.tag != f"{{{XROAD}}}{local_name}":
        raise malformed(f"the root element is not {local_name}")
    return root


def many(parent: etree._Element, name: str) -> Sequence[etree._Element]:
    """All children of that (unqualified) name."""
    return parent.findall(name)


def optional(parent: etree._Element, name: str) -> etree._Element | None:
    found = parent.findall(name)
    if len(found) > 1:
        raise malformed(f"more than one {name}")
    return found[0] if found else None


def one(parent: etree._Element, name: str) -> etree._Element:
    found = optional(parent, name)
    if found is None:
        raise malformed(f"{name} is missing")
    return found


def text(element: etree._Element) -> str:
    """The element's text without surrounding white space."""
    if len(element):
        raise malformed("an element that should hold text holds elements")
    return (element.text or "").strip(" \t\r\n")


def text_of(parent: etree._Element, name: str) -> str:
    return text(one(parent, name))


def optional_text(parent: etree._Element, name: str) -> str | None:
    element = optional(parent, name)
    return None if element is None else text(element)


def piece(parent: etree._Element, name: str) -> str:
    """Text that is a piece of an identifier."""
    try:
        return check_piece(text_of(parent, name))
    except MalformedMessage as e:
        raise malformed("empty, oversized or illegal identifier") from e


def registered(parent: etree._Element, name: str) -> str:
    """A piece of an identifier that somebody registered. X-Road only warns of characters that no message of ours carries
    (reference 1.2): whoever has them cannot be talked to, and everybody else's configuration stands."""
    value = text_of(parent, name)
    if not 0 < len(value) <= MAX_PIECE:
        raise malformed("empty or oversized identifier")
    return value


def boolean(value: str) -> bool:
    """`xs:boolean`."""
    if value not in {"true", "false", "1", "0"}:
        raise malformed("not a boolean")
    return value in {"true", "1"}


def seconds(value: str, *, least: int = 0) -> int:
    """A whole number of seconds, at most some 30 years."""
    if not re.fullmatch(r"\+?[0-9]{1,9}", value, re.ASCII) or int(value) < least:
        raise malformed("not a number of seconds")
    return int(value)


def moment(value: str) -> datetime:
    """ISO 8601 with time zone, as UTC."""
    try:
        parsed = datetime.fromisoformat(value)
        if parsed.tzinfo is None:
            raise malformed("a time without time zone")
        return parsed.astimezone(UTC)
    except (ValueError, OverflowError) as e:
        raise malformed("not a time") from e


def base64_bytes(value: str) -> bytes:
    """Base64 with any line breaks."""
    try:
        return base64.b64decode("".join(value.split()).encode("ascii"), validate=True)
    except (ValueError, binascii.Error) as e:
        raise malformed("not base64") from e


def stored_certificate(element: etree._Element) -> bytes:
    """The bytes inside the base64, DER or not: a verification certificate is chosen by their hash (reference 7.2)."""
    return base64_bytes(text(element))


def load_certificate(stored: bytes) -> x509.Certificate:
    """A certificate stored as DER or as PEM text; Central Servers write both (reference 7.5). MalformedMessage otherwise."""
    try:
        pem = stored.lstrip().startswith(b"-----BEGIN")
        found = x509.load_pem_x509_certificate(stored) if pem else x509.load_der_x509_certificate(stored)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # C with more than two letters: an instance
            _ = (found.subject, found.issuer)  # read lazily, and looked at for every certificate of a peer
    except (ValueError, TypeError, x509.InvalidVersion) as e:
        raise malformed("not a certificate") from e
    return found


def certificate(element: etree._Element) -> x509.Certificate:
    return load_certificate(stored_certificate(element))


def client_id(element: etree._Element) -> ClientId:
    """`XRoadClientIdentifierType`: qualified children. A member that has a subsystem code is that subsystem: X-Road's own files
    contain such entries, and the subsystem is the narrower reading."""
    instance, member_class, member_code = (
        registered(element, f"{{{IDENTIFIERS}}}{name}") for name in ("xRoadInstance", "memberClass", "memberCode")
    )
    subsystem = element.find(f"{{{IDENTIFIERS}}}subsystemCode")
    kind = element.get(f"{{{IDENTIFIERS}}}objectType")
    if kind not in {None, "MEMBER", "SUBSYSTEM"} or (kind == "SUBSYSTEM" and subsystem is None):
        raise malformed("objectType does not agree with the identifier")
    if subsystem is None:
        return MemberId(instance, member_class, member_code)
    return SubsystemId(instance, member_class, member_code, registered(element, f"{{{IDENTIFIERS}}}subsystemCode"))


# --- writing ---------------------------------------------------------------------------------------------------------


def tag(name: str, value: str) -> str:
    """`<name>value</name>`. ValueError for characters that XML cannot hold: refuse them where they enter."""
    if _CONTROL.search(value):
        raise ValueError(f"{name} contains a character that XML cannot hold")
    return f"<{name}>{escape(value, {chr(13): '&#13;'})}</{name}>"


def base64_tag(name: str, data: bytes) -> str:
    return tag(name, base64.b64encode(data).decode("ascii"))


def certificate_tag(name: str, value: x509.Certificate) -> str:
    return base64_tag(name, value.public_bytes(Encoding.DER))


def client_id_tag(name: str, client: ClientId) -> str:
    """Needs the prefix `id` bound to the identifiers namespace."""
    names = ("id:xRoadInstance", "id:memberClass", "id:memberCode", "id:subsystemCode")
    kind = "SUBSYSTEM" if isinstance(client, SubsystemId) else "MEMBER"
    pieces = "".join(tag(n, p) for n, p in zip(names, client.pieces, strict=False))
    return f'<{name} id:objectType="{kind}">{pieces}</{name}>'


def utc_text(value: datetime) -> str:
    """`2026-11-24T02:30:00Z`; parts of a second are left out."""
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def document(root: str, content: str) -> bytes:
    """A document with that root in the X-Road namespace (prefix `x`) and unqualified content."""
    head = f'<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n<x:{root} xmlns:x="{XROAD}" xmlns:id="{IDENTIFIERS}">'
    return f"{head}{content}</x:{root}>\n".encode()
