"""The instance: who belongs, who vouches for whom, and how it is published. `config/registry/<instance>.yaml`."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from gateway.core.identifiers import ClientId
from gateway.settings import yaml12
from gateway.settings.common import (
    CertificateFile,
    Day,
    Duration,
    FileReference,
    Host,
    HttpUrl,
    Listen,
    Secret,
    Strict,
    text,
)
from gateway.settings.loader import Finding, load, nearest
from gateway.settings.names import ClientName, ClientRef, MemberName, Piece, ServerName
from gateway.settings.references import duplicates, misread_instance

_PACKAGE = "ee.ria.xroad.common.certificateprofile.impl."
# Short names of reference 4.5; a Java class name (with dots) stands for itself.
PROFILES = {
    "ejbca": _PACKAGE + "EjbcaCertificateProfileInfoProvider",
    "fivrk": _PACKAGE + "FiVRKCertificateProfileInfoProvider",
    "fo": _PACKAGE + "FoCertificateProfileInfoProvider",
    "is": _PACKAGE + "IsCertificateProfileInfoProvider",
    "sk_klass3": _PACKAGE + "SkKlass3CertificateProfileInfoProvider",
    "sk_esteid": _PACKAGE + "SkEsteIdCertificateProfileInfoProvider",
    "basic": _PACKAGE + "BasicCertificateProfileInfoProvider",
}


def _profile(value: str) -> str:
    if value in PROFILES:
        return PROFILES[value]
    if "." not in value:
        raise ValueError(f"{value!r} is no certificate profile: {', '.join(PROFILES)} or a Java class name")
    return value


# As published: the Java class name.
Profile = Annotated[str, text(_profile)]
Version = Literal[2, 3, 4, 5, 6]


class AliasSettings(Strict):
    """A former id of a member."""

    id: MemberName
    until: Day
    decision: str | None = None


class MemberSettings(Strict):
    id: MemberName
    name: Annotated[str, Field(min_length=1)]
    aliases: tuple[AliasSettings, ...] = ()
    subsystems: dict[Piece, Annotated[str, Field(min_length=1)]] = Field(default_factory=dict)


class SecurityServerSettings(Strict):
    id: ServerName
    address: Host
    clients: tuple[ClientName, ...] = ()
    auth_certs: tuple[CertificateFile, ...] = ()
    maintenance: str | None = None


class GroupSettings(Strict):
    description: str
    members: tuple[ClientName, ...] = ()


class IntermediateSettings(Strict):
    certificate: CertificateFile
    ocsp: HttpUrl | None = None
    ocsp_certificate: CertificateFile | None = None


class CertificationAuthoritySettings(Strict):
    name: Annotated[str, Field(min_length=1)]
    certificate: CertificateFile
    ocsp: HttpUrl | None = None
    ocsp_certificate: CertificateFile | None = None
    profile: Profile
    authentication_only: bool = False
    intermediates: tuple[IntermediateSettings, ...] = ()


class TimeStampingAuthoritySettings(Strict):
    name: Annotated[str, Field(min_length=1)]
    certificate: CertificateFile
    url: HttpUrl


class InstanceTrustSettings(Strict):
    certification_authorities: Annotated[tuple[CertificationAuthoritySettings, ...], Field(min_length=1)]
    time_stamping_authorities: tuple[TimeStampingAuthoritySettings, ...] = ()
    ocsp_freshness: Duration = timedelta(hours=1)


class PublishSettings(Strict):
    listen: Listen
    address: Host | None = None
    valid_for: Duration = timedelta(minutes=10)
    refresh: Duration = timedelta(minutes=1)
    versions: Annotated[tuple[Version, ...], Field(min_length=1)] = (2, 3, 4, 5, 6)
    signing_key: FileReference
    pin: Secret | None = None
    certificate: CertificateFile


class RegistrySettings(Strict):
    instance: Piece
    member_classes: dict[Piece, str]
    members: tuple[MemberSettings, ...]
    security_servers: tuple[SecurityServerSettings, ...] = ()
    groups: dict[Piece, GroupSettings] = Field(default_factory=dict)
    trust: InstanceTrustSettings
    publish: PublishSettings


def load_registry(path: Path, *, files: bool = True) -> RegistrySettings:
    """SettingsError holds every problem. `files`: False does not look at the files that the settings name."""
    return load(path, RegistrySettings, registry_findings, files=files)


def registered_clients(registry: RegistrySettings) -> dict[ClientId, yaml12.Place]:
    """Members and subsystems, with the place that names them."""
    found: dict[ClientId, yaml12.Place] = {}
    for i, member in enumerate(registry.members):
        found.setdefault(member.id.resolve(registry.instance), ("members", i, "id"))
        for code in member.subsystems:
            subsystem = ClientRef((*member.id.resolve(registry.instance).pieces, code), absolute=True)
            found.setdefault(subsystem.resolve(registry.instance), ("members", i, "subsystems", code))
    return found


def unknown_client(ref: ClientRef, registry: RegistrySettings, known: Iterable[ClientId]) -> str | None:
    """Why `ref` names nobody; None when it is known or belongs to another instance, whose members are not at hand."""
    client, names = ref.resolve(registry.instance), list(known)
    if client in names or client.instance != registry.instance:
        return None
    return f"no member or subsystem {str(client)!r} in the registry{nearest(str(client), map(str, names))}"


def registry_findings(registry: RegistrySettings) -> Iterator[Finding]:
    known = registered_clients(registry)
    yield from _member_findings(registry)
    check = partial(_reference, registry=registry, known=known)
    servers = [(("security_servers", i, "id"), s.id) for i, s in enumerate(registry.security_servers)]
    yield from duplicates(servers, "security server")
    for i, server in enumerate(registry.security_servers):
        owner = ClientRef((server.id.member_class, server.id.member_code), absolute=False)
        yield from check(owner, path=("security_servers", i, "id"))
        for j, client in enumerate(server.clients):
            yield from check(client, path=("security_servers", i, "clients", j))
    for code, group in registry.groups.items():
        for j, client in enumerate(group.members):
            yield from check(client, path=("groups", code, "members", j))
    publish = registry.publish
    if publish.valid_for <= publish.refresh:
        yield Finding(
            ("publish", "valid_for"), "must be longer than publish.refresh, or the configuration expires between"
        )


def _reference(
    ref: ClientRef, *, registry: RegistrySettings, known: dict[ClientId, yaml12.Place], path: yaml12.Place
) -> Iterator[Finding]:
    wrong = list(misread_instance(ref, registry.instance, path))
    yield from wrong
    text = None if wrong else unknown_client(ref, registry, known)
    if text is not None:
        yield Finding(path, text)


def _member_findings(registry: RegistrySettings) -> Iterator[Finding]:
    ids: list[tuple[yaml12.Place, Hashable]] = []
    for i, member in enumerate(registry.members):
        ids.append((("members", i, "id"), member.id.resolve(registry.instance)))
        ids += [
            (("members", i, "aliases", j, "id"), a.id.resolve(registry.instance)) for j, a in enumerate(member.aliases)
        ]
        yield from _member_class(member.id, registry, ("members", i, "id"))
    yield from duplicates(ids, "member")


def _member_class(ref: ClientRef, registry: RegistrySettings, path: yaml12.Place) -> Iterator[Finding]:
    member = ref.resolve(registry.instance)
    if member.instance != registry.instance:
        yield Finding(path, f"a member of this registry belongs to instance {registry.instance!r}")
    if member.member_class not in registry.member_classes:
        close = nearest(member.member_class, registry.member_classes)
        yield Finding(path, f"no member class {member.member_class!r}{close}")
