"""Keys, certificates and a small instance for the tests of the global configuration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.core.digest import DigestAlgorithm
from gateway.core.globalconf.directory import PRIVATE, SHARED, PartReference, build_directory
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
from gateway.core.globalconf.privateparams import print_private_parameters
from gateway.core.globalconf.sharedparams import print_shared_parameters
from gateway.core.identifiers import GlobalGroupId, MemberId, SecurityServerId, SubsystemId
from gateway.core.signing.algorithms import PrivateKey
from gateway.core.signing.trust import ApprovedCa, ApprovedTsa, CaCertificate

NOW = datetime(2026, 11, 24, 8, tzinfo=UTC)
LATER = NOW + timedelta(minutes=10)
POLICE = MemberId("VN", "GOV", "G01")
DANCU = SubsystemId("VN", "GOV", "G01", "dancu")
PORTAL = MemberId("VN", "GOV", "G22")
DVC = SubsystemId("VN", "GOV", "G22", "dvc")
SS1 = SecurityServerId("VN", "GOV", "G01", "ss1")
SS2 = SecurityServerId("VN", "GOV", "G22", "ss1")
PROFILE = "ee.ria.xroad.common.certificateprofile.impl.EjbcaCertificateProfileInfoProvider"


def subsystem(member: MemberId, code: str) -> SubsystemId:
    return SubsystemId(member.instance, member.member_class, member.member_code, code)


def server_id(owner: MemberId, code: str) -> SecurityServerId:
    return SecurityServerId(owner.instance, owner.member_class, owner.member_code, code)


@cache
def key(name: str) -> PrivateKey:
    """One key for each name; names beginning with `rsa` get RSA."""
    if name.startswith("rsa"):
        return rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return ec.generate_private_key(ec.SECP256R1())


@cache
def certificate(name: str) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key(name).public_key())
        .serial_number(1)
        .not_valid_before(NOW - timedelta(days=1))
        .not_valid_after(NOW + timedelta(days=365))
        .sign(key(name), hashes.SHA256())
    )


def der(name: str) -> bytes:
    return certificate(name).public_bytes(Encoding.DER)


def anchor(name: str = "registry", instance: str = "VN") -> Anchor:
    return Anchor(instance, (AnchorSource("http://registry.test/internalconf", (der(name),)),), NOW)


def shared(version: int = 6, instance: str = "VN") -> SharedParameters:
    """Everything the format can hold, once or twice."""
    police, portal = MemberId(instance, "GOV", "G01"), MemberId(instance, "GOV", "G22")
    dancu, dvc = subsystem(police, "dancu"), subsystem(portal, "dvc")
    ca = CaCertificate(certificate("ca"), ("http://ocsp.test/1", "http://ocsp.test/2"), (certificate("ocsp"),))
    return SharedParameters(
        instance=instance,
        version=version,
        ocsp_freshness=timedelta(hours=1),
        sources=(ConfigurationSource("registry.test", (der("registry"), der("rotated")), (der("external"),)),),
        approved_cas=(
            ApprovedCa("Demo CA", False, PROFILE, ca, (CaCertificate(certificate("intermediate")),)),
            ApprovedCa("TLS <only> & co", True, PROFILE, CaCertificate(certificate("other"))),
        ),
        approved_tsas=(ApprovedTsa("Demo TSA", "http://tsa.test/", certificate("tsa")),),
        member_classes=(MemberClass("GOV", "Cơ quan nhà nước"), MemberClass("ORG", "")),
        members=(
            Member(police, "Bộ Công an", (Subsystem("dancu", "Dân cư"), Subsystem("bare"))),
            Member(portal, "Văn phòng Chính phủ", (Subsystem("dvc", "Cổng"),)),
        ),
        servers=(
            SecurityServer(
                server_id(police, "ss1"),
                "10.0.0.1",
                (auth_cert_hash(der("auth1"), version), auth_cert_hash(der("auth1-next"), version)),
                frozenset({police, dancu}),
            ),
            SecurityServer(
                server_id(portal, "ss1"),
                "ss.portal.test",
                (auth_cert_hash(der("auth2"), version),),
                frozenset({portal, dvc, dancu}),
                "đến 10 giờ",
            ),
            SecurityServer(server_id(portal, "bare"), None, (), frozenset({portal}), ""),
        ),
        groups=(
            GlobalGroup(GlobalGroupId(instance, "readers"), "Được tra cứu", frozenset({dvc, police})),
            GlobalGroup(GlobalGroupId(instance, "nobody"), "", frozenset()),
        ),
    )


def as_version(params: SharedParameters, version: int) -> SharedParameters:
    """What is left of `params` when it is published as `version` (reference 7.5)."""
    if version < 5:
        members = tuple(
            replace(m, subsystems=tuple(replace(s, name=None) for s in m.subsystems)) for m in params.members
        )
        servers = tuple(replace(s, maintenance=None) for s in params.servers)
        params = replace(params, members=members, servers=servers)
    return replace(params, version=version, sources=params.sources if version >= 3 else ())


def private(instance: str = "VN", anchors: tuple[Anchor, ...] = ()) -> PrivateParameters:
    management = ManagementService(
        "https://registry.test:4001/", SubsystemId(instance, "GOV", "G00", "m"), b"any bytes"
    )
    return PrivateParameters(instance, management, timedelta(seconds=60), anchors)


def directory(
    parts: Sequence[tuple[str, bytes]],
    *,
    instance: str = "VN",
    version: int = 6,
    expires: datetime = LATER,
    stamp: str = "20261124080000000000000",
    signer: str = "registry",
    pss: bool = False,
) -> bytes:
    """A signed directory of (identifier, content) pairs."""
    references = [reference(identifier, data, instance, version, stamp) for identifier, data in parts]
    return build_directory(
        references,
        expires=expires,
        version=version,
        key=key(signer),
        certificate=der(signer),
        boundaries=("outer", "inner"),
        pss=pss,
    )


def reference(
    identifier: str, data: bytes, instance: str = "VN", version: int = 6, stamp: str = "2026"
) -> PartReference:
    location = f"/V{version}/{stamp}/{identifier.lower()}.xml"
    named = instance if identifier in (SHARED, PRIVATE) else None
    return PartReference(identifier, named, location, DigestAlgorithm.SHA512.of(data))


def own_parts(version: int = 6) -> list[tuple[str, bytes]]:
    return [
        (SHARED, print_shared_parameters(shared(version), version)),
        (PRIVATE, print_private_parameters(private(), version)),
    ]
