from __future__ import annotations

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID, ObjectIdentifier

from gateway.core.errors import MalformedMessage, SignatureRejected
from gateway.core.identifiers import MemberId, SecurityServerId
from gateway.core.signing.profiles import (
    PACKAGE,
    PROFILES,
    Subject,
    auth_certificate_subject,
    profile_named,
    sign_certificate_subject,
)

MEMBER = MemberId("VN", "GOV", "G01")
SERVER = SecurityServerId("VN", "GOV", "G00", "SS1")
OIDS = {
    "C": NameOID.COUNTRY_NAME,
    "O": NameOID.ORGANIZATION_NAME,
    "OU": NameOID.ORGANIZATIONAL_UNIT_NAME,
    "CN": NameOID.COMMON_NAME,
    "SN": NameOID.SERIAL_NUMBER,
    "BC": NameOID.BUSINESS_CATEGORY,
    "ORG": NameOID.ORGANIZATION_IDENTIFIER,
}
Ejbca, FiVrk, Fo, Is, Klass3, EsteId, Basic, Acme = PROFILES


def name(*fields: tuple[str, str]) -> x509.Name:
    return x509.Name([x509.NameAttribute(OIDS[oid], value) for oid, value in fields])


def read(profile: str, *fields: tuple[str, str], instance: str = "EE") -> MemberId:
    return profile_named(profile).member(Subject(name(*fields)), instance)


@pytest.mark.parametrize(
    ("profile", "fields", "member"),
    [
        (Ejbca, (("C", "VN"), ("O", "GOV"), ("CN", "G01")), "VN/GOV/G01"),
        (FiVrk, (("C", "FI"), ("O", "Org"), ("SN", "FI/ss1/COM"), ("CN", "123")), "FI/COM/123"),
        (FiVrk, (("C", "FI"), ("O", "FI-TEST"), ("OU", "COM"), ("CN", "123")), "FI-TEST/COM/123"),
        (FiVrk, (("C", "XX"), ("O", "COM"), ("CN", "123")), "XX/COM/123"),
        (Fo, (("C", "FO"), ("O", "FO-DEV"), ("OU", "GOV"), ("CN", "1"), ("SN", "x")), "FO-DEV/GOV/1"),
        (Is, (("C", "IS"), ("O", "IS-DEV"), ("OU", "GOV"), ("CN", "1"), ("SN", "x")), "IS-DEV/GOV/1"),
        (Is, (("C", "XX"), ("O", "GOV"), ("CN", "1")), "XX/GOV/1"),
        (Klass3, (("ORG", "NTREE-10000001"),), "EE/COM/10000001"),
        (Klass3, (("ORG", "GO:EE-70000001"), ("SN", "12345678")), "EE/GOV/70000001"),
        (Klass3, (("ORG", "NP:EE-80000001"),), "EE/NGO/80000001"),
        (Klass3, (("ORG", "VATEE-1"),), "EE/NEE/VATEE-1"),
        (Klass3, (("SN", "12345678"),), "EE/COM/12345678"),
        (Klass3, (("SN", "72345678"),), "EE/GOV/72345678"),
        (Klass3, (("SN", "92345678"),), "EE/NGO/92345678"),
        (EsteId, (("SN", "38001010000"),), "EE/PERSON/38001010000"),
        (Basic, (("BC", "GOV"), ("SN", "G01"), ("CN", "name")), "EE/GOV/G01"),
        (Acme, (("BC", "GOV"), ("SN", "G01")), "EE/GOV/G01"),
    ],
)
def test_member_in_the_subject(profile: str, fields: tuple[tuple[str, str], ...], member: str) -> None:
    assert str(read(profile, *fields)) == member
    assert str(read(PACKAGE + profile, *fields)) == member


@pytest.mark.parametrize(
    ("profile", "fields"),
    [
        (Ejbca, (("C", "VN"), ("O", "GOV"))),
        (Ejbca, (("O", "GOV"), ("CN", "G01"))),
        (Ejbca, (("C", "VN"), ("O", "GOV"), ("CN", "G01"), ("CN", "G02"))),  # which one is the member?
        (FiVrk, (("C", "SE"), ("O", "Org"), ("SN", "FI/ss1/COM"), ("CN", "123"))),
        (FiVrk, (("C", "FI"), ("SN", "FI/ss1/COM"), ("CN", "123"))),
        (FiVrk, (("C", "FI"), ("O", "Org"), ("SN", "FI/COM"), ("CN", "123"))),
        (FiVrk, (("C", "FI"), ("O", "Org"), ("SN", "FI//COM"), ("CN", "123"))),
        (FiVrk, (("C", "FI"), ("O", "Org"), ("SN", "FI/s/1/COM"), ("CN", "123"))),
        (FiVrk, (("C", "SE"), ("O", "FI"), ("OU", "COM"), ("CN", "123"))),
        (Fo, (("C", "FO"), ("O", "FO"), ("OU", "GOV"), ("CN", "1"))),
        (Fo, (("C", "IS"), ("O", "FO"), ("OU", "GOV"), ("CN", "1"), ("SN", "x"))),
        (Is, (("C", "IS"), ("O", "FO"), ("OU", "GOV"), ("CN", "1"))),
        (Klass3, (("CN", "G01"),)),
        (Klass3, (("SN", "02345678"),)),
        (Klass3, (("SN", "1234567"),)),
        (Klass3, (("SN", "1234567a"),)),
        (Klass3, (("ORG", "NTREE-"),)),
        (EsteId, (("CN", "x"),)),
        (Basic, (("BC", "GOV"),)),
        (Basic, (("SN", "G01"),)),
    ],
)
def test_subjects_that_name_no_member(profile: str, fields: tuple[tuple[str, str], ...]) -> None:
    with pytest.raises(SignatureRejected) as e:
        read(profile, *fields)
    assert e.value.code == "incorrect_certificate"


@pytest.mark.parametrize("profile", ["", "Ejbca", PACKAGE, "com.example." + Ejbca])
def test_unknown_profiles(profile: str) -> None:
    with pytest.raises(MalformedMessage) as e:
        profile_named(profile)
    assert e.value.code == "malformed_global_conf"


@pytest.mark.parametrize("profile", [Ejbca, FiVrk, Fo, Is, Basic, Acme])
def test_what_we_write_into_signing_certificates_we_read_again(profile: str) -> None:
    # FiVRK takes the member's instance and class from the server's identifier.
    subject = sign_certificate_subject(profile, member=MEMBER, server=SERVER, name="Sở Tư pháp")
    assert profile_named(profile).member(Subject(subject), "VN") == MEMBER


def test_estonian_subjects() -> None:
    member = MemberId("EE", "GOV", "70000001")
    subject = sign_certificate_subject(Klass3, member=member, server=SERVER)
    assert profile_named(Klass3).member(Subject(subject), "EE") == member


@pytest.mark.parametrize(
    ("profile", "fields"),
    [
        (Ejbca, {"C": "VN", "CN": "SS1"}),
        (FiVrk, {"C": "FI", "O": "Bộ", "SN": "VN/SS1/GOV", "CN": "ss1.example.vn"}),
        (Fo, {"C": "FO", "O": "VN", "CN": "VN/GOV/G00/SS1"}),
        (Is, {"C": "IS", "CN": "ss1.example.vn", "SN": "VN/GOV/G00/SS1"}),
        (Klass3, {"SN": "G00", "CN": "Bộ"}),
        (Basic, {"C": "VN", "O": "Bộ", "SN": "G00", "CN": "ss1.example.vn"}),
    ],
)
def test_subjects_of_authentication_certificates(profile: str, fields: dict[str, str]) -> None:
    subject = auth_certificate_subject(profile, server=SERVER, name="Bộ", dns="ss1.example.vn")
    assert {a.oid: a.value for a in subject} == {OIDS[k]: v for k, v in fields.items()}


def test_countries_of_any_length_and_values_outside_printable_string() -> None:
    member = MemberId("VIỆT-NAM", "CƠ QUAN", "G_01")
    server = SecurityServerId("VIỆT-NAM", "CƠ QUAN", "G_01", "SS_1")
    for profile in (Ejbca, Basic):
        subject = sign_certificate_subject(profile, member=member, server=server)
        values = {a.oid: a.value for a in subject}
        assert "G_01" in values.values()
        assert subject.public_bytes()


def test_a_country_is_a_printable_string() -> None:
    encoded = sign_certificate_subject(Ejbca, member=MEMBER, server=SERVER).public_bytes()
    country = ObjectIdentifier("2.5.4.6")
    assert country == NameOID.COUNTRY_NAME
    assert b"\x06\x03\x55\x04\x06\x13\x02VN" in encoded
