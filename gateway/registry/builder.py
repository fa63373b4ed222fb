"""From the registry's settings to the documents of a global configuration, versions 2 to 6 (reference 7.4-7.6).

Former ids of members (`aliases`) are not published: X-Road has no place for them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from gateway.core.errors import GatewayError, SettingsError
from gateway.core.globalconf.anchor import print_anchor
from gateway.core.globalconf.model import (
    Anchor,
    AnchorSource,
    ConfigurationSource,
    GlobalGroup,
    ManagementService,
    Member,
    MemberClass,
    PrivateParameters,
    SecurityServer,
    SharedParameters,
    Subsystem,
    auth_cert_hash,
)
from gateway.core.globalconf.privateparams import parse_private_parameters, print_private_parameters
from gateway.core.globalconf.sharedparams import parse_shared_parameters, print_shared_parameters
from gateway.core.identifiers import GlobalGroupId, MemberId
from gateway.core.signing.trust import ApprovedCa, ApprovedTsa, CaCertificate
from gateway.settings.common import load_certificates
from gateway.settings.registry import (
    CertificationAuthoritySettings,
    IntermediateSettings,
    MemberSettings,
    RegistrySettings,
    SecurityServerSettings,
)

OWNERS_GROUP = "security-server-owners"
_TIME_STAMPING_INTERVAL = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class SigningIdentity:
    """`certificate`: DER, exactly as anchors and sources hold it."""

    key: PrivateKeyTypes
    certificate: bytes


@dataclass(frozen=True, slots=True)
class Documents:
    """Everything that is published, before it is signed. `shared`, `private`: by version."""

    instance: str
    identity: SigningIdentity
    valid_for: timedelta
    shared: Mapping[int, bytes]
    private: Mapping[int, bytes]
    anchor: bytes
    external_anchor: bytes


def build_documents(settings: RegistrySettings) -> Documents:
    """Reads the key and certificate files that the settings name. SettingsError when anything is missing or does not fit."""
    try:
        identity = load_identity(settings)
        private = build_private_parameters(settings)
        versions = settings.publish.versions
        return Documents(
            instance=settings.instance,
            identity=identity,
            valid_for=settings.publish.valid_for,
            shared={v: _readable(build_shared_parameters(settings, v)) for v in versions},
            private={v: _readable_private(private, v) for v in versions},
            anchor=build_anchor(settings),
            external_anchor=build_anchor(settings, external=True),
        )
    except SettingsError:
        raise
    except (OSError, ValueError, GatewayError) as e:
        raise SettingsError([f"registry of {settings.instance}: {e}"]) from e


def load_identity(settings: RegistrySettings) -> SigningIdentity:
    """The key that signs directories and its certificate. SettingsError when they are not a pair."""
    publish = settings.publish
    password = None if publish.pin is None else publish.pin.read().encode()
    try:
        key = load_pem_private_key(publish.signing_key.read_bytes(), password)
    except (ValueError, TypeError) as e:
        raise SettingsError([f"publish.signing_key: {publish.signing_key}: not a PEM key, or not with this pin"]) from e
    certificate = _certificate(publish.certificate)
    form = Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    if key.public_key().public_bytes(*form) != certificate.public_key().public_bytes(*form):
        raise SettingsError([f"publish.certificate: {publish.certificate}: not the certificate of publish.signing_key"])
    return SigningIdentity(key, certificate.public_bytes(Encoding.DER))


def build_anchor(settings: RegistrySettings, *, external: bool = False) -> bytes:
    """The anchor; the same settings and certificate give the same bytes, so that servers can pin its hash."""
    certificate = _certificate(settings.publish.certificate)
    path = "externalconf" if external else "internalconf"
    source = AnchorSource(f"http://{_authority(settings)}/{path}", (certificate.public_bytes(Encoding.DER),))
    return print_anchor(Anchor(settings.instance, (source,), certificate.not_valid_before_utc))


def build_shared_parameters(settings: RegistrySettings, version: int) -> SharedParameters:
    """OSError or ValueError for certificate files that cannot be read."""
    certificate = _certificate(settings.publish.certificate).public_bytes(Encoding.DER)
    trust = settings.trust
    tsas = trust.time_stamping_authorities
    return SharedParameters(
        instance=settings.instance,
        version=version,
        ocsp_freshness=trust.ocsp_freshness,
        sources=(ConfigurationSource(_authority(settings), (certificate,), (certificate,)),),
        approved_cas=tuple(_approved_ca(ca) for ca in trust.certification_authorities),
        approved_tsas=tuple(ApprovedTsa(t.name, t.url, _certificate(t.certificate)) for t in tsas),
        member_classes=tuple(MemberClass(code, text) for code, text in settings.member_classes.items()),
        members=tuple(_member(m, settings.instance) for m in settings.members),
        servers=tuple(_server(s, settings.instance, version) for s in settings.security_servers),
        groups=_groups(settings),
    )


def build_private_parameters(settings: RegistrySettings) -> PrivateParameters:
    """Members are administered in the YAML: there is no management service, and what the format demands names the owner of the
    first security server at an address where nobody listens."""
    if not settings.members:
        raise SettingsError(["members: a global configuration needs at least one"])
    owners = _owners(settings)
    provider = owners[0] if owners else _member(settings.members[0], settings.instance).id
    return PrivateParameters(
        instance=settings.instance,
        management=ManagementService(f"https://{_host(settings)}:4001/managementservice/", provider),
        time_stamping_interval=_TIME_STAMPING_INTERVAL,
    )


def _readable(params: SharedParameters) -> bytes:
    xml = print_shared_parameters(params, params.version)
    parse_shared_parameters(xml, params.version)
    return xml


def _readable_private(params: PrivateParameters, version: int) -> bytes:
    xml = print_private_parameters(params, version)
    parse_private_parameters(xml, version)
    return xml


def _host(settings: RegistrySettings) -> str:
    host = settings.publish.address or settings.publish.listen.host
    return f"[{host}]" if ":" in host else host


def _authority(settings: RegistrySettings) -> str:
    port = settings.publish.listen.port
    return _host(settings) if port == 80 else f"{_host(settings)}:{port}"


def _certificate(path: Path) -> x509.Certificate:
    return load_certificates(path)[0]


def _optional(path: Path | None) -> tuple[x509.Certificate, ...]:
    return () if path is None else (_certificate(path),)


def _ca_certificate(settings: CertificationAuthoritySettings | IntermediateSettings) -> CaCertificate:
    urls = () if settings.ocsp is None else (settings.ocsp,)
    return CaCertificate(_certificate(settings.certificate), urls, _optional(settings.ocsp_certificate))


def _approved_ca(settings: CertificationAuthoritySettings) -> ApprovedCa:
    return ApprovedCa(
        name=settings.name,
        authentication_only=settings.authentication_only,
        profile=settings.profile,
        top=_ca_certificate(settings),
        intermediates=tuple(_ca_certificate(i) for i in settings.intermediates),
    )


def _member(settings: MemberSettings, instance: str) -> Member:
    id = settings.id.resolve(instance).member
    return Member(id, settings.name, tuple(Subsystem(code, name) for code, name in settings.subsystems.items()))


def _server(settings: SecurityServerSettings, instance: str, version: int) -> SecurityServer:
    id = settings.id.resolve(instance)
    ders = (_certificate(path).public_bytes(Encoding.DER) for path in settings.auth_certs)
    return SecurityServer(
        id=id,
        address=settings.address,
        auth_cert_hashes=tuple(auth_cert_hash(der, version) for der in ders),
        clients=frozenset((id.owner, *(c.resolve(instance) for c in settings.clients))),
        maintenance=settings.maintenance,
    )


def _owners(settings: RegistrySettings) -> tuple[MemberId, ...]:
    return tuple(s.id.resolve(settings.instance).owner for s in settings.security_servers)


def _groups(settings: RegistrySettings) -> tuple[GlobalGroup, ...]:
    """A Central Server keeps the group of all owners by itself (reference 7.5); so do we, unless the settings have it."""
    instance = settings.instance
    named = tuple(
        GlobalGroup(GlobalGroupId(instance, code), g.description, frozenset(m.resolve(instance) for m in g.members))
        for code, g in settings.groups.items()
    )
    if OWNERS_GROUP in settings.groups:
        return named
    owners = frozenset(_owners(settings))
    return (GlobalGroup(GlobalGroupId(instance, OWNERS_GROUP), "Security server owners", owners), *named)
