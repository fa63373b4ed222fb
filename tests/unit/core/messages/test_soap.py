"""SOAP messages: just enough to know whose signature to expect (reference 3.11)."""

from __future__ import annotations

from base64 import b64encode

import pytest

from gateway.core.errors import MalformedMessage
from gateway.core.identifiers import MemberId, SecurityServerId, ServiceId, SubsystemId
from gateway.core.messages.soap import SoapMessage, parse_soap

SHA512 = "http://www.w3.org/2001/04/xmlenc#sha512"
MEMBER = (("xRoadInstance", "VN"), ("memberClass", "GOV"), ("memberCode", "G01"))


def identifier(header: str, kind: str, *pieces: tuple[str, str]) -> str:
    inner = "".join(f"<i:{name}>{value}</i:{name}>" for name, value in pieces)
    return f'<x:{header} i:objectType="{kind}">{inner}</x:{header}>'


FIELDS = {
    "client": identifier("client", "SUBSYSTEM", *MEMBER, ("subsystemCode", "hotich")),
    "service": identifier("service", "SERVICE", *MEMBER, ("subsystemCode", "dancu"), ("serviceCode", "getPerson")),
    "id": "<x:id>abc</x:id>",
    "protocolVersion": "<x:protocolVersion>4.0</x:protocolVersion>",
}


def message(body: str = "<getPerson/>", **fields: str) -> bytes:
    header = "".join({**FIELDS, **fields}.values())
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"'
        ' xmlns:x="http://x-road.eu/xsd/xroad.xsd" xmlns:i="http://x-road.eu/xsd/identifiers">'
        f"<s:Header>{header}</s:Header><s:Body>{body}</s:Body></s:Envelope>"
    ).encode()


def test_request() -> None:
    assert parse_soap(message()) == SoapMessage(
        client=SubsystemId("VN", "GOV", "G01", "hotich"),
        service=ServiceId(SubsystemId("VN", "GOV", "G01", "dancu"), "getPerson"),
        message_id="abc",
        security_server=None,
        request_hash=None,
        is_response=False,
    )


def test_response_of_a_member_with_everything() -> None:
    digest = bytes(range(64))
    parsed = parse_soap(
        message(
            body='<n:getPersonResponse xmlns:n="urn:x"/>',
            client=identifier("client", "MEMBER", *MEMBER),
            service=identifier("service", "SERVICE", *MEMBER, ("serviceCode", "getPerson"), ("serviceVersion", "v1")),
            server=identifier("securityServer", "SERVER", *MEMBER, ("serverCode", "ss1")),
            hash=f'<x:requestHash algorithmId="{SHA512}">\n{b64encode(digest).decode()}\n</x:requestHash>',
            foreign='<id xmlns="urn:other">not ours</id><id xmlns="urn:other"/>',
        )
    )
    member = MemberId("VN", "GOV", "G01")
    assert parsed == SoapMessage(
        client=member,
        service=ServiceId(member, "getPerson", "v1"),
        message_id="abc",
        security_server=SecurityServerId("VN", "GOV", "G01", "ss1"),
        request_hash=digest,
        is_response=True,
    )


def test_comment_does_not_cut_a_value() -> None:
    assert parse_soap(message(id="<x:id>abc<!-- -->d<![CDATA[e]]><?p i?>f</x:id>")).message_id == "abcdef"


BAD = {
    "no XML": (b"\0", "invalid_xml"),
    "doctype": (message().replace(b"<s:Env", b"<!DOCTYPE x><s:Env", 1), "invalid_xml"),
    "entity bomb": (
        message(id="<x:id>&a;</x:id>").replace(b"<s:Env", b'<!DOCTYPE x [<!ENTITY a "x">]><s:Env', 1),
        "invalid_xml",
    ),
    "other encoding": (message().decode().replace("UTF-8", "UTF-16").encode("utf-16"), "invalid_xml"),
    "no client": (message(client=""), "missing_header_field"),
    "no service": (message(service=""), "missing_header_field"),
    "no id": (message(id=""), "missing_header_field"),
    "no version": (message(protocolVersion=""), "missing_header_field"),
    "empty id": (message(id="<x:id/>"), "missing_header_field"),
    "long id": (message(id=f"<x:id>{'a' * 256}</x:id>"), "missing_header_field"),
    "client twice": (message(again=FIELDS["client"]), "duplicate_header_field"),
    "unused header twice": (message(a="<x:issue/>", b="<x:issue/>"), "duplicate_header_field"),
    "version 3": (message(protocolVersion="<x:protocolVersion>3.1</x:protocolVersion>"), "invalid_protocol_version"),
    "version without minor": (
        message(protocolVersion="<x:protocolVersion>4</x:protocolVersion>"),
        "invalid_protocol_version",
    ),
    "body of another service": (message(body="<other/>"), "inconsistent_headers"),
    "empty body": (message(body=""), "invalid_body"),
    "two bodies": (message(body="<getPerson/><getPerson/>"), "invalid_body"),
    "no object type": (message(client=FIELDS["client"].replace("SUBSYSTEM", "")), "invalid_soap"),
    "wrong object type": (message(client=FIELDS["client"].replace("SUBSYSTEM", "MEMBER")), "invalid_soap"),
    "client is a service": (
        message(client=identifier("client", "SERVICE", *MEMBER, ("serviceCode", "x"))),
        "invalid_soap",
    ),
    "service is a client": (message(service=identifier("service", "MEMBER", *MEMBER)), "invalid_soap"),
    "server is a member": (message(s=identifier("securityServer", "MEMBER", *MEMBER)), "invalid_soap"),
    "pieces in another order": (message(client=identifier("client", "MEMBER", *reversed(MEMBER))), "invalid_soap"),
    "pieces of another namespace": (
        message(client=identifier("client", "MEMBER", *MEMBER).replace("i:m", "x:m")),
        "invalid_soap",
    ),
    "element inside a piece": (message(client=FIELDS["client"].replace("hotich", "<a/>hotich")), "invalid_soap"),
    "empty piece": (message(client=FIELDS["client"].replace("hotich", "")), "internal_error"),
    "hash of another algorithm": (
        message(h=f"<x:requestHash>{b64encode(bytes(64)).decode()}</x:requestHash>"),
        "invalid_soap",
    ),
    "short hash": (message(h=f'<x:requestHash algorithmId="{SHA512}">AAAA</x:requestHash>'), "invalid_soap"),
    "hash not base64": (message(h=f'<x:requestHash algorithmId="{SHA512}">foo</x:requestHash>'), "invalid_soap"),
}


@pytest.mark.parametrize(("part", "code"), BAD.values(), ids=BAD.keys())
def test_parse_fail(part: bytes, code: str) -> None:
    with pytest.raises(MalformedMessage) as e:
        parse_soap(part)
    assert e.value.code == code
