"""An XPath expression over an XML body. The expression comes from a contract, the document from a stranger.

Documents with a DOCTYPE are not read; nothing is fetched, no entity is expanded (as in `core/signing/strictxml.py`, which is
stricter because it reads signatures).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from lxml import etree

from gateway.core.errors import MalformedMessage
from gateway.core.subjects.view import Found, MessageView
from gateway.core.xmlparser import NotXml, parse_tree


@dataclass(frozen=True, slots=True)
class FromXPath:
    """`expression`: gives elements with nothing but text, attributes or texts; `namespaces`: (prefix, URI) of the prefixes in it.
    ValueError for an expression that is none."""

    expression: str
    namespaces: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        _compile(self.expression, self.namespaces)

    @property
    def needs_body(self) -> bool:
        return True

    def find(self, view: MessageView) -> Found:
        try:
            found = _compile(self.expression, self.namespaces)(_parse(view.body))
        except etree.XPathError as e:
            raise MalformedMessage("the body cannot be searched") from e
        if not isinstance(found, list):
            raise MalformedMessage("the place of a person's number holds no text")
        return tuple(map(_text, found))


@lru_cache(256)
def _compile(expression: str, namespaces: tuple[tuple[str, str], ...]) -> etree.XPath:
    try:
        compiled = etree.XPath(expression, namespaces=dict(namespaces), regexp=False)
        compiled(etree.Element("nothing"))  # a prefix without a namespace shows only when it is used
        return compiled
    except (etree.XPathError, TypeError, ValueError) as e:
        raise ValueError(f"{expression!r} is not an XPath expression whose prefixes are in 'namespaces'") from e


def _parse(body: bytes | None) -> etree._Element:
    if body is None or b"<!DOCTYPE" in body:
        raise MalformedMessage("there is no body, or one with a DOCTYPE")
    try:
        return parse_tree(body)
    except NotXml as e:
        raise MalformedMessage("the body is not XML in UTF-8") from e


def _text(found: Any) -> str | None:
    if isinstance(found, str):
        return found.strip()
    if isinstance(found, etree._Element) and isinstance(found.tag, str) and len(found) == 0:
        return None if found.text is None else found.text.strip()
    raise MalformedMessage("the place of a person's number holds more than text")
