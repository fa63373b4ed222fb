"""Certified copies: what is accepted, what is not, and that nobody needs our code to check one."""

import base64
import hashlib
import json
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PublicFormat,
    pkcs12,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.hotich.signing import InvalidCopy, Registrar, load_registrar, verify_copy
from adapters.hotich.verify import main
from gateway.core.signing.requests import KeyType
from gateway.trust.authority import Authority, Identity, create_root, create_tls, named, validity
from tests.support.registrar import documents_authority, registrar

NOW = datetime.now(UTC)
DOCUMENT = '{"title": "Trích lục khai sinh (bản sao)"}'.encode()


def root() -> x509.Certificate:
    return documents_authority().identity.certificate


def header_of(signature: str) -> dict[str, Any]:
    text = signature.split(".")[0]
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    return found


@pytest.mark.parametrize(("kind", "algorithm"), [(KeyType.EC_P256, "ES256"), (KeyType.RSA_2048, "RS256")])
def test_a_copy_is_verified(kind: KeyType, algorithm: str) -> None:
    signature = registrar(kind).sign(DOCUMENT, NOW)
    signer = verify_copy(DOCUMENT, signature, root(), NOW)
    assert (signer.subject, signer.signed_at) == (
        "CN=Công chức tư pháp - hộ tịch,O=Bộ Tư pháp",
        NOW.replace(microsecond=0),
    )
    header = header_of(signature)
    assert (set(header), header["alg"]) == ({"alg", "x5c", "iat"}, algorithm)


def test_openssl_verifies_it_without_us(tmp_path: Path) -> None:
    """Only base64 and the two integers of an ECDSA signature are put into other clothes."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not installed")
    signature = registrar().sign(DOCUMENT, NOW)
    head, _, raw = signature.split(".")
    content = f"{head}.{base64.urlsafe_b64encode(DOCUMENT).decode().rstrip('=')}".encode()
    both = base64.urlsafe_b64decode(raw + "==")
    der = encode_dss_signature(int.from_bytes(both[:32], "big"), int.from_bytes(both[32:], "big"))
    shown = x509.load_der_x509_certificate(base64.b64decode(header_of(signature)["x5c"][0]))
    files = {
        "content": content,
        "signature": der,
        "signer.pem": shown.public_bytes(Encoding.PEM),
        "key.pem": shown.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        "ca.pem": root().public_bytes(Encoding.PEM),
    }
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    chain = [openssl, "verify", "-CAfile", "ca.pem", "signer.pem"]
    check = [openssl, "dgst", "-sha256", "-verify", "key.pem", "-signature", "signature", "content"]
    for command in (chain, check):
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    (tmp_path / "content").write_bytes(content + b"x")
    assert subprocess.run(check, cwd=tmp_path, capture_output=True, check=False).returncode != 0


def _resigned(change: Callable[[dict[str, Any]], object]) -> str:
    """A signature whose header was changed and which was then made anew, by the same registrar."""
    header = header_of(registrar().sign(DOCUMENT, NOW))
    change(header)
    algorithm = header.pop("alg")
    whole = jwt.PyJWS().encode(DOCUMENT, registrar().key, algorithm, {**header, "typ": None})
    head, _, signature = whole.split(".")
    return f"{head}..{signature}"


def _another_authority() -> Registrar:
    other = Authority(create_root(named("Test Documents CA"), validity(NOW, years=1)), lambda _: None)
    identity = other.issue_signing(named("Công chức"), validity(NOW, years=1))
    return Registrar(identity.key, identity.certificate)


def _other_use() -> Registrar:
    identity = documents_authority().issue_authentication(named("ss1"), validity(NOW, years=1))
    return Registrar(identity.key, identity.certificate)


def _ended() -> Registrar:
    before = validity(NOW - timedelta(days=800), years=1)
    identity = documents_authority().issue_signing(named("Công chức"), before)
    return Registrar(identity.key, identity.certificate)


def _self_made() -> Registrar:
    identity: Identity = create_tls(named("Công chức"), validity(NOW, years=1))
    return Registrar(identity.key, identity.certificate)


GOOD = registrar().sign(DOCUMENT, NOW)
BAD: dict[str, Callable[[], tuple[bytes, str]]] = {
    "another document": lambda: (DOCUMENT + b" ", GOOD),
    "a changed signature": lambda: (DOCUMENT, GOOD[:-6] + "AAAAAA"),
    "another authority of the same name": lambda: (DOCUMENT, _another_authority().sign(DOCUMENT, NOW)),
    "a certificate for other uses": lambda: (DOCUMENT, _other_use().sign(DOCUMENT, NOW)),
    "a certificate that had ended": lambda: (DOCUMENT, _ended().sign(DOCUMENT, NOW)),
    "a certificate of its own": lambda: (DOCUMENT, _self_made().sign(DOCUMENT, NOW)),
    "the authority itself": lambda: (
        DOCUMENT,
        Registrar(documents_authority().identity.key, root()).sign(DOCUMENT, NOW),
    ),
    "signed in the future": lambda: (DOCUMENT, registrar().sign(DOCUMENT, NOW + timedelta(hours=1))),
    "signed before the certificate": lambda: (DOCUMENT, registrar().sign(DOCUMENT, NOW - timedelta(days=2))),
    "an unknown member of the header": lambda: (DOCUMENT, _resigned(lambda h: h.update(jku="http://x"))),
    "no time": lambda: (DOCUMENT, _resigned(lambda h: h.pop("iat"))),
    "a time that is no number": lambda: (DOCUMENT, _resigned(lambda h: h.update(iat=True))),
    "two certificates": lambda: (DOCUMENT, _resigned(lambda h: h.update(x5c=h["x5c"] * 2))),
    "the document inside": lambda: (DOCUMENT, GOOD.replace("..", f".{base64.urlsafe_b64encode(DOCUMENT).decode()}.")),
    "nothing": lambda: (DOCUMENT, ""),
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD.keys())
def test_what_proves_nothing_fail(bad: Callable[[], tuple[bytes, str]]) -> None:
    document, signature = bad()
    with pytest.raises(InvalidCopy):
        verify_copy(document, signature, root(), NOW)


def test_no_algorithm_of_the_callers_choice_fail() -> None:
    """`none`, and the certificate's public key taken for a shared secret."""
    head = header_of(GOOD)
    for name in ("none", "HS256", "RS256"):
        changed = base64.urlsafe_b64encode(json.dumps(head | {"alg": name}).encode()).decode().rstrip("=")
        with pytest.raises(InvalidCopy):
            verify_copy(DOCUMENT, f"{changed}..{GOOD.split('.')[2]}", root(), NOW)


@settings(max_examples=60, deadline=None)
@given(
    st.one_of(
        st.text(max_size=60), st.builds(lambda a, b: f"{a}..{b}", st.text("eyJhbGc", max_size=30), st.text(max_size=9))
    )
)
def test_any_text_is_refused_in_one_way(text: str) -> None:
    with pytest.raises(InvalidCopy):
        verify_copy(DOCUMENT, text, root(), NOW)


def test_the_registrars_file(tmp_path: Path) -> None:
    mine = registrar()
    path = tmp_path / "r.p12"
    path.write_bytes(
        pkcs12.serialize_key_and_certificates(b"r", mine.key, mine.certificate, None, BestAvailableEncryption(b"1234"))
    )
    (tmp_path / "r.pin").write_text("1234\n")
    assert load_registrar(path).certificate == mine.certificate
    (tmp_path / "r.pin").write_text("4321\n")
    with pytest.raises(ValueError):
        load_registrar(path)
    assert "key" not in repr(replace(mine)).split("certificate")[0]


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "ca.pem").write_bytes(root().public_bytes(Encoding.PEM))
    copy = {
        "document": base64.b64encode(DOCUMENT).decode(),
        "document_sha256": "0" * 64,
        "signature": GOOD,
    }
    path = tmp_path / "copy.json"
    arguments = ["--authority", str(tmp_path / "ca.pem"), str(path)]
    path.write_text(json.dumps(copy))
    assert main(arguments) == 1
    copy["document_sha256"] = hashlib.sha256(DOCUMENT).hexdigest()
    path.write_text(json.dumps(copy))
    assert main(arguments) == 0
    assert "Bộ Tư pháp" in capsys.readouterr().out
    path.write_text("[]")
    assert main(arguments) == 1
