"""The openssl command line on our certificate requests, and we on those it makes."""

from __future__ import annotations

import shutil
import subprocess
from functools import partial
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from gateway.core.signing.algorithms import PrivateKey, sign_der
from gateway.core.signing.requests import build_request, parse_request, request_algorithm
from tests.unit.trust.pki import rsa_key, sign_subject

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(shutil.which("openssl") is None, reason="the openssl command is not installed"),
]

KEYS: list[PrivateKey] = [
    ec.generate_private_key(ec.SECP256R1()),
    ec.generate_private_key(ec.SECP384R1()),
    rsa_key(),
]


def openssl(*arguments: str, data: bytes = b"") -> tuple[int, str]:
    done = subprocess.run(["openssl", *arguments], input=data, capture_output=True, timeout=30)
    return done.returncode, (done.stdout + done.stderr).decode()


@pytest.mark.parametrize("key", KEYS, ids=["p256", "p384", "rsa"])
def test_openssl_verifies_ours_and_not_an_altered_one(key: PrivateKey, tmp_path: Path) -> None:
    sign = partial(sign_der, key, request_algorithm(key.public_key()))
    request = build_request(sign_subject(), key.public_key(), sign, ["ss1.example.vn", "10.0.0.1"])
    code, said = openssl("req", "-verify", "-noout", "-text", data=request)
    assert code == 0
    assert "verify OK" in said
    assert "DNS:ss1.example.vn, IP Address:10.0.0.1" in said
    assert "CN = G01" in said or "CN=G01" in said
    forged = build_request(sign_subject(), key.public_key(), lambda data: sign(data + b"x"))
    assert "verify OK" not in openssl("req", "-verify", "-noout", data=forged)[1]


@pytest.mark.parametrize("kind", ["ec", "rsa"])
def test_we_read_openssls(kind: str, tmp_path: Path) -> None:
    new = {"ec": ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"], "rsa": ["-newkey", "rsa:2048"]}[kind]
    out = tmp_path / "r.csr"
    code, said = openssl(
        "req", "-new", *new, "-nodes", "-keyout", str(tmp_path / "k"), "-subj", "/C=VN/O=GOV/CN=G01", "-out", str(out)
    )
    assert code == 0, said
    assert parse_request(out.read_bytes()).subject.rfc4514_string() == "CN=G01,O=GOV,C=VN"
