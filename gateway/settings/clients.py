"""The clients of a security server in its settings: who connects how, what is served, who may call."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from gateway.core.errors import SettingsError
from gateway.core.messages.rest import VERBS
from gateway.core.serverconf.metaservices import METASERVICES
from gateway.core.serverconf.model import BASE_ENDPOINT, Endpoint
from gateway.core.serverconf.paths import check_glob, glob_matches
from gateway.settings.codes import Code
from gateway.settings.common import CertificateFile, Duration, ExistingFile, Strict, text
from gateway.settings.content import DocumentsSettings
from gateway.settings.contentrules import document_findings
from gateway.settings.contracts import ContractSettings, load_contract
from gateway.settings.loader import Finding, nearest
from gateway.settings.names import ClientName, ClientRef, GranteeName, LocalGroupRef, Piece
from gateway.settings.openapi import openapi_endpoints
from gateway.settings.ownservices import DOCUMENTS, ServiceUrl
from gateway.settings.references import duplicates, misread_instance
from gateway.settings.yaml12 import Place


def _endpoint(value: str) -> Endpoint:
    method, blank, path = value.partition(" ")
    if not blank or (method != "*" and method not in VERBS):
        raise ValueError(f"{value!r} is not an endpoint such as 'GET /v1/persons/*': method, one blank, path")
    return Endpoint(method, check_glob(path))


def _service_code(value: str) -> str:
    if value in METASERVICES:
        raise ValueError(f"{value!r} is a metaservice of the server itself")
    return value


EndpointName = Annotated[
    Endpoint,
    text(_endpoint),
    WithJsonSchema({"type": "string", "pattern": r"^(\*|[A-Z]+) ", "examples": ["GET /v1/persons/*"]}),
]
ServiceCode = Annotated[Piece, BeforeValidator(lambda v: _service_code(v) if isinstance(v, str) else v)]


class InformationSystems(Strict):
    authentication: Literal["http", "https", "mutual_tls"] = "mutual_tls"
    certificates: tuple[CertificateFile, ...] = ()

    @model_validator(mode="after")
    def _somebody_can_connect(self) -> Self:
        if self.model_fields_set and self.authentication == "mutual_tls" and not self.certificates:
            raise ValueError("'mutual_tls' without 'certificates' lets nobody connect")
        return self


class RightSettings(Strict):
    to: GranteeName
    allow: Annotated[tuple[EndpointName, ...], Field(min_length=1)] | None = None
    purposes: Annotated[tuple[Code, ...], Field(min_length=1)] | None = None


class ServiceSettings(Strict):
    """REST, or OPENAPI3 when `openapi` names the description. `url`: `gateway:<name>` for one that the server answers itself."""

    code: ServiceCode
    url: ServiceUrl
    openapi: ExistingFile | None = None
    contract: ExistingFile | None = None
    documents: DocumentsSettings | None = None
    endpoints: tuple[EndpointName, ...] = ()
    timeout: Duration = timedelta(seconds=60)
    verify_tls: bool = True
    disabled: str | None = None
    rights: tuple[RightSettings, ...] = ()

    @model_validator(mode="after")
    def _one_list_of_endpoints(self) -> Self:
        if self.openapi is not None and self.endpoints:
            raise ValueError("'endpoints' come from 'openapi': give only one of them")
        if self.own and (self.openapi is not None or self.endpoints):
            raise ValueError(f"{self.url!r} describes itself: give neither 'openapi' nor 'endpoints'")
        return self

    @property
    def own(self) -> bool:
        """The server answers it itself."""
        return self.url in DOCUMENTS

    @property
    def description(self) -> Path | None:
        """Its OpenAPI document."""
        return DOCUMENTS.get(self.url, self.openapi)


class ClientSettings(Strict):
    id: ClientName
    status: Literal["registered", "saved", "disabled"] = "registered"
    information_systems: InformationSystems = InformationSystems()
    local_groups: dict[Piece, tuple[ClientName, ...]] = Field(default_factory=dict)
    services: tuple[ServiceSettings, ...] = ()


def service_endpoints(settings: ServiceSettings) -> tuple[Endpoint, ...]:
    """Of the OpenAPI document, else as listed, else those that rights name."""
    if settings.description is not None:
        return openapi_endpoints(settings.description)
    named = (e for right in settings.rights for e in right_endpoints(right) if not e.is_base)
    return settings.endpoints or tuple(dict.fromkeys(named))


def service_name(client: ClientSettings, service: ServiceSettings, instance: str) -> str:
    """As contracts name it: `VN/GOV/G01/dancu/person`."""
    return f"{client.id.resolve(instance)}/{service.code}"


def right_endpoints(right: RightSettings) -> tuple[Endpoint, ...]:
    return (BASE_ENDPOINT,) if right.allow is None else right.allow


def client_findings(client: ClientSettings, instance: str, path: Place, *, files: bool) -> Iterator[Finding]:
    yield from misread_instance(client.id, instance, (*path, "id"))
    if client.id.resolve(instance).instance != instance:
        yield Finding((*path, "id"), f"a client of this server belongs to instance {instance!r}")
    for code, members in client.local_groups.items():
        for j, member in enumerate(members):
            yield from misread_instance(member, instance, (*path, "local_groups", code, j))
    codes = [((*path, "services", j, "code"), s.code) for j, s in enumerate(client.services)]
    yield from duplicates(codes, "service")
    for j, service in enumerate(client.services):
        yield from _service_findings(service, client, instance, (*path, "services", j), files=files)


def _service_findings(
    service: ServiceSettings, client: ClientSettings, instance: str, path: Place, *, files: bool
) -> Iterator[Finding]:
    endpoints: tuple[Endpoint, ...] | None = None
    if files or service.openapi is None:
        try:
            endpoints = service_endpoints(service)
        except SettingsError as e:
            yield from (Finding((*path, "openapi"), problem) for problem in e.problems)
    if service.contract is None:
        yield from _purposes_without_contract(service, path)
        if service.documents is not None:
            yield Finding((*path, "documents"), "belong to services with a 'contract'")
    elif files and endpoints is not None:
        yield from _contract_findings(service, service_name(client, service, instance), endpoints, path)
    for k, right in enumerate(service.rights):
        at = (*path, "rights", k)
        if isinstance(right.to, ClientRef):
            yield from misread_instance(right.to, instance, (*at, "to"))
        if isinstance(right.to, LocalGroupRef) and right.to.code not in client.local_groups:
            close = nearest(right.to.code, client.local_groups)
            yield Finding((*at, "to"), f"this client has no local group {right.to.code!r}{close}")
        for m, wanted in enumerate(right.allow or ()):
            if endpoints is not None and not any(_meets(wanted, e) for e in endpoints):
                close = nearest(_written(wanted), map(_written, endpoints))
                yield Finding((*at, "allow", m), f"{_written(wanted)!r} matches no endpoint of the service{close}")


def _purposes_without_contract(service: ServiceSettings, path: Place) -> Iterator[Finding]:
    for k, right in enumerate(service.rights):
        if right.purposes is not None:
            yield Finding((*path, "rights", k, "purposes"), "belong to services with a 'contract'")


def _contract_findings(
    service: ServiceSettings, name: str, endpoints: tuple[Endpoint, ...], path: Place
) -> Iterator[Finding]:
    assert service.contract is not None
    try:
        contract = load_contract(service.contract, name, endpoints)
    except SettingsError as e:
        yield from (Finding((*path, "contract"), problem) for problem in e.problems)
        return
    yield from document_findings(contract, service.documents, path)
    for k, right in enumerate(service.rights):
        allowed = _purposes_met(contract, right)
        for m, code in enumerate(right.purposes or ()):
            if code not in allowed:
                text = f"the contract allows {code!r} at none of these endpoints{nearest(code, allowed)}"
                yield Finding((*path, "rights", k, "purposes", m), text)


def _purposes_met(contract: ContractSettings, right: RightSettings) -> set[str]:
    """What the contract allows at the endpoints of a right."""
    wanted = right_endpoints(right)
    declared = ((Endpoint(e.match[0], e.match[1].glob), e.purposes) for e in contract.endpoints)
    return {code for e, purposes in declared for code in purposes if any(w.is_base or _meets(w, e) for w in wanted)}


def _meets(right: Endpoint, endpoint: Endpoint) -> bool:
    """Whether there is a call that both stand for; globs are compared by their text, so a narrower right counts."""
    methods = "*" in (right.method, endpoint.method) or right.method == endpoint.method
    return methods and (glob_matches(right.path, endpoint.path) or glob_matches(endpoint.path, right.path))


def _written(endpoint: Endpoint) -> str:
    return f"{endpoint.method} {endpoint.path}"
