from __future__ import annotations

import hashlib
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from gateway.core.errors import AuthenticationFailed, MalformedMessage
from gateway.core.identifiers import MemberId, SecurityServerId
from gateway.core.signing.certificates import (
    der,
    find_issuer,
    is_authentication_certificate,
    is_issued_by,
    is_ocsp_signer,
    is_signing_certificate,
    parse_certificate,
    rfc2253,
    sha1_hex,
    sha256_hex,
    signing_member,
    verify_chain,
)
from gateway.core.signing.trust import ApprovedCa, CaCertificate
from tests.support.pki import EJBCA, Issued, Pki

MEMBER = MemberId("VN", "GOV", "G01")
SERVER = SecurityServerId("VN", "GOV", "G01", "SS1")


def approved(*cas: Issued, name: str = "another", authentication_only: bool = False) -> ApprovedCa:
    top, *rest = (CaCertificate(ca.certificate) for ca in cas)
    return ApprovedCa(name, authentication_only, EJBCA, top, tuple(rest))


def test_names_of_a_certificate() -> None:
    issued = Pki().issue_sign(MEMBER)
    assert parse_certificate(issued.der) == issued.certificate
    assert der(issued.certificate) == issued.der
    assert sha256_hex(issued.certificate) == hashlib.sha256(issued.der).hexdigest()
    assert sha1_hex(issued.certificate) == hashlib.sha1(issued.der).hexdigest()


@pytest.mark.parametrize("data", [b"", b"0", b"\x30\x03\x02\x01\x01", b"\x30\x82\xff\xff"])
def test_bytes_that_are_no_certificate(data: bytes) -> None:
    with pytest.raises(MalformedMessage) as e:
        parse_certificate(data)
    assert e.value.code == "incorrect_certificate"


def test_a_certificate_with_something_behind_it() -> None:
    with pytest.raises(MalformedMessage):
        parse_certificate(Pki().ca.der + b"\0")


def test_an_instance_longer_than_two_letters() -> None:
    """C of three letters is normal with the Ejbca profile (reference 11.1, 26)."""
    member = MemberId("DEV", "COM", "1234")
    issued = Pki(instance="DEV").issue_sign(member)
    assert signing_member(parse_certificate(issued.der), profile=EJBCA, instance="DEV") == member


@pytest.mark.parametrize(
    ("usage", "extended", "signs", "authenticates"),
    [
        (("content_commitment",), (), True, False),
        (("digital_signature",), (), False, True),
        (("key_encipherment",), (), False, True),
        (("data_encipherment",), (), False, True),
        (("key_agreement",), (), False, False),
        (("content_commitment", "digital_signature"), (), True, True),
        (None, (), False, False),
        (None, (ExtendedKeyUsageOID.CLIENT_AUTH,), False, True),
        (("key_agreement",), (ExtendedKeyUsageOID.CLIENT_AUTH,), False, True),
        (("key_agreement",), (ExtendedKeyUsageOID.SERVER_AUTH,), False, False),
    ],
)
def test_kinds_of_certificates(
    usage: tuple[str, ...] | None, extended: tuple[x509.ObjectIdentifier, ...], signs: bool, authenticates: bool
) -> None:
    certificate = Pki().issue_sign(MEMBER, usage=usage, extended=extended).certificate
    assert is_signing_certificate(certificate) is signs
    assert is_authentication_certificate(certificate) is authenticates


def test_ocsp_signers() -> None:
    pki = Pki()
    assert is_ocsp_signer(pki.ocsp_signer.certificate)
    assert not is_ocsp_signer(pki.issue_auth(SERVER).certificate)


def test_the_issuer_is_the_listed_ca() -> None:
    pki = Pki()
    ca, certificate = find_issuer(pki.issue_sign(MEMBER).certificate, pki.trust())
    assert (ca.name, certificate.certificate) == (pki.ca_name, pki.ca.certificate)


def test_the_issuer_is_a_listed_intermediate() -> None:
    pki = Pki()
    pki.intermediate = pki.issue_intermediate()
    certificate = pki.issue_sign(MEMBER, issuer=pki.intermediate).certificate
    assert find_issuer(certificate, pki.trust())[1].certificate == pki.intermediate.certificate
    assert verify_chain(certificate, (), pki.trust(), pki.now) == (certificate, pki.intermediate.certificate)


def test_a_name_is_not_enough() -> None:
    """Another authority with the same name: its certificates have the right issuer and the wrong signature."""
    pki, impostor = Pki(), Pki()
    certificate = impostor.issue_sign(MEMBER).certificate
    assert certificate.issuer == pki.ca.certificate.subject
    assert not is_issued_by(certificate, pki.ca.certificate)
    for check in (
        lambda: find_issuer(certificate, pki.trust()),
        lambda: verify_chain(certificate, (), pki.trust(), pki.now),
    ):
        with pytest.raises(AuthenticationFailed) as e:
            check()
        assert e.value.code == "cannot_create_cert_path"


def test_of_two_cas_with_one_name_the_one_that_signed() -> None:
    """After a change of keys both are listed (reference 11.1, 20: X-Road would look at one only)."""
    old, new = Pki(), Pki()
    trust = old.trust(more=[approved(new.ca)])
    for pki in (old, new):
        certificate = pki.issue_sign(MEMBER).certificate
        assert find_issuer(certificate, trust)[1].certificate == pki.ca.certificate


def test_of_two_certificates_of_one_ca_the_valid_one() -> None:
    pki = Pki()
    subject = pki.ca.certificate.subject
    yesterday = pki.now - timedelta(days=1)
    expired = pki.issue(
        subject,
        private_key=pki.ca.key,
        usage=("key_cert_sign",),
        ca=True,
        not_before=yesterday - timedelta(days=9),
        not_after=yesterday,
    )
    renewed, pki.ca = pki.ca, expired
    trust = pki.trust(more=[approved(renewed)])
    certificate = pki.issue_sign(MEMBER, issuer=renewed).certificate
    assert find_issuer(certificate, trust, pki.now)[1].certificate == renewed.certificate
    assert verify_chain(certificate, (), trust, pki.now)[-1] == renewed.certificate


def test_a_ca_listed_twice_may_sign_if_one_listing_says_so() -> None:
    pki = Pki()
    trust = pki.trust(authentication_only=True, more=[approved(pki.ca)])
    assert not find_issuer(pki.issue_sign(MEMBER).certificate, trust)[0].authentication_only


def test_a_path_through_additional_certificates() -> None:
    pki = Pki()
    upper = pki.issue_intermediate("Upper CA")
    lower = pki.issue_intermediate("Lower CA", issuer=upper)
    leaf = pki.issue_auth(SERVER, issuer=lower).certificate
    junk = Pki().ca.certificate
    path = verify_chain(leaf, (junk, upper.certificate, lower.certificate), pki.trust(), pki.now)
    assert path == (leaf, lower.certificate, upper.certificate, pki.ca.certificate)
    with pytest.raises(AuthenticationFailed) as e:
        verify_chain(leaf, (lower.certificate,), pki.trust(), pki.now)
    assert e.value.code == "cannot_create_cert_path"


@pytest.mark.parametrize("moment", [timedelta(days=-2), timedelta(days=4000)])
def test_outside_validity(moment: timedelta) -> None:
    pki = Pki()
    with pytest.raises(AuthenticationFailed) as e:
        verify_chain(pki.issue_sign(MEMBER).certificate, (), pki.trust(), pki.now + moment)
    assert e.value.code == "invalid_cert_path.cert_validity_time"


def test_an_expired_certificate_of_a_valid_ca() -> None:
    pki = Pki()
    certificate = pki.issue_sign(MEMBER, not_after=pki.now).certificate
    assert verify_chain(certificate, (), pki.trust(), pki.now)
    with pytest.raises(AuthenticationFailed) as e:
        verify_chain(certificate, (), pki.trust(), pki.now + timedelta(seconds=1))
    assert e.value.code == "invalid_cert_path.cert_validity_time"


def test_who_is_no_ca_issues_nothing() -> None:
    """A member's own certificate must not vouch for others, listed or not."""
    pki = Pki()
    member = pki.issue_sign(MEMBER, usage=("content_commitment", "key_cert_sign"))
    forged = pki.issue_sign(MemberId("VN", "GOV", "G99"), issuer=member).certificate
    listed = pki.trust(more=[approved(member)])
    for extra, trust in (((member.certificate,), pki.trust()), ((), listed)):
        with pytest.raises(AuthenticationFailed) as e:
            verify_chain(forged, extra, trust, pki.now)
        assert e.value.code == "invalid_cert_path"


def test_a_ca_that_may_not_sign_certificates() -> None:
    pki = Pki()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "crl only")])
    ca = pki.issue(name, issuer=pki.ca, ca=True, usage=("crl_sign",))
    leaf = pki.issue_sign(MEMBER, issuer=ca).certificate
    with pytest.raises(AuthenticationFailed) as e:
        verify_chain(leaf, (ca.certificate,), pki.trust(), pki.now)
    assert e.value.code == "invalid_cert_path"


def test_path_length() -> None:
    pki = Pki()
    upper = pki.issue_ca("Upper CA", issuer=pki.ca, path_length=0)
    lower = pki.issue_ca("Lower CA", issuer=upper)
    leaf = pki.issue_sign(MEMBER, issuer=lower).certificate
    extra = (lower.certificate, upper.certificate)
    with pytest.raises(AuthenticationFailed) as e:
        verify_chain(leaf, extra, pki.trust(), pki.now)
    assert e.value.code == "invalid_cert_path"
    direct = pki.issue_sign(MEMBER, issuer=upper).certificate
    assert len(verify_chain(direct, extra, pki.trust(), pki.now)) == 3


def test_a_path_is_not_endless() -> None:
    pki = Pki()
    cas = [pki.issue_intermediate("CA 0")]
    for n in range(1, 9):
        cas.append(pki.issue_intermediate(f"CA {n}", issuer=cas[-1]))
    leaf = pki.issue_sign(MEMBER, issuer=cas[-1]).certificate
    with pytest.raises(AuthenticationFailed) as e:
        verify_chain(leaf, [ca.certificate for ca in cas], pki.trust(), pki.now)
    assert e.value.code == "cannot_create_cert_path"


def test_names_as_java_prints_them() -> None:
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "VN"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, 'Bộ Công an, "C06" <x>; a+b=c\\'),
            x509.NameAttribute(NameOID.SERIAL_NUMBER, "VN/SS1/GOV"),
            x509.NameAttribute(NameOID.EMAIL_ADDRESS, "a@b.vn"),
            x509.NameAttribute(NameOID.COMMON_NAME, "#1 CA "),
        ]
    )
    assert rfc2253(name) == (
        "CN=\\#1 CA\\ ,"
        "1.2.840.113549.1.9.1=#160661" + "40622e766e,"
        "2.5.4.5=#130a564e2f5353312f474f56,"
        'O=Bộ Công an\\, \\"C06\\" \\<x\\>\\; a\\+b=c\\\\,'
        "C=VN"
    )


def test_values_too_long_for_one_length_byte() -> None:
    name = x509.Name([x509.NameAttribute(NameOID.BUSINESS_CATEGORY, "x" * 128)])
    assert rfc2253(name) == "2.5.4.15=#0c8180" + "78" * 128
