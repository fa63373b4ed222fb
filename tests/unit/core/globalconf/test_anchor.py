from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.core.errors import MalformedMessage
from gateway.core.globalconf.anchor import parse_anchor, print_anchor
from gateway.core.globalconf.model import AnchorSource
from tests.unit.core.globalconf.samples import anchor, der

XML = print_anchor(anchor())


def test_what_is_printed_is_read_again() -> None:
    both = replace(
        anchor(), sources=(*anchor().sources, AnchorSource("https://b.test/internalconf", (b"x", der("ca"))))
    )
    assert parse_anchor(print_anchor(both)) == both
    undated = replace(anchor(), generated_at=None)
    assert parse_anchor(print_anchor(undated)) == undated


def test_an_anchor_needs_an_http_url() -> None:
    secure = replace(anchor(), sources=(AnchorSource("https://b.test/internalconf", (der("ca"),)),))
    with pytest.raises(ValueError, match="http://"):
        print_anchor(secure)


@pytest.mark.parametrize(
    ("case", "old", "new"),
    [
        ("another root", b"configurationAnchor", b"conf"),
        ("no source", XML[XML.index(b"<source>") : XML.index(b"</x:conf")], b""),
        ("no certificate", XML[XML.index(b"<verificationCert>") : XML.index(b"</source>")], b""),
        ("no instance", b"<instanceIdentifier>VN</instanceIdentifier>", b""),
        ("no URL", b"<downloadURL>http://registry.test/internalconf</downloadURL>", b""),
        ("no time zone", b"<generatedAt>2026-11-24T08:00:00Z", b"<generatedAt>2026-11-24T08:00:00"),
        ("no time", b"<generatedAt>2026-11-24T08:00:00Z", b"<generatedAt>yesterday"),
        ("time out of range", b"<generatedAt>2026-11-24T08:00:00Z", b"<generatedAt>0001-01-01T00:00:00+14:00"),
    ],
)
def test_malformed(case: str, old: bytes, new: bytes) -> None:
    assert old in XML
    with pytest.raises(MalformedMessage) as caught:
        parse_anchor(XML.replace(old, new))
    assert caught.value.code == "malformed_anchor", case
