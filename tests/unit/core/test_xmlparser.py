from __future__ import annotations

from pathlib import Path

import pytest

from gateway.core.xmlparser import NotXml, parse_tree


def test_no_entity_is_expanded_and_no_file_read(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    root = parse_tree(f'<!DOCTYPE a [<!ENTITY x SYSTEM "{secret.as_uri()}"><!ENTITY y "yyy">]><a>&x;&y;</a>'.encode())
    assert "".join(map(str, root.itertext(tag="a"))) == ""
    assert "secret" not in "".join(map(str, root.itertext()))


@pytest.mark.parametrize(
    "xml", [b"", b"no", b"<a>", b"<a></b>", b"<a/>" * 2, "<?xml version='1.0'?><á/>".encode("utf-16"), b"<a>\xff</a>"]
)
def test_what_is_no_xml(xml: bytes) -> None:
    with pytest.raises(NotXml):
        parse_tree(xml)


def test_depth_is_bounded() -> None:
    with pytest.raises(NotXml):
        parse_tree(b"<a>" * 10_000 + b"</a>" * 10_000)


def test_comments_are_kept_or_never_built() -> None:
    xml = b"<a>1<!-- x -->2<?y z?>3</a>"
    assert len(parse_tree(xml)) == 2
    assert parse_tree(xml, keep_comments=False).text == "123"


def test_a_documents_own_encoding_counts_only_when_asked_for() -> None:
    xml = '<?xml version="1.0" encoding="ISO-8859-1"?><a>é</a>'.encode("latin-1")
    assert parse_tree(xml, encoding=None).text == "é"
    with pytest.raises(NotXml):
        parse_tree(xml)
