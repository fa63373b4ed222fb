"""A new key and its request: whose, with which subject, kept how."""

from __future__ import annotations

import stat

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from gateway.app.keyring.files import keys_in, load_record
from gateway.app.keyring.requests import Wanted
from gateway.core.errors import SettingsError
from gateway.core.signing.requests import KeyType, parse_request
from gateway.settings.pkcs11uri import parse_pkcs11_uri
from tests.unit.app.keyring.conftest import Office


@pytest.mark.parametrize(
    ("wanted", "subject", "holder"),
    [
        (Wanted("sign"), "CN=G01,O=GOV,C=VN", "VN/GOV/G01"),
        (Wanted("sign", member="GOV/G01"), "CN=G01,O=GOV,C=VN", "VN/GOV/G01"),
        (Wanted("auth"), "CN=ss1,C=VN", "VN/GOV/G01/ss1"),
        (Wanted("tls", dns="ss1.example.vn"), "CN=ss1.example.vn", "VN/GOV/G01/ss1"),
    ],
)
def test_the_subject_follows_the_profile(office: Office, wanted: Wanted, subject: str, holder: str) -> None:
    request = parse_request(office.request(wanted).read_bytes())
    assert request.subject.rfc4514_string() == subject
    (key,) = keys_in(office.new)
    assert (key.record.use, key.record.holder, key.certificate) == (wanted.use, holder, None)
    assert key.request.public_key == request.public_key


def test_the_subject_follows_another_profile_with_the_registered_name(office: Office) -> None:
    def basic(settings: dict) -> None:  # type: ignore[type-arg]
        settings["trust"]["certification_authorities"][0]["profile"] = "basic"

    office.edit("registry", basic)
    office.publish()
    request = office.request(Wanted("auth", dns="ss1.example.vn"))
    assert parse_request(request.read_bytes()).subject.rfc4514_string().split(",") == [
        "CN=ss1.example.vn", "2.5.4.5=G01", "O=Member G01", "C=VN",
    ]  # fmt: skip
    names = x509.load_pem_x509_csr(request.read_bytes()).extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert names.value.get_values_for_type(x509.DNSName) == ["ss1.example.vn"]


@pytest.mark.parametrize("kind", [KeyType.EC_P256, KeyType.EC_P384, KeyType.RSA_2048])
def test_the_key_is_encrypted_and_its_owners_alone(office: Office, kind: KeyType) -> None:
    request = office.request(Wanted("sign", kind))
    key, pin = request.with_suffix(".key"), request.with_suffix(".pin")
    for path in (key, pin, request.with_suffix(".yaml")):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(office.new.stat().st_mode) == 0o700
    with pytest.raises(TypeError):
        load_pem_private_key(key.read_bytes(), None)
    opened = load_pem_private_key(key.read_bytes(), pin.read_bytes().strip())
    assert isinstance(opened, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey)
    assert opened.key_size == int(kind.value.rpartition("-")[2].removeprefix("p"))
    assert opened.public_key() == parse_request(request.read_bytes()).public_key
    assert sorted(p.suffix for p in office.new.iterdir()) == [".csr", ".key", ".pin", ".yaml"]


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        (Wanted("sign", member="GOV/G22"), "has no client on this server (known: VN/GOV/G01)"),
        (Wanted("sign", member="nonsense"), "--member"),
        (Wanted("sign", ca="Other CA"), "no approved authority issues these (approved: Test CA)"),
        (
            Wanted("auth", token=parse_pkcs11_uri("pkcs11:token=t;object=o?module-path=/m.so")),
            "a PKCS#11 token keeps its key",
        ),
    ],
)
def test_what_is_refused_makes_nothing(office: Office, wanted: Wanted, words: str) -> None:
    with pytest.raises(SettingsError) as refused:
        office.request(wanted)
    assert words in refused.value.problems[0]
    assert not office.new.exists()


def test_an_authority_for_authentication_only_is_not_asked_for_signing_certificates(office: Office) -> None:
    def limited(settings: dict) -> None:  # type: ignore[type-arg]
        settings["trust"]["certification_authorities"][0]["authentication_only"] = True

    office.edit("registry", limited)
    office.publish()
    office.request(Wanted("auth"))
    with pytest.raises(SettingsError, match="no approved authority"):
        office.request(Wanted("sign"))


def test_what_is_written_of_a_key_is_read_again(office: Office) -> None:
    record = load_record(office.request(Wanted("sign")).with_suffix(".yaml"))
    assert record.key.reference.startswith(f"file:{office.new.resolve()}/VN-GOV-G01-sign-")
    assert record.key.pin is not None
    assert record.key.pin.file is not None
