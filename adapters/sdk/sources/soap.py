"""Records from a SOAP 1.1 service: one operation, one parameter, a flat answer (document/literal)."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus

import aiohttp
from lxml import etree
from yarl import URL

from adapters.sdk.problems import SourceUnavailable
from adapters.sdk.sources.http import fetch
from adapters.sdk.sources.port import Record
from gateway.core.xmlparser import NotXml, parse_tree

_SOAP = "http://schemas.xmlsoap.org/soap/envelope/"


@dataclass(frozen=True, slots=True)
class SoapSource:
    """Sends `{namespace}operation` with the key in `{namespace}parameter`; the answer's first element holds one element for each
    value, or nothing when there is no such record. `action`: the SOAPAction header; `seconds`: for a whole answer."""

    session: aiohttp.ClientSession
    url: str
    namespace: str
    operation: str
    parameter: str
    action: str = ""
    seconds: float = 5.0

    async def find(self, key: str) -> Record | None:
        try:
            envelope = self._envelope(key)
        except ValueError:
            return None  # a control character, which XML cannot hold
        headers = {"Content-Type": "text/xml; charset=utf-8", "SOAPAction": f'"{self.action}"'}
        answer = await fetch(self.session, "POST", URL(self.url), self.seconds, data=envelope, headers=headers)
        if answer.status != HTTPStatus.OK:
            raise SourceUnavailable  # a fault comes with 500
        return self._record(answer.body)

    def _envelope(self, key: str) -> bytes:
        envelope = etree.Element(f"{{{_SOAP}}}Envelope", nsmap={"soap": _SOAP})
        body = etree.SubElement(envelope, f"{{{_SOAP}}}Body")
        operation = etree.SubElement(body, f"{{{self.namespace}}}{self.operation}")
        etree.SubElement(operation, f"{{{self.namespace}}}{self.parameter}").text = key
        return etree.tostring(envelope, xml_declaration=True, encoding="utf-8")

    def _record(self, xml: bytes) -> Record | None:
        try:
            root = parse_tree(xml, keep_comments=False)
        except NotXml as e:
            raise SourceUnavailable from e
        body = root.find(f"{{{_SOAP}}}Body") if root.tag == f"{{{_SOAP}}}Envelope" else None
        if body is None or len(body) != 1 or body[0].tag == f"{{{_SOAP}}}Fault":
            raise SourceUnavailable
        values = list(body[0])
        if any(not isinstance(child.tag, str) for child in values):
            raise SourceUnavailable  # an entity, which is never expanded
        record = {etree.QName(child).localname: child.text or None for child in values}
        if len(record) != len(values) or any(len(child) for child in values):
            raise SourceUnavailable  # a value twice, or one with elements inside: not the flat answer that was agreed
        return record or None
