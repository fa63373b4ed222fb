"""The global configuration as values (reference 7.5-7.8) and the questions an exchange asks it.

`GlobalConfiguration` is immutable and is swapped as a whole; its look-up tables are built once. Content and expiry are kept
apart, because a registry signs the same content again every minute: `fingerprint` changes exactly with the content, so that
what was concluded from it survives the renewal.

Expiry (reference 7.3): the own instance expired -> TrustOutdated from every question; a foreign one expired -> as if absent.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.core.errors import TrustOutdated, UnknownSubject
from gateway.core.identifiers import ClientId, GlobalGroupId, MemberId, SecurityServerId, SubsystemId
from gateway.core.signing.trust import ApprovedCa, ApprovedTsa, InstanceTrust


@dataclass(frozen=True, slots=True)
class MemberClass:
    code: str
    description: str


@dataclass(frozen=True, slots=True)
class Subsystem:
    code: str
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Member:
    id: MemberId
    name: str
    subsystems: tuple[Subsystem, ...] = ()

    @property
    def client_ids(self) -> tuple[ClientId, ...]:
        """The member itself, then its subsystems."""
        m = self.id
        subsystems = (SubsystemId(m.instance, m.member_class, m.member_code, s.code) for s in self.subsystems)
        return (m, *subsystems)


@dataclass(frozen=True, slots=True)
class SecurityServer:
    """`auth_cert_hashes`: SHA-1 of DER in version 2, SHA-256 from version 3. `clients`: the owner is always one of them.
    `maintenance`: None when in service, otherwise the administrator's message, which may be empty."""

    id: SecurityServerId
    address: str | None
    auth_cert_hashes: tuple[bytes, ...]
    clients: frozenset[ClientId]
    maintenance: str | None = None


@dataclass(frozen=True, slots=True)
class GlobalGroup:
    id: GlobalGroupId
    description: str
    members: frozenset[ClientId]


@dataclass(frozen=True, slots=True)
class ConfigurationSource:
    """Where shared-params says configuration is served. Certificates are the bytes as stored: their hash chooses (7.2)."""

    address: str
    internal_certificates: tuple[bytes, ...] = ()
    external_certificates: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class SharedParameters:
    """`shared-params.xml` of one instance (reference 7.5). `version` decides the algorithm of `auth_cert_hashes`."""

    instance: str
    version: int
    ocsp_freshness: timedelta
    sources: tuple[ConfigurationSource, ...] = ()
    approved_cas: tuple[ApprovedCa, ...] = ()
    approved_tsas: tuple[ApprovedTsa, ...] = ()
    member_classes: tuple[MemberClass, ...] = ()
    members: tuple[Member, ...] = ()
    servers: tuple[SecurityServer, ...] = ()
    groups: tuple[GlobalGroup, ...] = ()


@dataclass(frozen=True, slots=True)
class AnchorSource:
    """`verification_certificates`: bytes as stored, never interpreted before a directory names one by hash (7.2)."""

    url: str
    verification_certificates: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Anchor:
    """A configuration anchor (reference 7.4)."""

    instance: str
    sources: tuple[AnchorSource, ...]
    generated_at: datetime | None = None

    @property
    def verification_certificates(self) -> tuple[bytes, ...]:
        return tuple(c for source in self.sources for c in source.verification_certificates)


@dataclass(frozen=True, slots=True)
class ManagementService:
    """`registration_certificate`: bytes as stored; the TLS certificate of the registration service must equal it (8.4)."""

    registration_address: str
    provider: ClientId
    registration_certificate: bytes | None = None


@dataclass(frozen=True, slots=True)
class PrivateParameters:
    """`private-params.xml`, of the own instance only (reference 7.6). `anchors`: the federated instances."""

    instance: str
    management: ManagementService
    time_stamping_interval: timedelta
    anchors: tuple[Anchor, ...] = ()


@dataclass(frozen=True, slots=True)
class OptionalParts:
    """FETCHINTERVAL, NEXTUPDATE and MONITORING with X-Road's defaults (reference 7.7)."""

    ocsp_fetch_interval: timedelta = timedelta(seconds=1200)
    verify_next_update: bool = True
    monitoring_clients: frozenset[ClientId] = frozenset()


def auth_cert_hash(der: bytes, version: int) -> bytes:
    """How shared-params of this version name an authentication certificate (reference 7.5)."""
    if version == 2:
        return hashlib.sha1(
            der, usedforsecurity=False
        ).digest()  # the format's choice; versions 3 and later replaced it
    return hashlib.sha256(der).digest()


@dataclass(frozen=True, slots=True)
class _Tables:
    servers: Mapping[SecurityServerId, SecurityServer]
    servers_by_client: Mapping[ClientId, tuple[SecurityServer, ...]]
    servers_by_cert: Mapping[tuple[str, bytes], tuple[SecurityServer, ...]]
    groups_by_client: Mapping[ClientId, frozenset[GlobalGroupId]]
    clients: frozenset[ClientId]
    trust: Mapping[str, InstanceTrust]


@dataclass(frozen=True, slots=True, eq=False)
class GlobalConfiguration:
    """Built by `assembly.assemble` only. `files`: what `/verificationconf` serves and the message log keeps (reference 2.4),
    named as in a configuration directory; with them alone the configuration can be built again (without private parameters
    and optional parts). `expiries`: by instance, None = never."""

    own_instance: str
    fingerprint: str
    files: Mapping[str, bytes]
    instances: Mapping[str, SharedParameters]
    expiries: Mapping[str, datetime | None]
    private: PrivateParameters | None
    options: OptionalParts
    _tables: _Tables | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if self._tables is None:
            own = self.instances[self.own_instance]
            object.__setattr__(self, "_tables", _build_tables(self.instances.values(), own, self.options))

    def renewed(self, expiries: Mapping[str, datetime | None]) -> GlobalConfiguration:
        """The same content, vouched for until other moments. Costs nothing."""
        return replace(self, expiries=expiries)

    @property
    def expires(self) -> datetime | None:
        return self.expiries[self.own_instance]

    def ensure_current(self, now: datetime) -> None:
        """TrustOutdated once the own instance's configuration has expired."""
        if not self._is_current(self.own_instance, now):
            raise TrustOutdated("The global configuration of this server has expired")

    def shared(self, instance: str, now: datetime) -> SharedParameters:
        """UnknownSubject when the instance is unknown or a foreign one that has expired."""
        self._ensure_known(instance, now)
        return self.instances[instance]

    def is_registered_client(self, client: ClientId, now: datetime) -> bool:
        """Whether the member or subsystem stands in the configuration, served by a security server or not."""
        self._ensure_known(client.instance, now)
        return client in self._index.clients

    def servers_of(self, client: ClientId, now: datetime) -> tuple[SecurityServer, ...]:
        """Every security server that has exactly this client, owners included (reference 3.2). UnknownSubject as `shared`."""
        self._ensure_known(client.instance, now)
        return self._index.servers_by_client.get(client, ())

    def server(self, id: SecurityServerId, now: datetime) -> SecurityServer | None:
        server = self._index.servers.get(id)
        return server if server is not None and self._is_usable(id.instance, now) else None

    def is_registered_auth_cert(self, der: bytes, now: datetime) -> bool:
        """Whether any security server of any current instance has this authentication certificate."""
        return any(self._servers_with(der, instance) for instance in self.instances if self._is_usable(instance, now))

    def server_with_auth_cert(self, der: bytes, client: ClientId, now: datetime) -> SecurityServer | None:
        """The server with this authentication certificate that has `client` (reference 3.3: `authCertMatchesMember`)."""
        if not self._is_usable(client.instance, now):
            return None
        return next((s for s in self._servers_with(der, client.instance) if client in s.clients), None)

    def trust(self, instance: str, now: datetime) -> InstanceTrust:
        """UnknownSubject as `shared`."""
        self._ensure_known(instance, now)
        return self._index.trust[instance]

    def groups_of(self, client: ClientId, now: datetime) -> frozenset[GlobalGroupId]:
        """Global groups of every current instance that name exactly this client."""
        groups = self._index.groups_by_client.get(client, frozenset())
        return frozenset(g for g in groups if self._is_usable(g.instance, now))

    def ca_certificates(self) -> tuple[x509.Certificate, ...]:
        """CA certificates, top and intermediate, of all instances (reference 3.1: the list shown in TLS handshakes)."""
        cas = (ca for shared in self.instances.values() for ca in shared.approved_cas)
        return tuple(c.certificate for ca in cas for c in ca.certificates)

    def approved_tsas(self, now: datetime) -> tuple[ApprovedTsa, ...]:
        """Time-stamping authorities of every current instance (reference 7.8)."""
        current = (shared for name, shared in self.instances.items() if self._is_usable(name, now))
        return tuple(tsa for shared in current for tsa in shared.approved_tsas)

    @property
    def _index(self) -> _Tables:
        assert self._tables is not None
        return self._tables

    def _is_current(self, instance: str, now: datetime) -> bool:
        expires = self.expiries[instance]
        return expires is None or now < expires

    def _is_usable(self, instance: str, now: datetime) -> bool:
        if instance == self.own_instance:
            self.ensure_current(now)
            return True
        return instance in self.instances and self._is_current(instance, now)

    def _ensure_known(self, instance: str, now: datetime) -> None:
        if not self._is_usable(instance, now):
            raise UnknownSubject(f"Shared params for instance identifier {instance} not found", code="internal_error")

    def _servers_with(self, der: bytes, instance: str) -> tuple[SecurityServer, ...]:
        key = (instance, auth_cert_hash(der, self.instances[instance].version))
        return self._index.servers_by_cert.get(key, ())


def _build_tables(instances: Iterable[SharedParameters], own: SharedParameters, options: OptionalParts) -> _Tables:
    servers: dict[SecurityServerId, SecurityServer] = {}
    by_client: dict[ClientId, list[SecurityServer]] = {}
    by_cert: dict[tuple[str, bytes], list[SecurityServer]] = {}
    groups: dict[ClientId, set[GlobalGroupId]] = {}
    clients: set[ClientId] = set()
    trust: dict[str, InstanceTrust] = {}
    for shared in instances:
        trust[shared.instance] = _instance_trust(shared, own.ocsp_freshness, options.verify_next_update)
        clients.update(c for member in shared.members for c in member.client_ids)
        for server in shared.servers:
            servers[server.id] = server
            for client in server.clients:
                by_client.setdefault(client, []).append(server)
            for value in server.auth_cert_hashes:
                by_cert.setdefault((shared.instance, value), []).append(server)
        for group in shared.groups:
            for client in group.members:
                groups.setdefault(client, set()).add(group.id)
    return _Tables(
        servers=servers,
        servers_by_client={k: tuple(v) for k, v in by_client.items()},
        servers_by_cert={k: tuple(v) for k, v in by_cert.items()},
        groups_by_client={k: frozenset(v) for k, v in groups.items()},
        clients=frozenset(clients),
        trust=trust,
    )


def _instance_trust(shared: SharedParameters, freshness: timedelta, verify_next_update: bool) -> InstanceTrust:
    """Freshness and next-update rule are the own instance's (reference 7.8)."""
    pieces: list[bytes] = [repr((shared.instance, freshness, verify_next_update)).encode()]
    for ca in shared.approved_cas:
        pieces.append(repr((ca.name, ca.authentication_only, ca.profile, len(ca.certificates))).encode())
        for c in ca.certificates:
            pieces.append(repr((c.ocsp_urls, len(c.ocsp_certificates))).encode())
            pieces.extend(x.public_bytes(Encoding.DER) for x in (c.certificate, *c.ocsp_certificates))
    content = b"".join(hashlib.sha256(p).digest() for p in pieces)
    return InstanceTrust(
        shared.instance, shared.approved_cas, freshness, verify_next_update, hashlib.sha256(content).digest()
    )
