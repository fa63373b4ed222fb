"""Pebble, the ACME server that clients of Let's Encrypt are tested with, judges our orders: account, binding, proof, request."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from gateway.app.keyring.files import keys_in
from gateway.app.keyring.requests import Wanted
from gateway.core.errors import ServiceUnavailable
from tests.unit.app.keyring.conftest import Office
from tests.unit.app.keyring.test_acme import free_port

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(shutil.which("pebble") is None, reason="the pebble command is not installed"),
    pytest.mark.skipif(shutil.which("openssl") is None, reason="the openssl command is not installed"),
]

SECRET = base64.urlsafe_b64encode(bytes(range(32))).decode().rstrip("=")
_CERTIFICATE = ("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2")


@pytest.fixture
def pebble(office: Office) -> Iterator[Office]:
    """An office whose settings name a running Pebble, which asks for bound accounts."""
    api, proofs, folder = free_port(), free_port(), office.folder
    certificate, key = folder / "pebble.pem", folder / "pebble.key"
    name = ("-subj", "/CN=pebble", "-addext", "subjectAltName=IP:127.0.0.1")
    where = ("-keyout", str(key), "-out", str(certificate))
    subprocess.run(["openssl", *_CERTIFICATE, *name, *where], check=True, capture_output=True)
    settings = {
        "listenAddress": f"127.0.0.1:{api}",
        "managementListenAddress": f"127.0.0.1:{free_port()}",
        "certificate": str(certificate),
        "privateKey": str(key),
        "httpPort": proofs,
        "tlsPort": free_port(),
        "externalAccountBindingRequired": True,
        "externalAccountMACKeys": {"key-7": SECRET},
    }
    (folder / "pebble.json").write_text(json.dumps({"pebble": settings}))
    (folder / "eab").write_text(SECRET)
    acme = {
        "directory": f"https://127.0.0.1:{api}/dir",
        "account": str(folder / "acme/account.key"),
        "listen": f"127.0.0.1:{proofs}",
        "ca": str(certificate),
        "binding": {"key_id": "key-7", "secret": f"file:{folder}/eab"},
        "timeout": "20s",
    }
    office.edit("G01-ss1", lambda s: s.update(acme=acme))
    environment = {**os.environ, "PEBBLE_VA_NOSLEEP": "1"}
    command = ["pebble", "-strict", "-config", str(folder / "pebble.json")]
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as running:
        try:
            _wait(acme["directory"], certificate)
            yield office
        finally:
            running.terminate()


def _wait(directory: object, certificate: Path) -> None:
    for _ in range(100):
        try:
            assert requests.get(str(directory), verify=str(certificate), timeout=5).status_code == 200
        except requests.ConnectionError:
            time.sleep(0.1)
        else:
            return
    pytest.fail("pebble does not answer")


def order(office: Office) -> str:
    arguments = ("--config", str(office.config), "--folder", str(office.new))
    return str(office.run("order", *arguments).output)


def test_pebble_issues_what_we_order(pebble: Office) -> None:
    """It knows no signing certificates: the server's own TLS certificate is what it can judge. Twice, with one account."""
    for number in (1, 2):
        pebble.request(Wanted("tls", dns="localhost"))
        assert "in the server's settings" in order(pebble)
        certificates = [key.certificate for key in keys_in(pebble.new)]
        assert len([c for c in certificates if c is not None]) == number
    for key in keys_in(pebble.new):
        assert key.certificate is not None
        assert key.certificate.public_key() == key.request.public_key
        assert key.place.read_text().count("BEGIN CERTIFICATE") > 1  # its intermediate with it


def test_pebble_refuses_a_binding_that_it_did_not_give(pebble: Office) -> None:
    (pebble.folder / "eab").write_text(base64.urlsafe_b64encode(bytes(32)).decode().rstrip("="))
    pebble.request(Wanted("tls", dns="localhost"))
    with pytest.raises(ServiceUnavailable, match="ACME server"):
        order(pebble)
