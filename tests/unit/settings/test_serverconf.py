"""Settings of a server as core sees them."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    pkcs12,
)
from cryptography.x509.oid import NameOID

from gateway.core.errors import SettingsError
from gateway.core.identifiers import GlobalGroupId, LocalGroupId, MemberId, SubsystemId
from gateway.core.serverconf.model import (
    BASE_ENDPOINT,
    AccessRight,
    ClientStatus,
    ConnectionType,
    Endpoint,
    ServerConf,
    ServiceKind,
)
from gateway.settings.serverconf import server_conf
from tests.unit.settings.support import SERVER, changed, server_from

DANCU, HOTICH = SubsystemId("VN", "GOV", "G01", "dancu"), SubsystemId("VN", "GOV", "G15", "hotich")
KEY = ec.generate_private_key(ec.SECP256R1())


def certificate(name: str) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    start = datetime(2026, 11, 24, tzinfo=UTC)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(KEY.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(start)
    return builder.not_valid_after(start + timedelta(days=1)).sign(KEY, hashes.SHA256())


ONE, TWO = certificate("one"), certificate("two")
PEM = {c: c.public_bytes(Encoding.PEM) for c in (ONE, TWO)}
DER = {c: c.public_bytes(Encoding.DER) for c in (ONE, TWO)}


def conf(folder: Path, text: str = SERVER) -> ServerConf:
    return server_conf(server_from(folder, text))


def test_client_and_service(tmp_path: Path) -> None:
    client = conf(tmp_path).clients[DANCU]
    assert (client.status, client.connection) == (ClientStatus.REGISTERED, ConnectionType.HTTPS)
    assert client.local_groups == {LocalGroupId("staff"): frozenset({HOTICH})}
    service = client.services["person"]
    assert (service.kind, service.url, service.timeout) == (ServiceKind.REST, "http://127.0.10.1:9000", 10.0)
    assert service.endpoints == (Endpoint("GET", "/v1/persons/*"), Endpoint("POST", "/v1/verify"))
    assert (service.description_url, service.disabled_notice, service.verify_tls) == (None, None, True)


def test_rights(tmp_path: Path) -> None:
    text = (
        changed("to: local:staff", "to: group:EE/readers") + "          - {to: GOV/G22}\n          - {to: group:all}\n"
    )
    assert conf(tmp_path, text).clients[DANCU].rights == (
        AccessRight(SubsystemId("VN", "GOV", "G22", "dvc"), "person", Endpoint("GET", "/v1/persons/*")),
        AccessRight(GlobalGroupId("EE", "readers"), "person", BASE_ENDPOINT),
        AccessRight(MemberId("VN", "GOV", "G22"), "person", BASE_ENDPOINT),
        AccessRight(GlobalGroupId("VN", "all"), "person", BASE_ENDPOINT),
    )


def test_without_endpoints_those_of_the_rights(tmp_path: Path) -> None:
    text = changed('        endpoints: ["GET /v1/persons/*", "POST /v1/verify"]\n', "")
    assert conf(tmp_path, text).clients[DANCU].services["person"].endpoints == (Endpoint("GET", "/v1/persons/*"),)


def test_with_a_description(tmp_path: Path) -> None:
    description = tmp_path / "openapi.yaml"
    description.write_text("{openapi: 3.1.0, paths: {'/v1/persons/{id}': {get: {}}}}")
    text = changed('endpoints: ["GET /v1/persons/*", "POST /v1/verify"]', f"openapi: {description}")
    service = conf(tmp_path, text).clients[DANCU].services["person"]
    assert (service.kind, service.description_url) == (ServiceKind.OPENAPI3, f"file:{description}")
    assert service.endpoints == (Endpoint("GET", "/v1/persons/*"),)


def test_disabled_and_unchecked(tmp_path: Path) -> None:
    service = (
        conf(tmp_path, changed("timeout: 10s", "disabled: bảo trì\n        verify_tls: false")).clients[DANCU].services
    )
    assert (service["person"].disabled_notice, service["person"].verify_tls) == ("bảo trì", False)


@pytest.mark.parametrize(("word", "status"), [("saved", ClientStatus.SAVED), ("disabled", ClientStatus.DISABLED)])
def test_status(tmp_path: Path, word: str, status: ClientStatus) -> None:
    text = changed("  - id: GOV/G01/dancu\n", f"  - id: GOV/G01/dancu\n    status: {word}\n")
    assert conf(tmp_path, text).clients[DANCU].status is status


def test_without_a_word_about_systems_only_mutual_tls(tmp_path: Path) -> None:
    client = conf(tmp_path, changed("    information_systems: {authentication: https}\n", "")).clients[DANCU]
    assert (client.connection, client.certificates) == (ConnectionType.MUTUAL_TLS, ())


def test_certificates_of_information_systems(tmp_path: Path) -> None:
    (tmp_path / "two.pem").write_bytes(PEM[ONE] + PEM[TWO])
    text = changed("authentication: https", f"authentication: https, certificates: [{tmp_path}/two.pem]")
    assert conf(tmp_path, text).clients[DANCU].certificates == (DER[ONE], DER[TWO])


class TestInternalCertificate:
    def with_key(self, folder: Path, value: str) -> bytes | None:
        text = changed("listen:", f"  internal_tls: {value}\nlisten:")
        return conf(folder, text).internal_certificate

    def test_absent(self, tmp_path: Path) -> None:
        assert conf(tmp_path).internal_certificate is None

    def test_pem_has_the_leaf_first(self, tmp_path: Path) -> None:
        (tmp_path / "x.pem").write_bytes(PEM[ONE] + PEM[TWO])
        assert self.with_key(tmp_path, f'{{key: "file:k", certificate: {tmp_path}/x.pem}}') == DER[ONE]

    @pytest.mark.parametrize("pin", [None, "mật khẩu"])
    def test_pkcs12(self, tmp_path: Path, pin: str | None) -> None:
        encryption = BestAvailableEncryption(pin.encode()) if pin else NoEncryption()
        (tmp_path / "x.p12").write_bytes(pkcs12.serialize_key_and_certificates(b"x", KEY, ONE, None, encryption))
        (tmp_path / "pin").write_text(pin or "")
        more = f', pin: "file:{tmp_path}/pin"' if pin else ""
        assert self.with_key(tmp_path, f'{{token: "file:{tmp_path}/x.p12"{more}}}') == DER[ONE]

    def test_wrong_pin(self, tmp_path: Path) -> None:
        data = pkcs12.serialize_key_and_certificates(b"x", KEY, ONE, None, BestAvailableEncryption(b"right"))
        (tmp_path / "x.p12").write_bytes(data)
        (tmp_path / "pin").write_text("falsch")
        with pytest.raises(SettingsError, match="wrong pin or no PKCS#12 file") as e:
            self.with_key(tmp_path, f'{{token: "file:{tmp_path}/x.p12", pin: "file:{tmp_path}/pin"}}')
        assert "falsch" not in str(e.value)

    def test_a_key_alone(self, tmp_path: Path) -> None:
        key = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (tmp_path / "x.pem").write_bytes(key)
        with pytest.raises(SettingsError, match="holds no certificate"):
            self.with_key(tmp_path, f'{{key: "file:k", certificate: {tmp_path}/x.pem}}')
