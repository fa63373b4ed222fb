"""The authority gives its own certificates for requests: its form, its responder knows them, nothing outlives it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from typer.testing import CliRunner

from gateway.app.cli import cli
from gateway.core.errors import SettingsError
from gateway.core.signing.algorithms import sign_der
from gateway.core.signing.certificates import (
    is_authentication_certificate,
    is_issued_by,
    is_ocsp_signer,
    is_signing_certificate,
    is_time_stamper,
)
from gateway.core.signing.requests import build_request, parse_request, request_algorithm
from gateway.trust.authority import Use
from gateway.trust.issuing import issue
from tests.unit.trust.pki import NOW, Pki, sign_subject

KEY = ec.generate_private_key(ec.SECP256R1())
REQUEST = build_request(
    sign_subject(), KEY.public_key(), partial(sign_der, KEY, request_algorithm(KEY.public_key())), ["evil.example.vn"]
)
KIND: dict[Use, Callable[[x509.Certificate], bool]] = {
    Use.SIGN: is_signing_certificate,
    Use.AUTH: is_authentication_certificate,
    Use.TSA: is_time_stamper,
    Use.OCSP: is_ocsp_signer,
}


@pytest.fixture
def pki(tmp_path: Path) -> Pki:
    return Pki(tmp_path)


@pytest.mark.parametrize("use", KIND)
def test_the_form_is_the_authoritys(pki: Pki, use: Use) -> None:
    certificate = issue(pki.authority, parse_request(REQUEST), use, NOW, years=1)
    assert certificate.subject == sign_subject()
    assert certificate.public_key() == KEY.public_key()
    assert is_issued_by(certificate, pki.root.certificate)
    assert certificate in pki.index
    assert KIND[use](certificate)
    with pytest.raises(x509.ExtensionNotFound):
        certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)  # asked for, not given
    assert certificate.not_valid_after_utc == NOW - timedelta(minutes=1) + timedelta(days=365.25)


def test_nothing_outlives_the_authority(pki: Pki) -> None:
    certificate = issue(pki.authority, parse_request(REQUEST), Use.SIGN, NOW, years=29)
    assert certificate.not_valid_after_utc == pki.root.certificate.not_valid_after_utc


@pytest.fixture
def trust(pki: Pki, tmp_path: Path) -> Path:
    """Settings of a trust role on that authority."""
    key = pki.root.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "ca.key").write_bytes(key)
    (tmp_path / "ca.pem").write_bytes(pki.root.certificate.public_bytes(Encoding.PEM))
    pair = f'{{certificate: {tmp_path}/ca.pem, key: "file:{tmp_path}/ca.key"}}'
    (tmp_path / "trust.yaml").write_text(
        f"listen: 127.0.0.1:1\nca: {pair}\nocsp: {pair}\nstatus: {tmp_path}/index.json\n"
    )
    (tmp_path / "sign.csr").write_bytes(REQUEST)
    return tmp_path / "trust.yaml"


def test_on_the_command_line(trust: Path, pki: Pki) -> None:
    arguments = ["issue", str(trust.with_name("sign.csr")), "--for", "sign", "--config", str(trust)]
    done = CliRunner().invoke(cli, arguments, catch_exceptions=False)
    assert done.exit_code == 0
    certificate = x509.load_pem_x509_certificate(trust.with_name("sign.pem").read_bytes())
    assert f"{certificate.serial_number:x}" in done.output
    assert certificate in pki.index
    with pytest.raises(SettingsError, match=r"sign\.pem: File exists"):
        CliRunner().invoke(cli, arguments, catch_exceptions=False)
    assert x509.load_pem_x509_certificate(trust.with_name("sign.pem").read_bytes()) == certificate
