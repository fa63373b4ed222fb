"""`keys order` and `keys renew --acme`: ordered, proved, issued, imported like any other certificate; what goes wrong is said."""

from __future__ import annotations

import base64
import socket
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.app.keyring.files import keys_in
from gateway.app.keyring.requests import Wanted
from gateway.app.listeners import clock
from gateway.core.errors import AuthenticationFailed, ServiceUnavailable, SettingsError
from gateway.core.signing.requests import parse_request
from gateway.settings.trust import load_trust
from gateway.trust.authority import Use
from gateway.trust.issuing import issue, load_authority
from tests.support.acme import AcmeServer, acme_server
from tests.unit.app.keyring.conftest import Office

HOST = "ss1.g01.gov.example"
SECRET = bytes(range(32))


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


class Agency:
    """An office that has an ACME authority. `use`: what it issues certificates for, whatever profile is asked for."""

    def __init__(self, office: Office) -> None:
        self.office, self.port = office, free_port()
        self.use: Use | None = None
        self.server = AcmeServer(self._issue, f"http://127.0.0.1:{self.port}", ("key-7", SECRET))

    def _issue(self, csr: x509.CertificateSigningRequest) -> list[x509.Certificate]:
        authority = load_authority(load_trust(self.office.trust))
        request = parse_request(csr.public_bytes(Encoding.DER))
        use = self.use or Use(self.server.orders[-1][1])
        return [issue(authority, request, use, clock(), years=3)]

    def settle(self, **changes: Any) -> None:
        secret = self.office.folder / "eab"
        secret.write_text(base64.urlsafe_b64encode(SECRET).decode().rstrip("="))
        acme = {
            "directory": f"{self.server.root}/directory",
            "account": str(self.office.folder / "acme/account.key"),
            "listen": f"127.0.0.1:{self.port}",
            "binding": {"key_id": "key-7", "secret": f"file:{secret}"},
            "timeout": "5s",
            **changes,
        }
        self.office.edit("G01-ss1", lambda s: s.update(acme={k: v for k, v in acme.items() if v is not None}))

    def run(self, verb: str, *more: str) -> str:
        done = self.office.run(verb, "--config", str(self.office.config), "--folder", str(self.office.new), *more)
        return str(done.output)

    def request(self, use: str = "sign") -> Path:
        return self.office.request(Wanted(use, dns=HOST))  # type: ignore[arg-type]


@pytest.fixture
def agency(office: Office, monkeypatch: pytest.MonkeyPatch) -> Iterator[Agency]:
    monkeypatch.setattr("acme.client.time", SimpleNamespace(sleep=lambda _: None))  # it looks once a second
    made = Agency(office)
    with acme_server(made.server):
        made.settle(profiles={"sign": "sign", "auth": "auth", "tls": "auth"})
        yield made


def test_a_waiting_key_gets_its_certificate(agency: Agency) -> None:
    agency.request()
    text = agency.run("order")
    (key,) = keys_in(agency.office.new)
    assert key.certificate is not None
    assert "keys.signing becomes a list" in text
    assert agency.server.orders == [([HOST], "sign")]
    assert key.certificate.subject == key.request.subject
    assert agency.run("order") == "no key waits for a certificate\n"
    account = agency.office.folder / "acme/account.key"
    assert account.stat().st_mode & 0o077 == 0


def test_the_account_is_the_same_at_the_next_order(agency: Agency) -> None:
    for use in ("sign", "auth"):
        agency.request(use)
        agency.run("order")
    assert [key.certificate is not None for key in keys_in(agency.office.new)] == [True, True]
    assert len(agency.server.accounts) == 1
    assert [profile for _, profile in agency.server.orders] == ["sign", "auth"]


def test_what_the_authority_should_not_have_issued_is_not_imported(agency: Agency) -> None:
    agency.request()
    agency.use = Use.AUTH
    with pytest.raises(AuthenticationFailed, match="not one for signing"):
        agency.run("order")
    assert [key.certificate for key in keys_in(agency.office.new)] == [None]


def test_renewal_orders_for_every_use(agency: Agency) -> None:
    arguments = ("--within", "800d", "--acme", "--dns", HOST)
    text = agency.run("renew", *arguments)
    made = {key.record.use: key.certificate for key in keys_in(agency.office.new)}
    assert {use: certificate is not None for use, certificate in made.items()} == {
        "sign": True,
        "auth": True,
        "tls": True,
    }
    assert "to be registered beside the old certificate" in text
    assert agency.run("renew", *arguments) == text  # nothing is ordered twice
    assert len(agency.server.orders) == 3


def test_one_authority_at_a_time(agency: Agency) -> None:
    with pytest.raises(SettingsError, match="who is to issue"):
        agency.run("renew", "--acme", "--authority", str(agency.office.trust))


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"binding": None}, "an account of this authority is bound"),
        ({"directory": "http://127.0.0.1:9/directory"}, "ConnectionError"),
    ],
)
def test_what_the_authority_says_is_said(agency: Agency, change: dict[str, Any], why: str) -> None:
    agency.settle(**change)
    agency.request()
    with pytest.raises(ServiceUnavailable, match=why):
        agency.run("order")


def test_a_host_that_does_not_answer_with_the_proof(agency: Agency) -> None:
    agency.server.proofs = "http://127.0.0.1:9"
    agency.request()
    with pytest.raises(ServiceUnavailable, match="the proof was not found there"):
        agency.run("order")


def test_nothing_is_ordered_without_a_host_or_a_place_for_the_proof(agency: Agency) -> None:
    agency.office.request(Wanted("sign"))
    with pytest.raises(SettingsError, match="--dns"):
        agency.run("order")
    for path in agency.office.new.iterdir():
        path.unlink()
    agency.request()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", agency.port))
        taken.listen()
        with pytest.raises(SettingsError, match=r"acme\.listen: cannot listen"):
            agency.run("order")
    assert agency.server.orders == [([HOST], "sign")]


def test_an_account_file_that_is_none(agency: Agency) -> None:
    agency.request()
    (agency.office.folder / "acme").mkdir()
    (agency.office.folder / "acme/account.key").write_text("nothing")
    with pytest.raises(SettingsError, match=r"acme\.account"):
        agency.run("order")


def test_without_the_section(office: Office) -> None:
    with pytest.raises(SettingsError, match="acme: is not configured"):
        office.run("order", "--config", str(office.config), "--folder", str(office.new))


def test_plain_http_is_for_loopback(agency: Agency) -> None:
    agency.settle(directory="http://ca.example/directory")
    with pytest.raises(SettingsError, match="must be https"):
        agency.run("order")
