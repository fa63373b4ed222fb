"""Server settings -> the server configuration that core decides by."""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding, pkcs12

from gateway.core.errors import SettingsError
from gateway.core.identifiers import LocalGroupId
from gateway.core.serverconf.model import (
    AccessRight,
    Client,
    ClientStatus,
    ConnectionType,
    ServerConf,
    Service,
    ServiceKind,
)
from gateway.settings.clients import (
    ClientSettings,
    ServiceSettings,
    right_endpoints,
    service_endpoints,
    service_name,
)
from gateway.settings.codes import load_codes
from gateway.settings.common import load_certificates
from gateway.settings.contentrules import build_content_rules
from gateway.settings.contracts import ContractSettings, build_contract, load_contract
from gateway.settings.server import KeySettings, ServerSettings
from gateway.settings.transparency import TransparencySettings

_CONNECTIONS = {"http": ConnectionType.HTTP, "https": ConnectionType.HTTPS, "mutual_tls": ConnectionType.MUTUAL_TLS}


def server_conf(settings: ServerSettings) -> ServerConf:
    """Reads certificates, OpenAPI documents and contracts. SettingsError when one of them cannot be read."""
    instance = settings.server.instance
    clients = (
        _client(c, instance, told=isinstance(settings.transparency, TransparencySettings)) for c in settings.clients
    )
    internal = settings.keys.internal_tls
    return ServerConf(settings.server, {c.id: c for c in clients}, None if internal is None else _certificate(internal))


def _client(settings: ClientSettings, instance: str, *, told: bool) -> Client:
    """`told`: citizens are told of accesses, so contracts are in force."""
    systems = settings.information_systems
    return Client(
        id=settings.id.resolve(instance),
        status=ClientStatus(settings.status),
        connection=_CONNECTIONS[systems.authentication],
        certificates=tuple(der for path in systems.certificates for der in _der(path)),
        services={
            s.code: _service(s, _contract(s, service_name(settings, s, instance)), told=told) for s in settings.services
        },
        local_groups={
            LocalGroupId(code): frozenset(m.resolve(instance) for m in members)
            for code, members in settings.local_groups.items()
        },
        rights=tuple(
            AccessRight(right.to.resolve(instance), service.code, endpoint, right.purposes)
            for service in settings.services
            for right in service.rights
            for endpoint in right_endpoints(right)
        ),
    )


def _contract(settings: ServiceSettings, name: str) -> ContractSettings | None:
    """None only on a server that tells citizens nothing: `server_findings` saw to it."""
    return None if settings.contract is None else load_contract(settings.contract, name, service_endpoints(settings))


def _service(settings: ServiceSettings, contract: ContractSettings | None, *, told: bool) -> Service:
    """What a contract says of the content is in force whether citizens are told or not."""
    assert contract is not None or not told
    return Service(
        code=settings.code,
        kind=ServiceKind.REST if settings.description is None else ServiceKind.OPENAPI3,
        url=settings.url,
        timeout=settings.timeout.total_seconds(),
        description_url=None if settings.description is None else f"file:{settings.description}",
        endpoints=service_endpoints(settings),
        disabled_notice=settings.disabled,
        verify_tls=settings.verify_tls,
        contract=build_contract(contract, load_codes(contract.codes)) if contract is not None and told else None,
        content=None if contract is None else build_content_rules(contract, settings.documents),
    )


def _der(path: Path) -> list[bytes]:
    try:
        return [c.public_bytes(Encoding.DER) for c in load_certificates(path)]
    except ValueError as e:
        raise SettingsError([str(e)]) from e


def _certificate(key: KeySettings) -> bytes:
    if key.certificate is not None:
        return _der(key.certificate)[0]
    assert isinstance(key.token, Path)  # the settings refuse hardware tokens for TLS
    try:
        pin = None if key.pin is None else key.pin.read().encode()
        found = pkcs12.load_pkcs12(key.token.read_bytes(), pin).cert
    except (OSError, ValueError) as e:
        raise SettingsError([f"cannot open {str(key.token)!r}: wrong pin or no PKCS#12 file"]) from e
    if found is None:
        raise SettingsError([f"{str(key.token)!r} holds no certificate"])
    return found.certificate.public_bytes(Encoding.DER)
