"""A document's bytes -> its element tree. The bytes are delivered as they came; the tree is only for judging them.

Looser than `core/signing/strictxml.py`, because documents hold text, attributes in namespaces and white space of all kinds; as
strict where two readers could see two documents: one encoding, no DOCTYPE, entities, comments (canonical form drops them, so
that text can be cut in two without breaking a signature) or processing instructions, nothing beside the document element.
"""

from __future__ import annotations

import re

from lxml import etree

from gateway.core.documents.causes import Cause, DocumentRejected
from gateway.core.xmlparser import NotXml, parse_tree

MOST_TAGS = 400_000
"""A tree takes some hundred bytes an element, however short its tags are."""

_BOM = b"\xef\xbb\xbf"
_PROLOGUE = re.compile(
    rb"""(?:<\?xml\s+version\s*=\s*["']1\.0["'](?:\s+encoding\s*=\s*["']utf-8["'])?"""
    rb"""(?:\s+standalone\s*=\s*["'](?:yes|no)["'])?\s*\?>)?\s*<[^!?]""",
    re.IGNORECASE,
)


def read_document(xml: bytes) -> etree._Element:
    """The document element. DocumentRejected (`malformed`, `too_large`)."""
    xml = xml.removeprefix(_BOM)
    if not _PROLOGUE.match(xml):
        raise _malformed("it is not XML 1.0 in UTF-8, or something stands before its first element")
    if xml.count(b"<") > MOST_TAGS:
        raise DocumentRejected(Cause.TOO_LARGE, f"The document has more than {MOST_TAGS} tags")
    try:
        root = parse_tree(xml)
    except NotXml as e:
        raise _malformed("it is not well-formed") from e
    if root.getnext() is not None or not all(isinstance(element.tag, str) for element in root.iter()):
        raise _malformed("it holds a comment, a processing instruction or an entity")
    return root


def _malformed(why: str) -> DocumentRejected:
    return DocumentRejected(Cause.MALFORMED, f"The document cannot be read: {why}")
