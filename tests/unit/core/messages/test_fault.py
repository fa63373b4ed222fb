"""Faults: the exact shape X-Road writes, what is read, and what the information system gets (reference 1.6, 3.11)."""

from __future__ import annotations

import json

import pytest

from gateway.core.errors import MalformedMessage
from gateway.core.messages.fault import Fault, http_status, parse_soap_fault, print_rest_error, print_soap_fault

HEAD = (
    b'<?xml version="1.0" encoding="UTF-8"?><SOAP-ENV:Envelope xmlns:SOAP-ENV="http://schemas.xmlsoap.org/soap/envelope/">'
    b"<SOAP-ENV:Body>"
)
TAIL = b"</SOAP-ENV:Body></SOAP-ENV:Envelope>"


def envelope(inner: bytes) -> bytes:
    return HEAD + inner + TAIL


def fault_xml(inner: bytes) -> bytes:
    return envelope(b"<SOAP-ENV:Fault>" + inner + b"</SOAP-ENV:Fault>")


PRINTED = {
    "all fields": (
        Fault("server.serverproxy.access_denied", "Request is not allowed", "43b6825b", ""),
        b"<faultcode>server.serverproxy.access_denied</faultcode><faultstring>Request is not allowed</faultstring>"
        b'<faultactor></faultactor><detail><faultDetail xmlns="">43b6825b</faultDetail></detail>',
    ),
    "only what is needed": (Fault("c", ""), b"<faultcode>c</faultcode><faultstring></faultstring>"),
    "escaped": (
        Fault("c", "<&>\"'\r\n đ", "]]>"),
        "<faultcode>c</faultcode><faultstring>&lt;&amp;&gt;&quot;&apos;&#13;\n đ</faultstring>"
        '<detail><faultDetail xmlns="">]]&gt;</faultDetail></detail>'.encode(),
    ),
}


@pytest.mark.parametrize(("fault", "inner"), PRINTED.values(), ids=PRINTED.keys())
def test_print_and_parse(fault: Fault, inner: bytes) -> None:
    assert print_soap_fault(fault) == fault_xml(inner)
    assert parse_soap_fault(fault_xml(inner)) == fault


def test_percent_and_illegal_characters_do_not_leave() -> None:
    """A real server runs fault texts through a format function: `%b` would become an empty HTTP 200 (reference 1.6)."""
    printed = print_soap_fault(Fault("c", "a%b\0\ud800", "%2F", "%"))
    assert b"%" not in printed
    assert parse_soap_fault(printed) == Fault("c", "a(percent)b\ufffd\ufffd", "(percent)2F", "(percent)")


def test_foreign_shapes_are_read() -> None:
    parsed = parse_soap_fault(
        b'<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" xmlns:x="http://x-road.eu/xsd/xroad.xsd"><s:Header/>'
        b"<s:Body><s:Fault>\n<faultcode> Server.ServerProxy.AccessDenied\n</faultcode><faultstring>no<!-- c -->pe"
        b"</faultstring><faultactor>ACTOR</faultactor>\n<detail>\n <x:faultDetail>DET<x:b>AIL</x:b></x:faultDetail>\n"
        b"</detail></s:Fault></s:Body></s:Envelope>"
    )
    assert parsed == Fault("Server.ServerProxy.AccessDenied", "nope", "DETAIL", "ACTOR")


@pytest.mark.parametrize(
    ("detail", "expected"),
    [(b"<detail> x </detail>", "x"), (b"<detail/>", None), (b"<detail> </detail>", None), (b"", None)],
)
def test_detail_without_element(detail: bytes, expected: str | None) -> None:
    assert parse_soap_fault(fault_xml(b"<faultcode>c</faultcode>" + detail)) == Fault("c", "", expected)


BAD = {
    "empty": (b"", "invalid_xml"),
    "no XML": (b"<html", "invalid_xml"),
    "doctype": (b"<!DOCTYPE a>" + fault_xml(b"<faultcode>c</faultcode>")[38:], "invalid_xml"),
    "doctype in UTF-16": ("<?xml version='1.0'?><!DOCTYPE a><a/>".encode("utf-16"), "invalid_xml"),
    "doctype in UTF-7": (
        b'<?xml version="1.0" encoding="UTF-7"?>+ADwAIQ-DOCTYPE a [+ADwAIQ-ENTITY e "x">]><a>&e;</a>',
        "invalid_xml",
    ),
    "unknown entity": (fault_xml(b"<faultcode>&x;</faultcode>"), "invalid_xml"),
    "over 1 MiB": (fault_xml(b"<faultcode>c</faultcode><faultstring>" + b"a" * 1024 * 1024), "invalid_xml"),
    "too deep": (b"<a>" * 5000 + b"</a>" * 5000, "invalid_xml"),
    "no envelope": (b"<Fault/>", "invalid_soap"),
    "SOAP 1.2": (HEAD.replace(b"schemas.xmlsoap.org/soap", b"www.w3.org/2003/05/soap") + TAIL, "invalid_soap"),
    "no body": (HEAD[:-15] + b"</SOAP-ENV:Envelope>", "missing_body"),
    "two bodies": (HEAD[:-15] + b"<SOAP-ENV:Body/><SOAP-ENV:Body/></SOAP-ENV:Envelope>", "invalid_soap"),
    "empty body": (envelope(b""), "invalid_soap"),
    "two elements in the body": (envelope(b"<a/><b/>"), "invalid_body"),
    "not a fault": (envelope(b"<Fault/>"), "invalid_soap"),
    "no code": (fault_xml(b"<faultstring>x</faultstring>"), "invalid_soap"),
    "empty code": (fault_xml(b"<faultcode> </faultcode>"), "invalid_soap"),
    "header injected by the code": (fault_xml(b"<faultcode>a&#13;&#10;Set-Cookie:x</faultcode>"), "invalid_soap"),
    "percent in the code": (fault_xml(b"<faultcode>a%b</faultcode>"), "invalid_soap"),
    "long code": (fault_xml(b"<faultcode>" + b"a" * 256 + b"</faultcode>"), "invalid_soap"),
    "two codes": (fault_xml(b"<faultcode>a</faultcode><faultcode>b</faultcode>"), "invalid_soap"),
}


@pytest.mark.parametrize(("xml", "code"), BAD.values(), ids=BAD.keys())
def test_parse_fail(xml: bytes, code: str) -> None:
    with pytest.raises(MalformedMessage) as e:
        parse_soap_fault(xml)
    assert e.value.code == code


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        (None, "application/json"),
        ("", "application/json"),
        ("*/*", "application/json"),
        ("application/*", "application/json"),
        ("text/html, application/json;q=0.9", "application/json"),
        ("text/xml-ish", "application/json"),
        ("text/xml", "text/xml;charset=utf-8"),
        ("text/*", "text/xml;charset=utf-8"),
        ("application/json, Application/XML ; q=0.1, text/xml", "application/xml;charset=utf-8"),
        ("a;b=c,d , TEXT/XML;charset=x", "text/xml;charset=utf-8"),
    ],
)
def test_accept_decides(accept: str | None, content_type: str) -> None:
    assert print_rest_error(Fault("c", "t"), accept)[0] == content_type


def test_json_error() -> None:
    body = print_rest_error(Fault("server.clientproxy.network_error", 'đ "x" %', None), None)[1]
    assert body == b'{"type":"server.clientproxy.network_error","message":"\\u0111 \\"x\\" %","detail":null}'
    assert json.loads(body)["message"] == 'đ "x" %'


def test_xml_error() -> None:
    assert print_rest_error(Fault("c", "<đ>\0", "d"), "text/xml")[1] == (
        '<?xml version="1.0" encoding="UTF-8" standalone="no"?>'
        "<error><type>c</type><message>&lt;đ&gt;\ufffd</message><detail>d</detail></error>".encode()
    )
    assert b"<detail></detail>" in print_rest_error(Fault("c", "t"), "text/xml")[1]


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("server.clientproxy.network_error", 500),
        ("Server.ServerProxy.AccessDenied", 500),
        ("client.invalid_http_method", 400),
        ("server", 400),
        ("serverproxy.x", 400),
        ("", 400),
    ],
)
def test_status(code: str, status: int) -> None:
    assert http_status(code) == status
