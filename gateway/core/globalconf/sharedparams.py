"""`shared-params.xml`, versions 2 to 6 (reference 7.5): read what any Central Server writes, write what every server reads."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from lxml import etree

from gateway.core.globalconf import xmlform as x
from gateway.core.globalconf.model import (
    ConfigurationSource,
    GlobalGroup,
    Member,
    MemberClass,
    SecurityServer,
    SharedParameters,
    Subsystem,
)
from gateway.core.identifiers import ClientId, GlobalGroupId, MemberId, SecurityServerId
from gateway.core.signing.trust import ApprovedCa, ApprovedTsa, CaCertificate

VERSIONS = (2, 3, 4, 5, 6)


def parse_shared_parameters(xml: bytes, version: int) -> SharedParameters:
    """MalformedMessage (`malformed_global_conf`) for anything that is not shared-params of this version.

    Elements of other versions are read where they stand; only the algorithm of certificate hashes depends on `version`.
    """
    if version not in VERSIONS:
        raise x.malformed("unsupported version of the global configuration")
    root = x.parse_root(xml, "conf")
    instance = x.piece(root, "instanceIdentifier")
    settings = x.one(root, "globalSettings")
    clients_by_ref: dict[str, ClientId] = {}
    members = tuple(_member(e, instance, clients_by_ref) for e in x.many(root, "member"))
    return SharedParameters(
        instance=instance,
        version=version,
        ocsp_freshness=timedelta(seconds=x.seconds(x.text_of(settings, "ocspFreshnessSeconds"))),
        sources=tuple(_source(e) for e in x.many(root, "source")),
        approved_cas=tuple(_approved_ca(e) for e in x.many(root, "approvedCA")),
        approved_tsas=tuple(_approved_tsa(e) for e in x.many(root, "approvedTSA")),
        member_classes=tuple(_member_class(e) for e in x.many(settings, "memberClass")),
        members=members,
        servers=tuple(_server(e, clients_by_ref) for e in x.many(root, "securityServer")),
        groups=tuple(_group(e, instance) for e in x.many(root, "globalGroup")),
    )


def _source(element: etree._Element) -> ConfigurationSource:
    return ConfigurationSource(
        address=x.text_of(element, "address"),
        internal_certificates=tuple(x.stored_certificate(e) for e in x.many(element, "internalVerificationCert")),
        external_certificates=tuple(x.stored_certificate(e) for e in x.many(element, "externalVerificationCert")),
    )


def _approved_ca(element: etree._Element) -> ApprovedCa:
    only = x.optional_text(element, "authenticationOnly")
    return ApprovedCa(
        name=x.text_of(element, "name"),
        authentication_only=only is not None and x.boolean(only),
        profile=x.text_of(element, "certificateProfileInfo"),
        top=_ca_certificate(x.one(element, "topCA")),
        intermediates=tuple(_ca_certificate(e) for e in x.many(element, "intermediateCA")),
    )


def _ca_certificate(element: etree._Element) -> CaCertificate:
    responders = x.many(element, "ocsp")
    certificates = (x.optional(e, "cert") for e in responders)
    return CaCertificate(
        certificate=x.certificate(x.one(element, "cert")),
        ocsp_urls=tuple(x.text_of(e, "url") for e in responders),
        ocsp_certificates=tuple(x.certificate(c) for c in certificates if c is not None),
    )


def _approved_tsa(element: etree._Element) -> ApprovedTsa:
    certificate = x.certificate(x.one(element, "cert"))
    return ApprovedTsa(x.text_of(element, "name"), x.text_of(element, "url"), certificate)


def _member_class(element: etree._Element) -> MemberClass:
    return MemberClass(x.registered(element, "code"), x.text_of(element, "description"))


def _member(element: etree._Element, instance: str, clients_by_ref: dict[str, ClientId]) -> Member:
    member_class = x.registered(x.one(element, "memberClass"), "code")
    subsystems = x.many(element, "subsystem")
    member = Member(
        id=MemberId(instance, member_class, x.registered(element, "memberCode")),
        name=x.text_of(element, "name"),
        subsystems=tuple(
            Subsystem(x.registered(e, "subsystemCode"), x.optional_text(e, "subsystemName")) for e in subsystems
        ),
    )
    for node, client in zip((element, *subsystems), member.client_ids, strict=True):
        ref = node.get("id")
        if not ref or ref in clients_by_ref:
            raise x.malformed("a member or subsystem without an id of its own")
        clients_by_ref[ref] = client
    return member


def _server(element: etree._Element, clients_by_ref: Mapping[str, ClientId]) -> SecurityServer:
    owner = _referenced(x.one(element, "owner"), clients_by_ref)
    if not isinstance(owner, MemberId):
        raise x.malformed("the owner of a security server is not a member")
    hashes = tuple(x.base64_bytes(x.text(e)) for e in x.many(element, "authCertHash"))
    server_code = x.registered(element, "serverCode")
    maintenance = x.optional(element, "inMaintenanceMode")
    return SecurityServer(
        id=SecurityServerId(owner.instance, owner.member_class, owner.member_code, server_code),
        address=x.optional_text(element, "address") or None,
        auth_cert_hashes=hashes,
        # reference 3.2: the owner is not repeated in the list and is a client all the same
        clients=frozenset((owner, *(_referenced(e, clients_by_ref) for e in x.many(element, "client")))),
        maintenance=None if maintenance is None else x.optional_text(maintenance, "message") or "",
    )


def _referenced(element: etree._Element, clients_by_ref: Mapping[str, ClientId]) -> ClientId:
    try:
        return clients_by_ref[x.text(element)]
    except KeyError as e:
        raise x.malformed("a reference to a member or subsystem that is not there") from e


def _group(element: etree._Element, instance: str) -> GlobalGroup:
    return GlobalGroup(
        id=GlobalGroupId(instance, x.registered(element, "groupCode")),
        description=x.text_of(element, "description"),
        members=frozenset(x.client_id(e) for e in x.many(element, "groupMember")),
    )


# --- writing ---------------------------------------------------------------------------------------------------------


def print_shared_parameters(params: SharedParameters, version: int) -> bytes:
    """The document in the schema's element order; what a version does not know is left out. `params.auth_cert_hashes` are
    written as they are, so they must be this version's. ValueError for text that XML cannot hold or an unlisted client."""
    descriptions = {c.code: c.description for c in params.member_classes}
    refs = {client: f"id{n}" for n, client in enumerate(c for m in params.members for c in m.client_ids)}
    classes = "".join(_print_member_class(c.code, c.description) for c in params.member_classes)
    freshness = x.tag("ocspFreshnessSeconds", str(int(params.ocsp_freshness.total_seconds())))
    pieces = [
        x.tag("instanceIdentifier", params.instance),
        *(_print_source(s) for s in params.sources if version >= 3),
        *(_print_ca(ca) for ca in params.approved_cas),
        *(_print_tsa(tsa) for tsa in params.approved_tsas),
        *(_print_member(m, descriptions, refs, version) for m in params.members),
        *(_print_server(s, refs, version) for s in params.servers),
        *(_print_group(g) for g in params.groups),
        f"<globalSettings>{classes}{freshness}</globalSettings>",
    ]
    return x.document("conf", "\n".join(("", *pieces, "")))


def _print_source(source: ConfigurationSource) -> str:
    internal = "".join(x.base64_tag("internalVerificationCert", c) for c in source.internal_certificates)
    external = "".join(x.base64_tag("externalVerificationCert", c) for c in source.external_certificates)
    return f"<source>{x.tag('address', source.address)}{internal}{external}</source>"


def _print_ca(ca: ApprovedCa) -> str:
    intermediates = "".join(_print_ca_certificate("intermediateCA", c) for c in ca.intermediates)
    only = x.tag("authenticationOnly", "true" if ca.authentication_only else "false")
    head = f"{x.tag('name', ca.name)}{only}{_print_ca_certificate('topCA', ca.top)}{intermediates}"
    return f"<approvedCA>{head}{x.tag('certificateProfileInfo', ca.profile)}</approvedCA>"


def _print_ca_certificate(name: str, ca: CaCertificate) -> str:
    if len(ca.ocsp_certificates) > len(ca.ocsp_urls):
        raise ValueError("more OCSP certificates than responder URLs: the format has one place for each URL")
    responders = []
    for number, url in enumerate(ca.ocsp_urls):
        certificate = "".join(x.certificate_tag("cert", c) for c in ca.ocsp_certificates[number : number + 1])
        responders.append(f"<ocsp>{x.tag('url', url)}{certificate}</ocsp>")
    return f"<{name}>{x.certificate_tag('cert', ca.certificate)}{''.join(responders)}</{name}>"


def _print_tsa(tsa: ApprovedTsa) -> str:
    certificate = x.certificate_tag("cert", tsa.certificate)
    return f"<approvedTSA>{x.tag('name', tsa.name)}{x.tag('url', tsa.url)}{certificate}</approvedTSA>"


def _print_member_class(code: str, description: str) -> str:
    return f"<memberClass>{x.tag('code', code)}{x.tag('description', description)}</memberClass>"


def _print_member(member: Member, descriptions: Mapping[str, str], refs: Mapping[ClientId, str], version: int) -> str:
    member_class = member.id.member_class
    head = _print_member_class(member_class, descriptions.get(member_class, member_class))
    named = f"{head}{x.tag('memberCode', member.id.member_code)}{x.tag('name', member.name)}"
    subsystems = []
    for client, subsystem in zip(member.client_ids[1:], member.subsystems, strict=True):
        name = x.tag("subsystemName", subsystem.name) if subsystem.name and version >= 5 else ""
        code = x.tag("subsystemCode", subsystem.code)
        subsystems.append(f'<subsystem id="{refs[client]}">{code}{name}</subsystem>')
    return f'<member id="{refs[member.id]}">{named}{"".join(subsystems)}</member>'


def _print_server(server: SecurityServer, refs: Mapping[ClientId, str], version: int) -> str:
    unlisted = [str(c) for c in (server.id.owner, *server.clients) if c not in refs]
    if unlisted:
        raise ValueError(f"security server {server.id}: not in the list of members: {', '.join(sorted(unlisted))}")
    owner = server.id.owner
    address = "" if server.address is None else x.tag("address", server.address)
    hashes = "".join(x.base64_tag("authCertHash", h) for h in server.auth_cert_hashes)
    clients = "".join(x.tag("client", refs[c]) for c in sorted(server.clients - {owner}, key=str))
    maintenance = ""
    if server.maintenance is not None and version >= 5:
        message = x.tag("message", server.maintenance) if server.maintenance else ""
        maintenance = f"<inMaintenanceMode>{message}</inMaintenanceMode>"
    head = f"{x.tag('owner', refs[owner])}{x.tag('serverCode', server.id.server_code)}{address}{hashes}"
    return f"<securityServer>{head}{clients}{maintenance}</securityServer>"


def _print_group(group: GlobalGroup) -> str:
    members = "".join(x.client_id_tag("groupMember", c) for c in sorted(group.members, key=str))
    head = f"{x.tag('groupCode', group.id.group_code)}{x.tag('description', group.description)}"
    return f"<globalGroup>{head}{members}</globalGroup>"
