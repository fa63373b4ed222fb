"""Faults: what one security server tells another, or the information system, instead of an answer (reference 1.6, 3.11).

Rule: a fault is unsigned hearsay. It is read, relayed and shown, never believed. Its code may be of 7.8 (`server.clientproxy.x`) or
older style (`Server.ClientProxy.X`) or none that X-Road knows.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from lxml import etree

from gateway.core.errors import MalformedMessage
from gateway.core.messages.soap import SOAP, parse_envelope

# The code travels on in the header X-Road-Error and in log lines: no spaces, no controls, no `%`.
_CODE = re.compile(r"[!-$&-~]{1,255}")
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&apos;", "\r": "&#13;"})


@dataclass(frozen=True, slots=True)
class Fault:
    """`code` with its prefixes. `detail`: usually a UUID under which the fault stands in the other side's log."""

    code: str
    text: str
    detail: str | None = None
    actor: str | None = None


def parse_soap_fault(xml: bytes) -> Fault:
    """The fault in a SOAP 1.1 envelope. MalformedMessage `invalid_soap` (or `invalid_xml`) for anything else."""
    fault = parse_envelope(xml).body
    if fault is None or fault.tag != f"{{{SOAP}}}Fault":
        raise MalformedMessage("the SOAP message is no fault", code="invalid_soap")
    code = (_text(fault, "faultcode") or "").strip()
    if not _CODE.fullmatch(code):
        raise MalformedMessage("a SOAP fault without usable code", code="invalid_soap")
    return Fault(code, _text(fault, "faultstring") or "", _detail(fault), _text(fault, "faultactor"))


def print_soap_fault(fault: Fault) -> bytes:
    """The fault exactly as X-Road writes it (reference 3.11). `%` does not survive: a peer runs texts through a format
    function and would answer with nothing at all (reference 1.6)."""
    actor = "" if fault.actor is None else f"<faultactor>{_safe(fault.actor)}</faultactor>"
    detail = (
        "" if fault.detail is None else f'<detail><faultDetail xmlns="">{_safe(fault.detail)}</faultDetail></detail>'
    )
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><SOAP-ENV:Envelope xmlns:SOAP-ENV="{SOAP}"><SOAP-ENV:Body><SOAP-ENV:Fault>'
        f"<faultcode>{_safe(fault.code)}</faultcode><faultstring>{_safe(fault.text)}</faultstring>{actor}{detail}"
        "</SOAP-ENV:Fault></SOAP-ENV:Body></SOAP-ENV:Envelope>"
    ).encode()


def print_rest_error(fault: Fault, accept: str | None) -> tuple[str, bytes]:
    """Content type and body for the information system: XML if its Accept header names an XML type, else JSON (reference 1.6).
    Several Accept headers are joined with a comma by the caller."""
    content_type = _xml_type(accept or "")
    if content_type is None:
        value = {"type": fault.code, "message": fault.text, "detail": fault.detail}
        return "application/json", json.dumps(value, separators=(",", ":")).encode("ascii")
    return f"{content_type};charset=utf-8", (
        '<?xml version="1.0" encoding="UTF-8" standalone="no"?><error>'
        f"<type>{_escape(fault.code)}</type><message>{_escape(fault.text)}</message>"
        f"<detail>{_escape(fault.detail or '')}</detail></error>"
    ).encode()


def http_status(code: str) -> int:
    """500 when a server is to blame, 400 otherwise. X-Road compares case-sensitively and so reports faults of older peers as
    400 (reference 10); we do not."""
    return 500 if code.lower().startswith("server.") else 400


def _xml_type(accept: str) -> str | None:
    """First XML media range; parameters and quality are ignored."""
    for media_range in accept.split(","):
        match media_range.partition(";")[0].strip().lower():
            case "text/xml" | "text/*":
                return "text/xml"
            case "application/xml":
                return "application/xml"
    return None


def _text(fault: etree._Element, name: str) -> str | None:
    found = [child for child in fault if child.tag == name]
    if len(found) > 1:
        raise MalformedMessage(f"a SOAP fault with two {name} elements", code="invalid_soap")
    return _content(found[0]) if found else None


def _detail(fault: etree._Element) -> str | None:
    """Text of the first element in `detail`, as X-Road writes it; else the text itself."""
    for detail in fault.iterchildren("detail"):
        if len(detail):
            return _content(detail[0])
        return (detail.text or "").strip() or None
    return None


def _content(element: etree._Element) -> str:
    return "".join(map(str, element.itertext()))


def _safe(text: str) -> str:
    return _escape(text.replace("%", "(percent)"))


def _escape(text: str) -> str:
    return _NOT_XML.sub("\ufffd", text).translate(_ESCAPES)
