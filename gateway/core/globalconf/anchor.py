"""The configuration anchor: where trust in an instance begins (reference 7.4)."""

from __future__ import annotations

from lxml import etree

from gateway.core.errors import MalformedMessage
from gateway.core.globalconf import xmlform as x
from gateway.core.globalconf.model import Anchor, AnchorSource


def parse_anchor(xml: bytes) -> Anchor:
    """MalformedMessage (`malformed_anchor`) for anything else."""
    try:
        return read_anchor(x.parse_root(xml, "configurationAnchor"))
    except MalformedMessage as e:
        raise MalformedMessage(e.safe_detail, code="malformed_anchor") from e


def read_anchor(element: etree._Element) -> Anchor:
    """The anchor in an element, which is a document of its own or one of private-params."""
    generated_at = x.optional_text(element, "generatedAt")
    sources = x.many(element, "source")
    if not sources:
        raise x.malformed("an anchor without a source")
    return Anchor(
        instance=x.piece(element, "instanceIdentifier"),
        sources=tuple(_source(e) for e in sources),
        generated_at=None if generated_at is None else x.moment(generated_at),
    )


def _source(element: etree._Element) -> AnchorSource:
    certificates = tuple(x.stored_certificate(e) for e in x.many(element, "verificationCert"))
    if not certificates:
        raise x.malformed("an anchor source without a verification certificate")
    return AnchorSource(x.text_of(element, "downloadURL"), certificates)


def print_anchor(anchor: Anchor) -> bytes:
    """ValueError without an `http://` source: X-Road 7 derives the https form itself and drops the others (reference 7.1)."""
    if not any(s.url.startswith("http://") for s in anchor.sources):
        raise ValueError("an anchor needs an http:// download URL")
    return x.document("configurationAnchor", print_anchor_content(anchor))


def print_anchor_content(anchor: Anchor) -> str:
    generated = "" if anchor.generated_at is None else x.tag("generatedAt", x.utc_text(anchor.generated_at))
    sources = "".join(_print_source(s) for s in anchor.sources)
    return f"{generated}{x.tag('instanceIdentifier', anchor.instance)}{sources}"


def _print_source(source: AnchorSource) -> str:
    certificates = "".join(x.base64_tag("verificationCert", c) for c in source.verification_certificates)
    return f"<source>{x.tag('downloadURL', source.url)}{certificates}</source>"
