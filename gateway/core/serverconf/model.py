"""Server configuration as values (X-Road's serverconf; reference 1.4, 8.1-8.3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import TypeAlias

from gateway.core.content.rules import ContentRules
from gateway.core.disclosure.contract import ServiceContract
from gateway.core.identifiers import ClientId, GlobalGroupId, LocalGroupId, MemberId, SecurityServerId, SubsystemId


class ServiceKind(Enum):
    REST = "REST"
    OPENAPI3 = "OPENAPI3"


class ConnectionType(Enum):
    """How a client's information systems must connect. Values are X-Road's names (`client.isauthentication`)."""

    HTTP = "NOSSL"
    HTTPS = "SSLNOAUTH"
    MUTUAL_TLS = "SSLAUTH"


class ClientStatus(Enum):
    """Only a registered client may send or serve (reference 8.3)."""

    REGISTERED = "registered"
    SAVED = "saved"
    DISABLED = "disabled"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """`method`: an HTTP verb or `*`. `path`: a glob, `*` within a segment, `**` across segments (reference 8.1)."""

    method: str
    path: str

    @property
    def is_base(self) -> bool:
        return self.method == "*" and self.path == "**"


BASE_ENDPOINT = Endpoint("*", "**")

Subject: TypeAlias = MemberId | SubsystemId | GlobalGroupId | LocalGroupId


@dataclass(frozen=True, slots=True)
class AccessRight:
    """`subject` may use `endpoint` of the service, for `purposes` (codes; None: those of the contract). A member does not stand
    for its subsystems (no inheritance)."""

    subject: Subject
    service_code: str
    endpoint: Endpoint
    purposes: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Service:
    """`url`: base URL; `description_url`: where the OpenAPI 3 document is (URL or `file:` path), OPENAPI3 only;
    `timeout`: seconds until the service must have answered; `disabled_notice`: None = enabled; `contract`: None on a server that
    declares itself to keep no citizens' records; `content`: None when its contract demands nothing of the content."""

    code: str
    kind: ServiceKind
    url: str
    timeout: float = 60.0
    description_url: str | None = None
    endpoints: tuple[Endpoint, ...] = ()
    disabled_notice: str | None = None
    verify_tls: bool = True
    contract: ServiceContract | None = None
    content: ContentRules | None = None


@dataclass(frozen=True, slots=True)
class Client:
    """A client (member or subsystem) of this security server. `certificates`: DER of its information systems' TLS
    certificates; the same store judges the TLS certificate of its HTTPS services (reference 1.4)."""

    id: ClientId
    status: ClientStatus = ClientStatus.REGISTERED
    connection: ConnectionType = ConnectionType.MUTUAL_TLS
    certificates: tuple[bytes, ...] = ()
    services: Mapping[str, Service] = field(default_factory=dict)
    local_groups: Mapping[LocalGroupId, frozenset[ClientId]] = field(default_factory=dict)
    rights: tuple[AccessRight, ...] = ()


@dataclass(frozen=True, slots=True)
class ServerConf:
    """One security server's configuration, swapped as a whole. `internal_certificate`: DER of the server's internal TLS
    certificate, which is always accepted from an information system (reference 1.4)."""

    server: SecurityServerId
    clients: Mapping[ClientId, Client]
    internal_certificate: bytes | None = None
