"""XML in messages becomes a tree in one place, with the safe options: no entity, no DTD, no network. Never parse it otherwise."""

from gateway.core.xmlparser import NotXml, parse_tree

__all__ = ["NotXml", "parse_tree"]
