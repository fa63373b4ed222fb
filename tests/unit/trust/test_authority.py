"""Every kind of certificate has exactly the usages of reference 4.5 and hangs on its CA."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID as Eku
from cryptography.x509.oid import NameOID

from gateway.core.identifiers import MemberId
from gateway.core.signing.certificates import (
    is_authentication_certificate,
    is_ocsp_signer,
    is_signing_certificate,
    signing_member,
    verify_chain,
)
from gateway.core.signing.profiles import EJBCA
from gateway.core.signing.requests import KeyType
from gateway.core.signing.trust import ApprovedCa, CaCertificate, InstanceTrust
from gateway.trust.authority import (
    Authority,
    Identity,
    create_registry,
    create_root,
    create_tls,
    named,
    new_key,
    validity,
)

from .pki import G01, NOW, Pki, auth_subject, rsa_key, sign_subject

DURING = validity(NOW, years=2)
USAGES = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
)


@pytest.fixture
def pki(tmp_path: Path) -> Pki:
    return Pki(tmp_path)


def usages(certificate: x509.Certificate) -> set[str]:
    extension = certificate.extensions.get_extension_for_class(x509.KeyUsage)
    assert extension.critical
    return {u for u in USAGES if getattr(extension.value, u)}


def extended(certificate: x509.Certificate) -> tuple[set[x509.ObjectIdentifier], bool]:
    try:
        extension = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    except x509.ExtensionNotFound:
        return set(), False
    return set(extension.value), extension.critical


TLS = {Eku.CLIENT_AUTH, Eku.SERVER_AUTH}
KINDS: dict[str, tuple[Callable[[Authority], Identity], set[str], set[x509.ObjectIdentifier], bool]] = {
    "root": (lambda a: create_root(named("R"), DURING), {"key_cert_sign", "crl_sign"}, set(), False),
    "intermediate": (lambda a: a.issue_intermediate(named("I"), DURING), {"key_cert_sign", "crl_sign"}, set(), False),
    "ocsp": (lambda a: a.issue_ocsp_signer(named("O"), DURING), {"digital_signature"}, {Eku.OCSP_SIGNING}, False),
    "tsa": (lambda a: a.issue_time_stamper(named("T"), DURING), {"digital_signature"}, {Eku.TIME_STAMPING}, True),
    "signing": (lambda a: a.issue_signing(sign_subject(), DURING), {"content_commitment"}, set(), False),
    "auth ec": (lambda a: a.issue_authentication(auth_subject(), DURING), {"digital_signature"}, TLS, False),
    "auth rsa": (
        lambda a: a.issue_authentication(auth_subject(), DURING, rsa_key()),
        {"digital_signature", "key_encipherment"},
        TLS,
        False,
    ),
    "tls": (lambda a: create_tls(named("is"), DURING), {"digital_signature"}, TLS, False),
    "registry": (lambda a: create_registry(named("reg"), DURING), {"digital_signature"}, set(), False),
}


@pytest.mark.parametrize("kind", KINDS)
def test_usages(kind: str, pki: Pki) -> None:
    make, usage, extended_usage, critical = KINDS[kind]
    identity = make(pki.authority)
    assert usages(identity.certificate) == usage
    assert extended(identity.certificate) == (extended_usage, critical)
    assert identity.key.public_key() == identity.certificate.public_key()
    constraints = identity.certificate.extensions.get_extension_for_class(x509.BasicConstraints)
    assert constraints.critical
    assert constraints.value.ca == (kind in ("root", "intermediate"))


def test_signing_certificate_names_the_member(pki: Pki) -> None:
    certificate = pki.sign().certificate
    assert is_signing_certificate(certificate)
    assert not is_authentication_certificate(certificate)
    assert signing_member(certificate, profile=EJBCA, instance="VN") == G01
    assert verify_chain(certificate, (), pki.trust, NOW) == (certificate, pki.root.certificate)


def test_authentication_certificate(pki: Pki) -> None:
    certificate = pki.auth().certificate
    assert is_authentication_certificate(certificate)
    assert not is_signing_certificate(certificate)


def test_ocsp_signer_needs_no_check_itself(pki: Pki) -> None:
    certificate = pki.ocsp_signer.certificate
    assert is_ocsp_signer(certificate)
    assert certificate.extensions.get_extension_for_class(x509.OCSPNoCheck)


@pytest.mark.filterwarnings("ignore:Attribute's length")  # the library's two-letter rule for C; normal in X-Road
def test_instance_longer_than_a_country_code(pki: Pki) -> None:
    member = MemberId("PLAYGROUND", "COM", "1234")
    certificate = x509.load_der_x509_certificate(pki.sign(member).certificate.public_bytes(Encoding.DER))
    assert certificate.subject.get_attributes_for_oid(NameOID.COUNTRY_NAME)[0].value == "PLAYGROUND"
    assert signing_member(certificate, profile=EJBCA, instance="X") == member


def test_chain_through_a_listed_intermediate(pki: Pki) -> None:
    middle = pki.authority.issue_intermediate(named("Middle CA"), DURING)
    leaf = Authority(middle, lambda certificate: None).issue_signing(sign_subject(), DURING).certificate
    listed = ApprovedCa("T", False, EJBCA, pki.ca, (CaCertificate(middle.certificate),))
    trust = InstanceTrust("VN", (listed,), timedelta(hours=1), True, b"x")
    assert verify_chain(leaf, (), trust, NOW) == (leaf, middle.certificate)
    assert verify_chain(leaf, (middle.certificate,), pki.trust, NOW)[-1] == pki.root.certificate


def test_serial_numbers_are_long_random_and_recorded_first(pki: Pki) -> None:
    recorded: list[x509.Certificate] = []
    authority = Authority(pki.root, recorded.append)
    issued = [authority.issue_signing(sign_subject(), DURING).certificate for _ in range(20)]
    assert recorded == issued
    assert len({c.serial_number for c in issued}) == 20
    assert max(c.serial_number for c in issued).bit_length() > 64


def test_nothing_is_issued_that_cannot_be_recorded(pki: Pki) -> None:
    def full(certificate: x509.Certificate) -> None:
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        Authority(pki.root, full).issue_signing(sign_subject(), DURING)


def test_validity_begins_a_minute_back_and_has_whole_seconds() -> None:
    during = validity(NOW.replace(microsecond=7), years=2)
    assert during.not_before == NOW - timedelta(minutes=1)
    assert timedelta(days=730) <= during.not_after - during.not_before <= timedelta(days=731)


def test_addresses_and_names_of_tls_certificates() -> None:
    certificate = create_tls(named("x"), DURING, addresses=["127.0.10.1", "::1", "is.example.vn"]).certificate
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.IPAddress) == [ip_address("127.0.10.1"), ip_address("::1")]
    assert names.get_values_for_type(x509.DNSName) == ["is.example.vn"]


@pytest.mark.parametrize("kind", KeyType)
def test_kinds_of_keys(kind: KeyType) -> None:
    key = rsa_key() if kind is KeyType.RSA_2048 else new_key(kind)
    match kind:
        case KeyType.RSA_2048 | KeyType.RSA_3072:
            assert isinstance(key, rsa.RSAPrivateKey)
            assert key.key_size == int(kind.value[-4:])
        case _:
            assert isinstance(key, ec.EllipticCurvePrivateKey)
            assert key.curve.key_size == int(kind.value[-3:])
    assert create_root(named("R"), DURING, key).certificate.public_key() == key.public_key()
