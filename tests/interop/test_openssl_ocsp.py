"""The openssl command line on our CA: chains, purposes, OCSP answers."""

from __future__ import annotations

import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.core.signing.algorithms import PrivateKey
from gateway.core.signing.requests import KeyType
from gateway.trust.authority import Authority, named, new_key
from gateway.trust.responder import OcspResponder
from tests.unit.trust.pki import Pki, auth_subject, sign_subject

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(shutil.which("openssl") is None, reason="the openssl command is not installed"),
]

KEYS = {"ec": KeyType.EC_P256, "rsa": KeyType.RSA_2048}


class World:
    """openssl has no clock to move: everything is as of now."""

    def __init__(self, directory: Path, key: PrivateKey) -> None:
        self.directory = directory
        self.now = datetime.now(UTC)
        self.pki = Pki(directory, now=self.now, root_key=key)
        self.pki.ocsp_signer = self.pki.authority.issue_ocsp_signer(named("OCSP"), self.pki.during, key)
        self.leaf = self.pki.sign(key=key).certificate
        self.write("ca.pem", self.pki.root.certificate)
        self.write("leaf.pem", self.leaf)

    def write(self, name: str, *certificates: x509.Certificate) -> None:
        (self.directory / name).write_bytes(b"".join(c.public_bytes(Encoding.PEM) for c in certificates))

    def openssl(self, *arguments: str) -> tuple[int, str]:
        done = subprocess.run(
            ["openssl", *arguments], cwd=self.directory, capture_output=True, text=True, timeout=30, check=False
        )
        return done.returncode, done.stdout + done.stderr

    def ask(self, *arguments: str) -> tuple[int, str]:
        """openssl makes the request, we answer, openssl judges the answer."""
        code, text = self.openssl(
            "ocsp", "-issuer", "ca.pem", *arguments, "-cert", "leaf.pem", "-reqout", "req.der", "-no_nonce"
        )
        assert code == 0, text
        return self.judge(self.pki.responder)

    def judge(self, responder: OcspResponder, *request: str) -> tuple[int, str]:
        answer = responder.answer((self.directory / "req.der").read_bytes(), self.now)
        (self.directory / "resp.der").write_bytes(answer)
        against = request or ("-issuer", "ca.pem", "-cert", "leaf.pem")
        return self.openssl("ocsp", "-respin", "resp.der", "-CAfile", "ca.pem", *against)


@pytest.fixture(params=KEYS)
def world(request: pytest.FixtureRequest, tmp_path: Path) -> World:
    return World(tmp_path, new_key(KEYS[request.param]))


def test_good(world: World) -> None:
    code, text = world.ask()
    assert code == 0
    assert "Response verify OK" in text
    assert "leaf.pem: good" in text


def test_sha256_cert_id(world: World) -> None:
    world.ask("-sha256")
    code, text = world.judge(world.pki.responder, "-issuer", "ca.pem", "-sha256", "-cert", "leaf.pem")
    assert (code, "leaf.pem: good" in text) == (0, True), text


def test_revoked(world: World) -> None:
    world.pki.index.revoke(world.leaf, world.now, x509.ReasonFlags.key_compromise)
    _, text = world.ask()
    assert "Response verify OK" in text
    assert "leaf.pem: revoked" in text
    assert "Reason: keyCompromise" in text


def test_unknown(world: World) -> None:
    (world.directory / "index.json").unlink()
    _, text = world.ask()
    assert "Response verify OK" in text
    assert "leaf.pem: unknown" in text


def test_nonce_is_matched(world: World) -> None:
    code, text = world.openssl("ocsp", "-issuer", "ca.pem", "-cert", "leaf.pem", "-reqout", "req.der", "-nonce")
    assert code == 0, text
    _, text = world.judge(world.pki.responder, "-reqin", "req.der")
    assert "Response verify OK" in text
    assert "no nonce" not in text
    assert "Nonce Verify error" not in text


def test_an_altered_answer_fail(world: World) -> None:
    world.ask()
    answer = bytearray((world.directory / "resp.der").read_bytes())
    answer[answer.index(world.leaf.serial_number.to_bytes(20, "big").lstrip(b"\0")) + 3] ^= 1
    (world.directory / "resp.der").write_bytes(answer)
    _, text = world.openssl(
        "ocsp", "-respin", "resp.der", "-CAfile", "ca.pem", "-issuer", "ca.pem", "-cert", "leaf.pem"
    )
    assert "Response Verify Failure" in text


def test_chain_through_an_intermediate(world: World) -> None:
    middle = world.pki.authority.issue_intermediate(named("Middle CA"), world.pki.during)
    leaf = Authority(middle, lambda c: None).issue_signing(sign_subject(), world.pki.during)
    world.write("middle.pem", middle.certificate)
    world.write("deep.pem", leaf.certificate)
    code, text = world.openssl("verify", "-x509_strict", "-CAfile", "ca.pem", "-untrusted", "middle.pem", "deep.pem")
    assert (code, text) == (0, "deep.pem: OK\n")
    code, text = world.openssl("verify", "-x509_strict", "-CAfile", "ca.pem", "deep.pem")
    assert code != 0


@pytest.mark.parametrize("purpose", ["sslserver", "sslclient"])
def test_authentication_certificates_serve_both_ways(world: World, purpose: str) -> None:
    world.write("auth.pem", world.pki.authority.issue_authentication(auth_subject(), world.pki.during).certificate)
    arguments = ("verify", "-x509_strict", "-CAfile", "ca.pem", "-purpose", purpose)
    assert world.openssl(*arguments, "auth.pem") == (0, "auth.pem: OK\n")
    assert world.openssl(*arguments, "leaf.pem")[0] != 0


def test_time_stamping_certificate(world: World) -> None:
    world.write("tsa.pem", world.pki.authority.issue_time_stamper(named("TSA"), world.pki.during).certificate)
    arguments = ("verify", "-x509_strict", "-CAfile", "ca.pem", "-purpose", "timestampsign")
    assert world.openssl(*arguments, "tsa.pem") == (0, "tsa.pem: OK\n")
