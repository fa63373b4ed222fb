"""A certificate joins its key only if everybody else will accept it; refused ones leave nothing behind."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509

from gateway.app.keyring.files import keys_in
from gateway.app.keyring.importing import import_certificate, what_to_do
from gateway.app.keyring.requests import Wanted
from gateway.app.listeners import clock
from gateway.core.errors import GatewayError
from gateway.core.identifiers import MemberId, SecurityServerId
from gateway.core.signing.certificates import sign_certificate_subject
from gateway.core.signing.profiles import EJBCA
from gateway.core.signing.requests import parse_request
from gateway.settings.server import load_server
from gateway.settings.trust import load_trust
from gateway.signer.tokens import open_token
from gateway.trust.authority import Authority, Use, create_root, named, validity
from gateway.trust.issuing import issue, load_authority
from tests.unit.app.keyring.conftest import Office


def bring(office: Office, file: Path) -> str:
    return what_to_do(import_certificate(office.settings, office.conf, file, office.new, clock()))


def test_a_signing_certificate_joins_its_key_and_can_be_opened(office: Office) -> None:
    request = office.request(Wanted("sign"))
    text = bring(office, office.issue(request))
    (key,) = keys_in(office.new)
    assert key.certificate is not None
    pin = key.record.key.pin.read() if key.record.key.pin else None
    token = open_token(key.record.key.reference, pin=pin, certificate=key.place)
    assert token.certificate == key.certificate
    assert "keys.signing becomes a list" in text
    assert "registered" not in text


def test_what_is_said_is_what_the_settings_take(office: Office) -> None:
    """The printed line, put above the old key, is understood."""
    text = bring(office, office.issue(office.request(Wanted("auth")), Use.AUTH))
    line = next(line for line in text.splitlines() if line.startswith("  - "))
    assert "GOV/G01/ss1, auth_certs" in text
    office.edit("G01-ss1", lambda s: s["keys"].update(authentication=["NEW", s["keys"]["authentication"]]))
    office.config.write_text(office.config.read_text().replace("- NEW", line.strip()))
    first, second = load_server(office.config).keys.authentication
    assert first.certificate is not None
    assert first.certificate.parent == office.new.resolve()
    assert second.token is not None


def test_importing_again_changes_nothing(office: Office) -> None:
    certificate = office.issue(office.request(Wanted("sign")))
    assert bring(office, certificate) == bring(office, certificate)
    another = office.issue(next(office.new.glob("*.csr")))
    with pytest.raises(GatewayError, match="File exists"):
        bring(office, another)


def test_an_internal_certificate_needs_no_approved_authority(office: Office) -> None:
    request = office.request(Wanted("tls"))
    stranger = Authority(create_root(named("House CA"), validity(clock(), years=1)), lambda _: None)
    found = issue(stranger, parse_request(request.read_bytes()), Use.AUTH, clock(), years=1)
    assert "internal_tls: {key:" in bring(office, office.mail("tls", found))


def authority(office: Office) -> Authority:
    return load_authority(load_trust(office.trust))


def _other_key(office: Office, request: Path) -> Path:
    found = authority(office).issue_signing(parse_request(request.read_bytes()).subject, validity(clock(), years=1))
    return office.mail("other", found.certificate)


def _other_member(office: Office, request: Path) -> Path:
    asked = parse_request(request.read_bytes())
    other = sign_certificate_subject(
        EJBCA, member=MemberId("VN", "GOV", "G22"), server=SecurityServerId("VN", "GOV", "G22", "ss1")
    )
    return office.mail("other", issue(authority(office), replace(asked, subject=other), Use.SIGN, clock(), years=1))


def _other_use(office: Office, request: Path) -> Path:
    return office.issue(request, Use.AUTH)


def _strange_authority(office: Office, request: Path) -> Path:
    stranger = Authority(create_root(named("Test CA"), validity(clock(), years=1)), lambda _: None)
    return office.mail("other", issue(stranger, parse_request(request.read_bytes()), Use.SIGN, clock(), years=1))


def _expired(office: Office, request: Path) -> Path:
    before = clock() - timedelta(days=400)
    return office.mail(
        "other", issue(authority(office), parse_request(request.read_bytes()), Use.SIGN, before, years=1)
    )


def _wrong_pin(office: Office, request: Path) -> Path:
    request.with_suffix(".pin").write_text("wrong")
    return office.issue(request)


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        (_other_key, "csr_not_found"),
        (_other_member, "incorrect_certificate"),
        (_other_use, "wrong_cert_usage"),
        (_strange_authority, "cannot_create_cert_path"),
        (_expired, "cert_validation"),
        (_wrong_pin, "pin_incorrect"),
    ],
)
def test_what_others_would_refuse_is_refused_here(office: Office, wrong, code: str) -> None:  # type: ignore[no-untyped-def]
    request = office.request(Wanted("sign"))
    file = wrong(office, request)
    with pytest.raises(GatewayError) as refused:
        bring(office, file)
    assert refused.value.code == code
    assert not request.with_suffix(".pem").exists()


def test_another_servers_name_in_an_authentication_certificate(office: Office) -> None:
    request = office.request(Wanted("auth"))
    asked = parse_request(request.read_bytes())
    other = x509.Name([a for a in asked.subject if a.value != "ss1"])
    found = issue(authority(office), replace(asked, subject=other), Use.AUTH, clock(), years=1)
    with pytest.raises(GatewayError, match="lacks CN=ss1"):
        bring(office, office.mail("other", found))
