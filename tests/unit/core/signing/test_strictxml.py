from __future__ import annotations

import base64

import pytest
from lxml import etree

from gateway.core.digest import DigestAlgorithm, sha512
from gateway.core.errors import MalformedMessage
from gateway.core.signing.strictxml import (
    MAX_DOCUMENT,
    Children,
    InvalidXml,
    NotWellFormed,
    check_attributes,
    decode_base64,
    digest_method,
    digest_value,
    leaf_base64,
    leaf_text,
    need_attribute,
    only_child,
    parse_xml,
)

BILLION = b'<!DOCTYPE a [<!ENTITY x "xxxxxxxxxx"><!ENTITY y "&x;&x;&x;&x;">]><a>&y;</a>'


@pytest.mark.parametrize(
    "xml",
    [
        b"<a/>",
        b" \n<a/>",
        b'<?xml version="1.0"?><a/>',
        b'<?xml version="1.0" encoding="UTF-8"?>\n<a/>',
        b'<?xml version="1.0" encoding="utf-8" standalone="yes"?><a/>',
        '<?xml version="1.0" encoding="UTF-8" standalone="no"?><a>Nguyễn</a>\n'.encode(),
        b'<a Id="1"><b Id="2"/></a>',
        b"<a><![CDATA[x]]></a>",
    ],
)
def test_documents_that_are_read(xml: bytes) -> None:
    assert parse_xml(xml).tag == "a"


@pytest.mark.parametrize(
    ("xml", "error"),
    [
        (b"", NotWellFormed),
        (b"a", NotWellFormed),
        (b"<a>", NotWellFormed),
        (b"<a/><b/>", NotWellFormed),
        (b"<a b='1' b='2'/>", NotWellFormed),
        (b"<a>\xff</a>", NotWellFormed),
        (b"<a>\x00</a>", NotWellFormed),
        (b"<a>&x;</a>", NotWellFormed),
        (b"<a>" * 300 + b"</a>" * 300, NotWellFormed),
        (b"<a>" + b" " * MAX_DOCUMENT + b"</a>", NotWellFormed),
        (b"<!DOCTYPE a><a/>", NotWellFormed),
        (b"<a/><!DOCTYPE a>", NotWellFormed),
        (BILLION, NotWellFormed),
        (b'<?xml version="1.0"?>' + BILLION, NotWellFormed),
        (b'<?xml version="1.1"?><a/>', NotWellFormed),
        (b'<?xml version="1.0" encoding="ISO-8859-1"?><a/>', NotWellFormed),
        (b'<?xml version="1.0" standalone="maybe"?><a/>', NotWellFormed),
        ('<?xml version="1.0" encoding="UTF-16"?><a/>'.encode("utf-16"), NotWellFormed),
        ("<!DOCTYPE a><a/>".encode("utf-16"), NotWellFormed),
        (b"\xef\xbb\xbf<a/>", NotWellFormed),
        (b"<!--x--><a/>", NotWellFormed),
        (b"<?x?><a/>", NotWellFormed),
        (b"<a/><!--x-->", InvalidXml),
        (b"<a/><?x?>", InvalidXml),
        (b"<a><!--x--></a>", InvalidXml),
        (b"<a>1<!--x-->2</a>", InvalidXml),  # read as 1 by one reader and as 12 by another
        (b"<a><b><?x?></b></a>", InvalidXml),
        (b'<a Id="1"><b Id="1"/></a>', InvalidXml),
        (b'<a Id="1"><b id="1"/></a>', InvalidXml),
        (b'<a Id="1"><b ID="&#49;"/></a>', InvalidXml),
        (b'<a xml:id="x"/>', InvalidXml),
        (b'<a xml:space="preserve"/>', InvalidXml),
        (b'<a xmlns:x="urn:x" x:y=""/>', InvalidXml),
    ],
)
def test_documents_that_are_refused(xml: bytes, error: type[InvalidXml]) -> None:
    with pytest.raises(InvalidXml) as e:
        parse_xml(xml)
    assert type(e.value) is error


def test_no_file_is_read() -> None:
    xml = b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>'
    with pytest.raises(NotWellFormed):
        parse_xml(xml)


def element(xml: str) -> etree._Element:
    return parse_xml(xml.encode())


def test_children_in_order() -> None:
    children = Children(element("<a> <b/>\n<c/><c/> <d/></a>"))
    assert children.maybe("x") is None
    assert children.one("b").tag == "b"
    assert len(children.many("c", 2)) == 2
    last = children.any()
    assert last is not None
    assert last.tag == "d"
    children.end()
    assert children.any() is None


@pytest.mark.parametrize("xml", ["<a>text<b/></a>", "<a><b/>text</a>", "<a>\u00a0<b/></a>"])
def test_text_between_elements(xml: str) -> None:
    with pytest.raises(InvalidXml):
        Children(element(xml))


@pytest.mark.parametrize("xml", ["<a/>", "<a><c/></a>", "<a><b/><b/></a>", "<a><b/><c/></a>"])
def test_only_child(xml: str) -> None:
    with pytest.raises(InvalidXml):
        only_child(element(xml), "b")


def test_too_many() -> None:
    with pytest.raises(InvalidXml):
        Children(element("<a><b/><b/></a>")).many("b", 1)


def test_attributes() -> None:
    a = element('<a x="1" y="2"/>')
    assert need_attribute(a, "x", ("y",)) == "1"
    assert check_attributes(a, ("x", "y", "z")) == {"x": "1", "y": "2"}
    for name, others in (("z", ("x", "y")), ("x", ())):
        with pytest.raises(InvalidXml):
            need_attribute(a, name, others)


def test_values() -> None:
    assert leaf_text(element("<a>x y</a>")) == "x y"
    assert leaf_text(element("<a/>")) == ""
    assert leaf_base64(element("<a>\r\n AQ\n==&#13; </a>")) == b"\x01"
    with pytest.raises(InvalidXml):
        leaf_text(element("<a>x<b/></a>"))


@pytest.mark.parametrize(
    "text", [b"", b"A", b"AQ", b"AQ=", b"AR==", b"AQ==AQ==", b"A Q==", b"AQ--", b"AQ==\n", b"=AQ=", "ÂQ==".encode()]
)
def test_base64_has_one_spelling(text: bytes) -> None:
    with pytest.raises(InvalidXml):
        decode_base64(text)


def test_digests() -> None:
    assert digest_method(element('<a Algorithm="http://www.w3.org/2001/04/xmlenc#sha512"/>')) is DigestAlgorithm.SHA512
    with pytest.raises(MalformedMessage) as e:
        digest_method(element('<a Algorithm="http://www.w3.org/2000/09/xmldsig#sha1"/>'))
    assert e.value.code == "unsupported_algorithm"
    digest = sha512(b"")
    text = base64.b64encode(digest.value).decode()
    assert digest_value(element(f"<a>{text}</a>"), DigestAlgorithm.SHA512) == digest
    for xml, algorithm in (
        (f"<a>{text}</a>", DigestAlgorithm.SHA256),
        (f'<a x="">{text}</a>', DigestAlgorithm.SHA512),
        ("<a/>", DigestAlgorithm.SHA512),
    ):
        with pytest.raises(InvalidXml):
            digest_value(element(xml), algorithm)
