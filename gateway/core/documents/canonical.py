"""Canonical octets (Canonical XML 1.0, Exclusive XML Canonicalization 1.0), computed by libxml2 in document context."""

from __future__ import annotations

from dataclasses import dataclass

from lxml import etree

from gateway.core.signing.strictxml import Children, InvalidXml, check_attributes, need_attribute

_EXCLUSIVE_URI = "http://www.w3.org/2001/10/xml-exc-c14n#"
_XML = "{http://www.w3.org/XML/1998/namespace}"
_EXCLUSIVE = {
    "http://www.w3.org/TR/2001/REC-xml-c14n-20010315": False,
    "http://www.w3.org/TR/2001/REC-xml-c14n-20010315#WithComments": False,
    _EXCLUSIVE_URI: True,
    _EXCLUSIVE_URI + "WithComments": True,
}


@dataclass(frozen=True, slots=True)
class Canonicalization:
    """`prefixes`: of namespaces that an exclusive one treats as an inclusive one does. There are no comments to keep or drop."""

    exclusive: bool = False
    prefixes: tuple[str, ...] = ()

    def of(self, element: etree._Element) -> bytes:
        """InvalidXml when there is no canonical form."""
        if not self.exclusive:
            _inherit(element)
        try:
            return etree.tostring(
                element,
                method="c14n",
                exclusive=self.exclusive,
                with_comments=False,
                inclusive_ns_prefixes=list(self.prefixes) or None,
            )
        except etree.C14NError as e:  # a namespace that is no absolute URI
            raise InvalidXml("no canonical form") from e


def _inherit(element: etree._Element) -> None:
    """`xml:lang` and its like count as the apex's own (Canonical XML 1.0, 2.4). The library copies namespaces only."""
    for ancestor in element.iterancestors():
        for name, value in ancestor.attrib.items():
            if str(name).startswith(_XML) and name not in element.attrib:
                element.set(name, value)


def read_canonicalization(element: etree._Element) -> Canonicalization:
    """Of `ds:CanonicalizationMethod` or a `ds:Transform`. InvalidXml for any other algorithm."""
    uri = need_attribute(element, "Algorithm")
    if uri not in _EXCLUSIVE:
        raise InvalidXml("a transform or canonicalisation that is not accepted")
    children = Children(element)
    named = children.maybe(f"{{{_EXCLUSIVE_URI}}}InclusiveNamespaces") if _EXCLUSIVE[uri] else None
    children.end()
    if named is None:
        return Canonicalization(_EXCLUSIVE[uri])
    Children(named).end()
    return Canonicalization(True, tuple(check_attributes(named, ("PrefixList",)).get("PrefixList", "").split()))
