"""`private-params.xml` and the optional parts, which only the own instance has (reference 7.6, 7.7)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from lxml import etree

from gateway.core.globalconf import xmlform as x
from gateway.core.globalconf.anchor import print_anchor_content, read_anchor
from gateway.core.globalconf.model import ManagementService, OptionalParts, PrivateParameters


def parse_private_parameters(xml: bytes, version: int) -> PrivateParameters:
    """MalformedMessage (`malformed_global_conf`) for anything else. Versions 2 to 6 read alike (reference 7.6)."""
    if not 2 <= version <= 6:
        raise x.malformed("unsupported version of the global configuration")
    root = x.parse_root(xml, "conf")
    interval = x.seconds(x.text_of(root, "timeStampingIntervalSeconds"))
    return PrivateParameters(
        instance=x.piece(root, "instanceIdentifier"),
        management=_management(x.one(root, "managementService")),
        time_stamping_interval=timedelta(seconds=interval),
        anchors=tuple(read_anchor(e) for e in x.many(root, "configurationAnchor")),
    )


def _management(element: etree._Element) -> ManagementService:
    certificate = x.optional(element, "authCertRegServiceCert")
    return ManagementService(
        registration_address=x.text_of(element, "authCertRegServiceAddress"),
        provider=x.client_id(x.one(element, "managementRequestServiceProviderId")),
        registration_certificate=None if certificate is None else x.stored_certificate(certificate),
    )


def print_private_parameters(params: PrivateParameters, version: int) -> bytes:
    """The document in the schema's element order, the same in versions 2 to 6. ValueError for text that XML cannot hold."""
    if not 2 <= version <= 6:
        raise ValueError("unsupported version of the global configuration")
    management = params.management
    stored = management.registration_certificate
    content = (
        x.tag("authCertRegServiceAddress", management.registration_address),
        "" if stored is None else x.base64_tag("authCertRegServiceCert", stored),
        x.client_id_tag("managementRequestServiceProviderId", management.provider),
    )
    pieces = (
        x.tag("instanceIdentifier", params.instance),
        *(f"<configurationAnchor>{print_anchor_content(a)}</configurationAnchor>" for a in params.anchors),
        f"<managementService>{''.join(content)}</managementService>",
        x.tag("timeStampingIntervalSeconds", str(int(params.time_stamping_interval.total_seconds()))),
    )
    return x.document("conf", "\n".join(("", *pieces, "")))


def parse_fetch_interval(xml: bytes, options: OptionalParts) -> OptionalParts:
    """FETCHINTERVAL; below a minute is refused as in X-Road's schema."""
    value = x.text_of(x.parse_root(xml, "conf"), "ocspFetchInterval")
    return replace(options, ocsp_fetch_interval=timedelta(seconds=x.seconds(value, least=60)))


def parse_next_update(xml: bytes, options: OptionalParts) -> OptionalParts:
    """NEXTUPDATE."""
    value = x.text_of(x.parse_root(xml, "conf"), "verifyNextUpdate")
    return replace(options, verify_next_update=x.boolean(value))


def parse_monitoring(xml: bytes, options: OptionalParts) -> OptionalParts:
    """MONITORING: who may read every server's operational data."""
    clients = x.many(x.one(x.parse_root(xml, "conf"), "monitoringClient"), "monitoringClientId")
    return replace(options, monitoring_clients=frozenset(x.client_id(c) for c in clients))


OPTIONAL_PARSERS = {
    "FETCHINTERVAL": parse_fetch_interval,
    "NEXTUPDATE": parse_next_update,
    "MONITORING": parse_monitoring,
}
