"""May this client call this? One function, asked by the provider's side after the signature is verified (reference 8.1)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from gateway.core.errors import MalformedMessage
from gateway.core.identifiers import ClientId, GlobalGroupId, LocalGroupId, ServiceId
from gateway.core.remembering import remembered_by_object
from gateway.core.serverconf.model import AccessRight, Client, ClientStatus, Endpoint, ServerConf, Service, Subject
from gateway.core.serverconf.paths import glob_matches, path_segments, readings
from gateway.core.values import quick


@quick
@dataclass(frozen=True, slots=True)
class Grant:
    """`rule`: the first right that matched, for people; `metaservice` for those. `purposes`: codes of the purposes that all rights
    that matched allow together; None when one of them leaves that to the service's contract."""

    rule: str
    purposes: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Denial:
    """`code`: X-Road code without prefix; `reason`: a sentence for the caller."""

    code: str
    reason: str


def decide_access(
    conf: ServerConf,
    groups: frozenset[GlobalGroupId],
    client: ClientId,
    service: ServiceId,
    verb: str,
    service_path: str,
) -> tuple[Service, Grant] | Denial:
    """Grant by the first matching right, or the reason why not. `groups`: the global groups of `client`; `service_path`: raw.

    In X-Road's order (reference 8.1): unknown_member, unknown_service, access_denied, service_disabled. `service_type` cannot
    occur: the server configuration knows only services that are called by REST.
    """
    provider = conf.clients.get(service.client)
    if provider is None or provider.status is not ClientStatus.REGISTERED:
        return Denial("unknown_member", f"Client '{service.client}' not found")
    found = provider.services.get(service.service_code)
    if found is None or service.service_version is not None:
        return Denial("unknown_service", f"Unknown service: {service}")
    rights = _matching_rights(provider, groups, client, found.code, verb, service_path)
    if isinstance(rights, Denial):
        return rights
    if not rights:
        return Denial("access_denied", f"Request is not allowed: {service}")
    if found.disabled_notice is not None:
        return Denial("service_disabled", f"Service {service} is disabled: {found.disabled_notice}")
    return found, Grant(_print_right(rights[0]), _purposes(rights))


def _purposes(rights: tuple[AccessRight, ...]) -> frozenset[str] | None:
    if any(right.purposes is None for right in rights):
        return None
    return frozenset(code for right in rights for code in right.purposes or ())


def _matching_rights(
    provider: Client, groups: frozenset[GlobalGroupId], client: ClientId, code: str, verb: str, service_path: str
) -> tuple[AccessRight, ...] | Denial:
    """A right to the whole service needs an unambiguous path too: the provider may serve several things under one URL."""
    try:
        segments = path_segments(service_path)
    except MalformedMessage as e:
        return Denial("access_denied", f"Request is not allowed: {e.safe_detail}")
    paths = readings(segments)
    rights = rights_of(provider, groups, client, code)
    return tuple(right for right in rights if right.endpoint.is_base or _covers(right.endpoint, verb, paths))


def _covers(endpoint: Endpoint, verb: str, paths: tuple[str, ...]) -> bool:
    """HEAD is a method of its own: a right to GET does not include it."""
    return (
        endpoint.method.upper() in ("*", verb.upper())
        and bool(paths)
        and all(glob_matches(endpoint.path, p) for p in paths)
    )


def rights_of(provider: Client, groups: frozenset[GlobalGroupId], client: ClientId, code: str) -> Iterable[AccessRight]:
    """The rights that `client` has to a service: its own, its global groups', its local groups' at `provider`."""
    local = (group for group, members in provider.local_groups.items() if client in members)
    subjects: frozenset[Subject] = frozenset((client, *groups, *local))
    return (right for right in provider.rights if right.service_code == code and right.subject in subjects)


def allowed_endpoints(
    provider: Client, groups: frozenset[GlobalGroupId], client: ClientId, service: Service
) -> tuple[Endpoint, ...] | None:
    """The service's configured endpoints that `client` may use, the base endpoint never among them; None: no right at all
    (reference 2.2)."""
    rights = tuple(rights_of(provider, groups, client, service.code))
    if not rights:
        return None
    return tuple(
        e
        for e in service.endpoints
        if not e.is_base and any(r.endpoint.is_base or _covers(r.endpoint, e.method, (e.path,)) for r in rights)
    )


@remembered_by_object(4096)
def _print_right(right: AccessRight) -> str:
    kind = {GlobalGroupId: "group ", LocalGroupId: "local group "}.get(type(right.subject), "")
    what = "the whole service" if right.endpoint.is_base else f"{right.endpoint.method} {right.endpoint.path}"
    return f"{kind}{right.subject}: {what}"
