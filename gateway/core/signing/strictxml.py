"""Received XML of signatures and hash chains: one careful reader.

The rule: what could be read in two ways is refused. No DOCTYPE, comments, processing instructions or entities anywhere, no other
encoding than UTF-8, no attribute in a namespace, no Id twice (signature wrapping), no text between elements, no attribute or
element that is not asked for, base64 only in its one canonical spelling (white space aside).
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Collection

from lxml import etree

from gateway.core.digest import Digest, DigestAlgorithm
from gateway.core.xmlparser import NotXml, parse_tree

DS = "http://www.w3.org/2000/09/xmldsig#"
MAX_DOCUMENT = 256 * 1024

# At most a declaration of XML 1.0 in UTF-8 may stand before the root element; `<!` and `<?` have no place there.
_PROLOGUE = re.compile(
    rb'(?:<\?xml version="1\.0"(?: encoding="(?:UTF-8|utf-8)")?(?: standalone="(?:yes|no)")?\?>)?[\t\n\r ]*<[A-Za-z_]'
)
_SPACE = " \t\n\r"
_BLANK = str.maketrans("", "", _SPACE)
_IDS = ("Id", "id", "ID")


class InvalidXml(ValueError):
    """Not the XML we read. Callers turn it into MalformedMessage with the code of their format."""


class NotWellFormed(InvalidXml):
    """Not XML at all, or XML of a kind that is never read (DOCTYPE, encodings, size)."""


def parse_xml(xml: bytes) -> etree._Element:
    """The root element of a document that obeys the module's rule. InvalidXml otherwise."""
    if len(xml) > MAX_DOCUMENT or not _PROLOGUE.match(xml) or b"<!DOCTYPE" in xml:
        raise NotWellFormed("oversized, not XML 1.0 in UTF-8, or with a DOCTYPE")
    try:
        root = parse_tree(xml)
    except NotXml as e:
        raise NotWellFormed("not well-formed") from e
    if root.getprevious() is not None or root.getnext() is not None:
        raise InvalidXml("something stands beside the root element")
    _check_nodes(root)
    return root


def _check_nodes(root: etree._Element) -> None:
    ids: set[str] = set()
    for element in root.iter():
        if not isinstance(element.tag, str):
            raise InvalidXml("a comment, processing instruction or entity")
        for name, value in attributes_of(element).items():
            if name.startswith("{"):
                raise InvalidXml("an attribute in a namespace")
            if name in _IDS and value in ids:
                raise InvalidXml("an Id occurs twice")
            if name in _IDS:
                ids.add(value)


def attributes_of(element: etree._Element) -> dict[str, str]:
    return {str(name): str(value) for name, value in element.attrib.items()}


def check_attributes(element: etree._Element, allowed: Collection[str] = ()) -> dict[str, str]:
    """The attributes, all of them among `allowed`."""
    found = attributes_of(element)
    if not found.keys() <= set(allowed):
        raise InvalidXml("an unknown attribute")
    return found


def need_attribute(element: etree._Element, name: str, others: Collection[str] = ()) -> str:
    """Attribute `name`; none may be there but it and `others`."""
    found = check_attributes(element, (name, *others))
    if name not in found:
        raise InvalidXml(f"an attribute {name} is missing")
    return found[name]


class Children:
    """The child elements of an element, taken in order; text between them must be white space."""

    __slots__ = ("_rest",)

    def __init__(self, parent: etree._Element) -> None:
        self._rest = list(reversed(parent))
        texts = [parent.text, *(child.tail for child in self._rest)]
        if any(text is not None and text.strip(_SPACE) for text in texts):
            raise InvalidXml("text between elements")

    def maybe(self, tag: str) -> etree._Element | None:
        return self._rest.pop() if self._rest and self._rest[-1].tag == tag else None

    def one(self, tag: str) -> etree._Element:
        element = self.maybe(tag)
        if element is None:
            raise InvalidXml(f"{tag.rpartition('}')[2]} is missing or misplaced")
        return element

    def many(self, tag: str, most: int) -> list[etree._Element]:
        found: list[etree._Element] = []
        while (element := self.maybe(tag)) is not None:
            found.append(element)
        if len(found) > most:
            raise InvalidXml("too many elements")
        return found

    def any(self) -> etree._Element | None:
        return self._rest.pop() if self._rest else None

    def end(self) -> None:
        if self._rest:
            raise InvalidXml("an unexpected element")


def only_child(parent: etree._Element, tag: str) -> etree._Element:
    children = Children(parent)
    child = children.one(tag)
    children.end()
    return child


def leaf_text(element: etree._Element) -> str:
    if len(element):
        raise InvalidXml("an element inside a value")
    return element.text or ""


def leaf_base64(element: etree._Element) -> bytes:
    return decode_base64(leaf_text(element).translate(_BLANK).encode())


def decode_base64(text: bytes) -> bytes:
    """Exactly what encoding the result gives again: no other alphabet, no missing padding, no stray bits at the end."""
    try:
        value = binascii.a2b_base64(text, strict_mode=True)
    except ValueError as e:
        raise InvalidXml("invalid base64") from e
    if not value or binascii.b2a_base64(value, newline=False) != text:
        raise InvalidXml("empty or non-canonical base64")
    return value


def digest_method(element: etree._Element) -> DigestAlgorithm:
    """`ds:DigestMethod` or an element like it. MalformedMessage for an algorithm we do not accept."""
    algorithm = DigestAlgorithm.from_uri(need_attribute(element, "Algorithm"))
    Children(element).end()
    return algorithm


def digest_value(element: etree._Element, algorithm: DigestAlgorithm) -> Digest:
    """`ds:DigestValue` of the size that the algorithm gives."""
    check_attributes(element)
    value = leaf_base64(element)
    if len(value) != algorithm.size:
        raise InvalidXml("a digest of the wrong size")
    return Digest(algorithm, value)
