from __future__ import annotations

import base64
from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.core.errors import MalformedMessage
from gateway.core.globalconf.model import Member, Subsystem
from gateway.core.globalconf.sharedparams import VERSIONS, parse_shared_parameters, print_shared_parameters
from gateway.core.identifiers import MemberId
from tests.unit.core.globalconf.samples import POLICE, as_version, certificate, shared

XML = print_shared_parameters(shared(), 6)


def edited(old: str, new: str) -> bytes:
    assert old in XML.decode()
    return XML.decode().replace(old, new, 1).encode()


@pytest.mark.parametrize("version", VERSIONS)
def test_what_is_printed_is_read_again(version: int) -> None:
    params = shared(version)
    assert parse_shared_parameters(print_shared_parameters(params, version), version) == as_version(params, version)


def test_elements_stand_in_the_order_of_the_schema() -> None:
    text = XML.decode()
    order = [
        "<instanceIdentifier>",
        "<source>",
        "<address>registry.test",
        "<internalVerificationCert>",
        "<externalVerificationCert>",
        "<approvedCA>",
        "<authenticationOnly>",
        "<topCA>",
        "<ocsp>",
        "<url>",
        "<intermediateCA>",
        "<certificateProfileInfo>",
        "<approvedTSA>",
        '<member id="id0">',
        "<memberCode>",
        '<subsystem id="id1">',
        "<securityServer>",
        "<owner>id0</owner>",
        "<serverCode>ss1",
        "<address>10.0.0.1",
        "<authCertHash>",
        "<client>id1</client>",
        "<inMaintenanceMode><message>",
        "<globalGroup>",
        "<groupMember ",
        "<globalSettings>",
        "<ocspFreshnessSeconds>3600",
    ]
    places: list[int] = []
    for tag in order:
        places.append(text.index(tag, places[-1] if places else 0))
    assert places == sorted(places)


def test_the_owner_is_a_client_without_being_listed() -> None:
    server = parse_shared_parameters(XML, 6).servers[0]
    assert POLICE in server.clients
    assert "<client>id0</client>" not in XML.decode()


def test_old_versions_do_not_get_new_elements() -> None:
    v2, v4 = (print_shared_parameters(shared(v), v).decode() for v in (2, 4))
    assert "<source>" not in v2 and "<source>" in v4
    assert "inMaintenanceMode" not in v4 and "subsystemName" not in v4


def test_unknown_elements_comments_and_attributes_change_nothing() -> None:
    newer = edited("</globalSettings>", '</globalSettings><a:later xmlns:a="urn:later"><b/></a:later><new>1</new>')
    newer = newer.replace(b"<approvedTSA>", b"<!-- a note --><approvedTSA>").replace(b"10.0.0.1", b"10.0<!-- x -->.0.1")
    newer = newer.replace(b"</url>", b"</url><costType>FREE</costType>")
    assert parse_shared_parameters(newer, 6) == shared(6)


def test_certificates_may_be_pem_text_in_base64() -> None:
    der, pem = (certificate("ca").public_bytes(e) for e in (Encoding.DER, Encoding.PEM))
    lines = base64.encodebytes(pem).decode()
    assert parse_shared_parameters(edited(base64.b64encode(der).decode(), lines), 6) == shared(6)


def test_a_member_with_a_subsystem_code_is_that_subsystem() -> None:
    """As in X-Road's own test data."""
    assert parse_shared_parameters(edited('objectType="SUBSYSTEM"', 'objectType="MEMBER"'), 6) == shared(6)


def test_an_identifier_that_no_message_carries_harms_nobody_else() -> None:
    """X-Road's own test data have a member code with a colon: such a member cannot be talked to, all others can."""
    params = parse_shared_parameters(edited("<memberCode>G22<", "<memberCode>G22: a/b%2F<"), 6)
    assert [m.id.member_code for m in params.members] == ["G01", "G22: a/b%2F"]
    assert params.servers[0] == as_version(shared(6), 6).servers[0]


@pytest.mark.parametrize(
    ("old", "new"),
    [(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x05"), (b"\x0c\x02ca", b"\x0c\x02\xff\xfe")],
    ids=["version", "name"],
)
def test_a_certificate_that_cannot_be_read_is_found_when_it_comes(old: bytes, new: bytes) -> None:
    """Not in the middle of an exchange or of refreshing OCSP answers, where nobody expects it."""
    der = certificate("ca").public_bytes(Encoding.DER)
    assert old in der
    broken = edited(base64.b64encode(der).decode(), base64.b64encode(der.replace(old, new)).decode())
    with pytest.raises(MalformedMessage) as caught:
        parse_shared_parameters(broken, 6)
    assert caught.value.code == "malformed_global_conf"


@pytest.mark.parametrize(
    ("case", "old", "new"),
    [
        ("no instance", "<instanceIdentifier>VN</instanceIdentifier>", ""),
        ("two instances", "<instanceIdentifier>", "<instanceIdentifier>XX</instanceIdentifier><instanceIdentifier>"),
        ("instance with a slash", "<instanceIdentifier>VN", "<instanceIdentifier>V/N"),
        ("owner is a subsystem", "<owner>id0<", "<owner>id1<"),
        ("owner is nobody", "<owner>id0<", "<owner>id99<"),
        ("client is nobody", "<client>id1<", "<client>nobody<"),
        ("id twice", '<member id="id3"', '<member id="id0"'),
        ("member without id", '<member id="id0"', "<member"),
        ("not base64", "<authCertHash>", "<authCertHash>!"),
        ("not a certificate", "<cert>", "<cert>AAAA"),
        ("no freshness", "<ocspFreshnessSeconds>3600</ocspFreshnessSeconds>", ""),
        ("freshness with a sign", "<ocspFreshnessSeconds>3600", "<ocspFreshnessSeconds>-1"),
        ("freshness without end", "<ocspFreshnessSeconds>3600", "<ocspFreshnessSeconds>36000000000"),
        ("neither true nor false", "<authenticationOnly>false", "<authenticationOnly>yes"),
        ("subsystem type without code", 'objectType="MEMBER"', 'objectType="SUBSYSTEM"'),
        ("another object type", 'objectType="MEMBER"', 'objectType="SERVER"'),
        ("text with elements", "<serverCode>ss1", "<serverCode><b/>ss1"),
        ("another root", "x:conf", "x:other"),
        ("root of another namespace", "http://x-road.eu/xsd/xroad.xsd", "http://x-road.eu/xsd/other.xsd"),
        ("a document type", "<x:conf", "<!DOCTYPE x:conf><x:conf"),
    ],
)
def test_malformed(case: str, old: str, new: str) -> None:
    text = XML.decode()
    assert old in text
    changed = text.replace(old, new) if old == "x:conf" else text.replace(old, new, 1)
    with pytest.raises(MalformedMessage) as caught:
        parse_shared_parameters(changed.encode(), 6)
    assert caught.value.code == "malformed_global_conf", case


BOMB = b"""<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;">]><x>&b;</x>"""


@pytest.mark.parametrize("xml", [b"", b"xxx", b"<a", BOMB, BOMB.decode().encode("utf-16"), XML[:-10], b"\xff" + XML])
def test_bytes_that_are_no_such_document(xml: bytes) -> None:
    with pytest.raises(MalformedMessage) as caught:
        parse_shared_parameters(xml, 6)
    assert caught.value.code == "malformed_global_conf"


@pytest.mark.parametrize("version", [1, 7])
def test_versions_that_are_not_known(version: int) -> None:
    with pytest.raises(MalformedMessage):
        parse_shared_parameters(XML, version)


def test_white_space_around_values_does_not_count() -> None:
    assert parse_shared_parameters(edited("<serverCode>ss1", "<serverCode>\n  ss1\t"), 6) == shared(6)


def test_what_cannot_be_printed() -> None:
    stranger = Member(MemberId("VN", "GOV", "G01"), "bell \x07", (Subsystem("dancu"), Subsystem("bare")))
    with pytest.raises(ValueError, match="XML cannot hold"):
        print_shared_parameters(replace(shared(), members=(stranger, shared().members[1])), 6)
    with pytest.raises(ValueError, match="not in the list of members: VN/GOV/G22"):
        print_shared_parameters(replace(shared(), members=shared().members[:1]), 6)
    ca = shared().approved_cas[0]
    no_url = replace(ca, top=replace(ca.top, ocsp_urls=()))
    with pytest.raises(ValueError, match="more OCSP certificates"):
        print_shared_parameters(replace(shared(), approved_cas=(no_url,)), 6)


def test_text_is_escaped() -> None:
    params = replace(shared(), members=(replace(shared().members[0], name='a<b>&"c"\r\n]]>'), shared().members[1]))
    assert parse_shared_parameters(print_shared_parameters(params, 6), 6) == params


def test_freshness_is_in_whole_seconds() -> None:
    params = replace(shared(), ocsp_freshness=timedelta(seconds=42))
    assert parse_shared_parameters(print_shared_parameters(params, 6), 6).ocsp_freshness == timedelta(seconds=42)
