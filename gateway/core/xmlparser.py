"""The one place where bytes become an XML tree: nothing outside the document is read, no entity is expanded, depth is bounded.

What a format refuses beyond that (DOCTYPE, size, comments, Ids that stand twice) is its own reader's business, before and after.
"""

from __future__ import annotations

from lxml import etree


class NotXml(ValueError):
    """The bytes are not well-formed XML, or in no encoding that is read."""


def parse_tree(xml: bytes, *, encoding: str | None = "utf-8", keep_comments: bool = True) -> etree._Element:
    """The root element. NotXml otherwise.

    `encoding`: is forced, so that no other can hide a word such as DOCTYPE from a search of the bytes; None takes the document's
    own. `keep_comments`: False does not even build comments and processing instructions.
    """
    parser = etree.XMLParser(
        encoding=encoding,
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=False,
        remove_comments=not keep_comments,
        remove_pis=not keep_comments,
    )
    try:
        return etree.fromstring(xml, parser)
    except (etree.LxmlError, ValueError, LookupError) as e:
        raise NotXml("not well-formed XML") from e
