"""All settings files against each other: what `python -m gateway check` says."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from gateway.core.errors import SettingsError
from gateway.core.identifiers import ClientId
from gateway.settings.citizen import load_citizen
from gateway.settings.codes import load_codes
from gateway.settings.contracts import ContractSettings, contract_findings
from gateway.settings.holidays import load_holidays
from gateway.settings.loader import Finding, Source, load_with_source, nearest, read_text
from gateway.settings.log import load_log, load_witness
from gateway.settings.names import ClientRef, GlobalGroupRef
from gateway.settings.reasons import load_reasons
from gateway.settings.registry import (
    RegistrySettings,
    SecurityServerSettings,
    registered_clients,
    registry_findings,
    unknown_client,
)
from gateway.settings.schema import FIRST_LINE, KINDS
from gateway.settings.server import ServerSettings, server_findings

_REFERENCE = "reference.yaml"  # explains keys with made-up values; a test loads it


def check(paths: Sequence[Path], *, files: bool = True) -> list[str]:
    """Every problem of the files (folders are searched for `*.yaml`), each alone and all together; empty when all is well.
    `files`: False leaves out whether the keys and certificates they name are there."""
    found = _Found(files)
    for path in _yaml_files(paths):
        found.load(path)
    return found.problems + [problem for server in found.servers for problem in _against_registry(server, found)]


def _yaml_files(paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            yield from sorted(p for p in path.rglob("*.yaml") if p.name != _REFERENCE)
        else:
            yield path


@dataclass(slots=True)
class _Found:
    files: bool
    problems: list[str] = field(default_factory=list)
    servers: list[tuple[ServerSettings, Source]] = field(default_factory=list)
    registries: dict[str, tuple[RegistrySettings, Source]] = field(default_factory=dict)

    def load(self, path: Path) -> None:
        try:
            self._load(path)
        except SettingsError as e:
            self.problems += e.problems

    def _load(self, path: Path) -> None:
        match _kind(path):
            case "server":
                checks = partial(server_findings, files=self.files)
                self.servers.append(load_with_source(path, ServerSettings, checks, files=self.files))
            case "registry":
                registry, source = load_with_source(path, RegistrySettings, registry_findings, files=self.files)
                if registry.instance in self.registries:
                    twice = f"instance {registry.instance!r} has a second registry"
                    raise SettingsError([source.problem(Finding(("instance",), twice))])
                self.registries[registry.instance] = registry, source
            case "citizen":
                load_citizen(path, files=self.files)
            case "transparency":
                load_log(path, files=self.files)
            case "witness":
                load_witness(path, files=self.files)
            case "contract" if self.files:
                load_with_source(path, ContractSettings, contract_findings)
            case "codes":
                load_codes(path)
            case "reasons":
                load_reasons(path)
            case "holidays":
                load_holidays(path)
            case kind:
                load_with_source(path, KINDS[kind], files=self.files)


def _kind(path: Path) -> str:
    """The first line of a settings file names its schema, for editors and for us."""
    m = FIRST_LINE.fullmatch(read_text(path).partition("\n")[0])
    if m is None or m[1] not in KINDS:
        names = ", ".join(f"{kind}.json" for kind in KINDS)
        raise SettingsError(
            [f"{path}:1:1: the first line must be '# yaml-language-server: $schema=…' with one of {names}"]
        )
    return m[1]


def _against_registry(server: tuple[ServerSettings, Source], found: _Found) -> list[str]:
    settings, source = server
    registry = found.registries.get(settings.server.instance)
    if registry is None:
        return []  # the instance is run by somebody else
    return [source.problem(f) for f in server_registry_findings(settings, registry[0])]


def server_registry_findings(settings: ServerSettings, registry: RegistrySettings) -> Iterator[Finding]:
    """What the registry of its instance does not know about a server, its clients and those it gives rights to."""
    servers = {s.id.resolve(registry.instance): s for s in registry.security_servers}
    own = servers.get(settings.server)
    if own is None:
        close = nearest(str(settings.server), map(str, servers))
        yield Finding(("server",), f"no security server {str(settings.server)!r} in the registry{close}")
    else:
        yield from _address(settings, own)
        yield from _clients(settings, own, registry.instance)
    yield from _subjects(settings, registry)


def _address(settings: ServerSettings, own: SecurityServerSettings) -> Iterator[Finding]:
    """Peers dial the registered address, and the port that they are configured with: 5500 everywhere (reference 3.2)."""
    for name, port in (("servers", settings.peers.port), ("ocsp", settings.peers.ocsp_port)):
        listen = getattr(settings.listen, name)
        if listen is None:
            continue
        if listen.port != port:
            yield Finding(("listen", name), f"peers will try port {port}")
        if _is_address(listen.host) and _is_address(own.address) and listen.host != own.address:
            yield Finding(("listen", name), f"peers will try {own.address}, the address in the registry")


def _is_address(host: str) -> bool:
    """Not for names, nor for 0.0.0.0 and ::, which stand for every address."""
    try:
        return not ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return False


def _clients(settings: ServerSettings, own: SecurityServerSettings, instance: str) -> Iterator[Finding]:
    registered = {c.resolve(instance) for c in own.clients} | {settings.server.owner}
    for i, client in enumerate(settings.clients):
        name = client.id.resolve(instance)
        if client.status == "registered" and name not in registered:
            close = nearest(str(name), map(str, registered))
            yield Finding(("clients", i, "id"), f"{str(name)!r} is not registered for this server{close}")


def _subjects(settings: ServerSettings, registry: RegistrySettings) -> Iterator[Finding]:
    known = registered_clients(registry)
    for i, client in enumerate(settings.clients):
        for code, members in client.local_groups.items():
            for j, member in enumerate(members):
                yield from _subject(("clients", i, "local_groups", code, j), member, registry, known)
        for j, service in enumerate(client.services):
            for k, right in enumerate(service.rights):
                yield from _subject(("clients", i, "services", j, "rights", k, "to"), right.to, registry, known)


def _subject(
    path: tuple[str | int, ...], to: object, registry: RegistrySettings, known: Iterable[ClientId]
) -> Iterator[Finding]:
    if isinstance(to, ClientRef):
        text = unknown_client(to, registry, known)
        if text is not None:
            yield Finding(path, text)
    if isinstance(to, GlobalGroupRef) and to.instance in (None, registry.instance) and to.code not in registry.groups:
        yield Finding(path, f"no group {to.code!r} in the registry{nearest(to.code, registry.groups)}")
