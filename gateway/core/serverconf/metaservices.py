"""What a security server tells about itself: services, rights, clients (reference 2.1, 2.2)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import urlsplit
from xml.sax.saxutils import escape

from gateway.core.errors import UnknownSubject
from gateway.core.globalconf.model import SharedParameters
from gateway.core.identifiers import ClientId, GlobalGroupId, SubsystemId
from gateway.core.serverconf.access import allowed_endpoints
from gateway.core.serverconf.model import Client, ClientStatus, Endpoint, ServerConf, Service, ServiceKind

METASERVICES = frozenset({"listMethods", "allowedMethods", "getOpenAPI"})

_TYPES = {
    ServiceKind.REST: "REST",
    ServiceKind.OPENAPI3: "OPENAPI",
}  # the answer's words differ from the configuration's


def list_methods(conf: ServerConf, provider: ClientId) -> dict[str, Any]:
    """JSON value: all services of `provider`. UnknownSubject when it is not registered here."""
    owner = _registered(conf, provider)
    return {"service": [_service(owner.id, s, s.endpoints) for s in owner.services.values()]}


def allowed_methods(
    conf: ServerConf, groups: frozenset[GlobalGroupId], provider: ClientId, caller: ClientId
) -> dict[str, Any]:
    """JSON value: the services that `caller` has any right to, with the endpoints it may use."""
    owner = _registered(conf, provider)
    allowed = ((s, allowed_endpoints(owner, groups, caller, s)) for s in owner.services.values())
    return {"service": [_service(owner.id, s, endpoints) for s, endpoints in allowed if endpoints is not None]}


def _registered(conf: ServerConf, provider: ClientId) -> Client:
    client = conf.clients.get(provider)
    if client is None or client.status is not ClientStatus.REGISTERED:
        raise UnknownSubject(f"Client '{provider}' not found")
    return client


def _service(owner: ClientId, service: Service, endpoints: Iterable[Endpoint]) -> dict[str, Any]:
    return {
        **_id(owner),
        "object_type": "SERVICE",
        "service_code": service.code,
        "service_type": _TYPES[service.kind],
        "endpoint_list": [{"method": e.method, "path": e.path} for e in endpoints if not e.is_base],
    }


def _id(client: ClientId) -> dict[str, str]:
    value = {
        "object_type": "SUBSYSTEM" if isinstance(client, SubsystemId) else "MEMBER",
        "xroad_instance": client.instance,
        "member_class": client.member_class,
        "member_code": client.member_code,
    }
    if isinstance(client, SubsystemId):
        value["subsystem_code"] = client.subsystem_code
    return value


def _listed(shared: SharedParameters) -> Iterator[tuple[ClientId, str, str | None]]:
    """Each member and each subsystem: id, member's name, subsystem's name."""
    for member in shared.members:
        yield member.id, member.name, None
        for subsystem in member.subsystems:
            yield (
                SubsystemId(member.id.instance, member.id.member_class, member.id.member_code, subsystem.code),
                member.name,
                subsystem.name,
            )


def list_clients(shared: SharedParameters) -> dict[str, Any]:
    """JSON value of `/listClients`; absent names are left out."""
    entries: list[dict[str, Any]] = []
    for client, name, subsystem_name in _listed(shared):
        entry: dict[str, Any] = {"id": _id(client), "name": name}
        if subsystem_name is not None:
            entry["subsystem_name"] = subsystem_name
        entries.append(entry)
    return {"member": entries}


def list_clients_xml(shared: SharedParameters) -> bytes:
    """XML of `/listClients`, UTF-8: elements qualified in X-Road's namespace, identifiers in theirs."""
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<xroad:clientList xmlns:xroad="http://x-road.eu/xsd/xroad.xsd" xmlns:id="http://x-road.eu/xsd/identifiers">'
        + "".join(_member_xml(*listed) for listed in _listed(shared))
        + "</xroad:clientList>"
    ).encode()


def _member_xml(client: ClientId, name: str, subsystem_name: str | None) -> str:
    tags = ("xRoadInstance", "memberClass", "memberCode", "subsystemCode")
    pieces = "".join(f"<id:{tag}>{escape(piece)}</id:{tag}>" for tag, piece in zip(tags, client.pieces, strict=False))
    kind = "SUBSYSTEM" if isinstance(client, SubsystemId) else "MEMBER"
    more = "" if subsystem_name is None else f"<xroad:subsystemName>{escape(subsystem_name)}</xroad:subsystemName>"
    return (
        f'<xroad:member><xroad:id id:objectType="{kind}">{pieces}</xroad:id>'
        f"<xroad:name>{escape(name)}</xroad:name>{more}</xroad:member>"
    )


def hide_servers(document: Any) -> Any:
    """A parsed OpenAPI document whose `servers[].url` (of the document, a path, an operation) is cut down to its path:
    consumers reach the service through the gateway and need not know the provider's hosts. URLs with `{variables}` stay
    (reference 2.2). The argument is not changed."""
    hidden = _with_hidden_servers(document)
    if isinstance(hidden, dict) and isinstance(hidden.get("paths"), dict):
        hidden["paths"] = {path: _path_item(item) for path, item in hidden["paths"].items()}
    return hidden


def _path_item(item: Any) -> Any:
    hidden = _with_hidden_servers(item)
    if not isinstance(hidden, dict):
        return hidden
    return {key: value if key == "servers" else _with_hidden_servers(value) for key, value in hidden.items()}


def _with_hidden_servers(value: Any) -> Any:
    """A copy, one level deep."""
    if not isinstance(value, dict) or not isinstance(value.get("servers"), list):
        return dict(value) if isinstance(value, dict) else value
    return {**value, "servers": [_server(s) for s in value["servers"]]}


def _server(server: Any) -> Any:
    if not isinstance(server, dict) or not isinstance(server.get("url"), str):
        return server
    return {**server, "url": _path_of(server["url"])}


def _path_of(url: str) -> str:
    if "{" in url:
        return url
    try:
        return urlsplit(url).path or "/"
    except ValueError:
        return "/"
