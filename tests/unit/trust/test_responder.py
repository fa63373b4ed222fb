"""What the responder says, and that core believes it (reference 4.6)."""

from __future__ import annotations

import base64
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509 import ocsp
from cryptography.x509.ocsp import OCSPCertStatus as Status
from cryptography.x509.ocsp import OCSPResponseStatus as Outcome
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.errors import CertificateStatusUnknown, SettingsError
from gateway.core.signing.ocsp import verify_ocsp
from gateway.settings.trust import TrustSettings
from gateway.trust.authority import Identity, create_root, named, validity
from gateway.trust.responder import OcspResponder, build_responder_app
from gateway.trust.service import build_trust_app, load_responder

from .pki import NOW, SHA1, Pki, ocsp_request, rsa_key

Client = TestClient[web.Request, web.Application]


@pytest.fixture
def pki(tmp_path: Path) -> Pki:
    return Pki(tmp_path)


def ask(
    certificate: x509.Certificate,
    issuer: x509.Certificate,
    algorithm: hashes.HashAlgorithm = SHA1,
    nonce: bytes | None = None,
) -> bytes:
    extensions = [] if nonce is None else [(x509.OCSPNonce(nonce), False)]
    return ocsp_request(certificate, issuer, algorithm, *extensions)


def answer(pki: Pki, request: bytes) -> ocsp.OCSPResponse:
    return ocsp.load_der_ocsp_response(pki.responder.answer(request, NOW.replace(microsecond=99)))


def test_good_and_believed(pki: Pki) -> None:
    certificate = pki.sign().certificate
    raw = pki.responder.answer(ask(certificate, pki.root.certificate), NOW.replace(microsecond=99))
    verdict = verify_ocsp(raw, certificate, pki.root.certificate, pki.ca, pki.trust, NOW)
    assert (verdict.this_update, verdict.next_update) == (NOW, NOW + timedelta(minutes=30))


def test_rsa_authority_believed(tmp_path: Path) -> None:
    pki = Pki(tmp_path, root_key=rsa_key())
    certificate = pki.sign().certificate
    raw = pki.responder.answer(ask(certificate, pki.root.certificate), NOW)
    assert verify_ocsp(raw, certificate, pki.root.certificate, pki.ca, pki.trust, NOW).this_update == NOW


def test_revoked(pki: Pki) -> None:
    certificate = pki.sign().certificate
    pki.index.revoke(certificate, NOW - timedelta(hours=1), x509.ReasonFlags.key_compromise)
    raw = pki.responder.answer(ask(certificate, pki.root.certificate), NOW)
    got = ocsp.load_der_ocsp_response(raw)
    assert got.certificate_status is Status.REVOKED
    assert got.revocation_time_utc == NOW - timedelta(hours=1)
    assert got.revocation_reason is x509.ReasonFlags.key_compromise
    with pytest.raises(CertificateStatusUnknown) as e:
        verify_ocsp(raw, certificate, pki.root.certificate, pki.ca, pki.trust, NOW)
    assert e.value.code == "cert_validation"


def test_revoked_without_reason(pki: Pki) -> None:
    certificate = pki.sign().certificate
    pki.index.revoke(certificate, NOW, x509.ReasonFlags.unspecified)
    assert answer(pki, ask(certificate, pki.root.certificate)).revocation_reason is None


def test_never_issued_is_unknown(pki: Pki, tmp_path: Path) -> None:
    certificate = pki.sign().certificate
    (tmp_path / "index.json").unlink()
    assert answer(pki, ask(certificate, pki.root.certificate)).certificate_status is Status.UNKNOWN


@pytest.mark.parametrize("algorithm", [SHA1, hashes.SHA256()], ids=["sha1", "sha256"])
def test_cert_id_is_echoed(pki: Pki, algorithm: hashes.HashAlgorithm) -> None:
    certificate = pki.sign().certificate
    got = answer(pki, ask(certificate, pki.root.certificate, algorithm))
    assert got.hash_algorithm.name == algorithm.name
    assert got.serial_number == certificate.serial_number
    assert got.certificate_status is Status.GOOD


def test_who_signed_and_when(pki: Pki) -> None:
    got = answer(pki, ask(pki.sign().certificate, pki.root.certificate))
    assert got.certificates == [pki.ocsp_signer.certificate]
    assert isinstance(got.signature_hash_algorithm, hashes.SHA256)
    assert got.this_update_utc == NOW  # whole seconds
    assert got.produced_at_utc.microsecond == 0


def test_nonce_is_echoed_only_when_asked(pki: Pki) -> None:
    certificate = pki.sign().certificate
    with_nonce = answer(pki, ask(certificate, pki.root.certificate, nonce=b"0123456789abcdef"))
    assert with_nonce.extensions.get_extension_for_class(x509.OCSPNonce).value.nonce == b"0123456789abcdef"
    assert len(answer(pki, ask(certificate, pki.root.certificate)).extensions) == 0


def test_next_answer_shows_a_revocation(pki: Pki) -> None:
    certificate = pki.sign().certificate
    request = ask(certificate, pki.root.certificate)
    responder = pki.responder
    assert ocsp.load_der_ocsp_response(responder.answer(request, NOW)).certificate_status is Status.GOOD
    pki.index.revoke(certificate, NOW, x509.ReasonFlags.superseded)
    assert ocsp.load_der_ocsp_response(responder.answer(request, NOW)).certificate_status is Status.REVOKED


def test_of_another_issuer_fail(pki: Pki) -> None:
    other = create_root(named("Test CA", organisation="Test"), validity(NOW, years=1))  # same name, another key
    request = ask(pki.sign().certificate, other.certificate)
    assert answer(pki, request).response_status is Outcome.UNAUTHORIZED


def test_damaged_index_is_never_good_fail(pki: Pki, tmp_path: Path) -> None:
    request = ask(pki.sign().certificate, pki.root.certificate)
    (tmp_path / "index.json").write_bytes(b"{}")
    assert answer(pki, request).response_status is Outcome.INTERNAL_ERROR


def _critical(pki: Pki) -> bytes:
    unknown = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00")
    return ocsp_request(pki.sign().certificate, pki.root.certificate, SHA1, (unknown, True))


def _negative(pki: Pki) -> bytes:
    certificate = pki.sign().certificate
    good = ask(certificate, pki.root.certificate)
    at = len(good) - (certificate.serial_number.bit_length() // 8 + 1)  # where the INTEGER's content begins
    return good[:at] + bytes([good[at] | 0x80]) + good[at + 1 :]


MALFORMED = {
    "negative serial number": _negative,
    "empty": lambda pki: b"",
    "text": lambda pki: b"hello",
    "cut": lambda pki: ask(pki.sign().certificate, pki.root.certificate)[:-1],
    "trailing": lambda pki: ask(pki.sign().certificate, pki.root.certificate) + b"\0",
    "long nonce": lambda pki: ask(pki.sign().certificate, pki.root.certificate, nonce=b"x" * 129),
    "unknown critical extension": _critical,
}


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_fail(name: str, pki: Pki) -> None:
    assert answer(pki, MALFORMED[name](pki)).response_status is Outcome.MALFORMED_REQUEST


@pytest.fixture(scope="module")
def any_responder(tmp_path_factory: pytest.TempPathFactory) -> OcspResponder:
    return Pki(tmp_path_factory.mktemp("pki")).responder


@given(st.binary(max_size=300))
def test_any_bytes_are_answered(any_responder: OcspResponder, request_bytes: bytes) -> None:
    got = ocsp.load_der_ocsp_response(any_responder.answer(request_bytes, NOW))
    assert got.response_status in (Outcome.MALFORMED_REQUEST, Outcome.UNAUTHORIZED)


@given(st.data())
def test_any_alteration_is_answered(any_responder: OcspResponder, data: st.DataObject) -> None:
    good = bytearray(ask(any_responder.signer.certificate, any_responder.authority, nonce=b"n" * 16))
    good[data.draw(st.integers(0, len(good) - 1))] = data.draw(st.integers(0, 255))
    assert ocsp.load_der_ocsp_response(any_responder.answer(bytes(good), NOW)).response_status is not None


# --- HTTP ----------------------------------------------------------------------------------------------------------


@pytest.fixture
async def client(pki: Pki):  # type: ignore[no-untyped-def]
    async with TestClient(TestServer(build_responder_app(pki.responder, lambda: NOW))) as client:
        yield client


async def test_post(client: Client, pki: Pki) -> None:
    request = ask(pki.sign().certificate, pki.root.certificate)
    async with client.post("/ocsp", data=request, headers={"Content-Type": "application/ocsp-request"}) as response:
        assert (response.status, response.content_type) == (200, "application/ocsp-response")
        assert ocsp.load_der_ocsp_response(await response.read()).certificate_status is Status.GOOD


async def test_get(client: Client, pki: Pki) -> None:
    for _ in range(8):  # base64 with and without '/' and '+'
        request = base64.b64encode(ask(pki.sign().certificate, pki.root.certificate)).decode()
        async with client.get(f"/ocsp/{quote(request, safe='')}") as response:
            assert response.content_type == "application/ocsp-response"
            assert ocsp.load_der_ocsp_response(await response.read()).certificate_status is Status.GOOD


@pytest.mark.parametrize("path", ["/ocsp/!!!!", "/ocsp/AAAA"])
async def test_get_garbage_fail(client: Client, path: str) -> None:
    async with client.get(path) as response:
        assert response.status == 200
        assert ocsp.load_der_ocsp_response(await response.read()).response_status is Outcome.MALFORMED_REQUEST


async def test_another_content_type_fail(client: Client) -> None:
    async with client.post("/ocsp", data=b"x", headers={"Content-Type": "text/plain"}) as response:
        assert response.status == 415


async def test_oversized_fail(client: Client) -> None:
    headers = {"Content-Type": "application/ocsp-request"}
    async with client.post("/ocsp", data=b"\x30" * 5000, headers=headers) as response:
        assert response.status == 413


# --- from settings -------------------------------------------------------------------------------------------------


def write(directory: Path, name: str, identity: Identity, pin: bytes | None = None) -> dict[str, str]:
    protection = BestAvailableEncryption(pin) if pin else NoEncryption()
    key = identity.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, protection)
    (directory / f"{name}.key").write_bytes(key)
    (directory / f"{name}.pem").write_bytes(identity.certificate.public_bytes(Encoding.PEM))
    return {"certificate": str(directory / f"{name}.pem"), "key": f"file:{directory / name}.key"}


def settings(directory: Path, ca: dict[str, str], signer: dict[str, str]) -> TrustSettings:
    values = {"listen": "127.0.0.1:8888", "ca": ca, "ocsp": signer, "status": str(directory / "index.json")}
    return TrustSettings.model_validate(values)


def test_from_settings(pki: Pki, tmp_path: Path) -> None:
    (tmp_path / "pin").write_text("secret\n")
    signer = {**write(tmp_path, "ocsp", pki.ocsp_signer, b"secret"), "pin": f"file:{tmp_path / 'pin'}"}
    made = settings(tmp_path, write(tmp_path, "ca", pki.root), signer)
    responder = load_responder(made)
    assert responder.signer.certificate == pki.ocsp_signer.certificate
    assert responder.valid_for == timedelta(hours=1)
    request = ask(pki.sign().certificate, pki.root.certificate)
    assert ocsp.load_der_ocsp_response(responder.answer(request, NOW)).certificate_status is Status.GOOD
    assert len(build_trust_app(made).router.resources()) == 2


def test_settings_that_do_not_fit_fail(pki: Pki, tmp_path: Path) -> None:
    ca, signer = write(tmp_path, "ca", pki.root), write(tmp_path, "ocsp", pki.ocsp_signer)
    other = write(tmp_path, "other", create_root(named("Other"), validity(NOW, years=1)))
    protected = write(tmp_path, "protected", pki.ocsp_signer, b"pin")
    cases = {
        "not issued by": (ca, other),
        "not the key of": (ca, {**signer, "key": other["key"]}),
        "cannot be opened": (ca, protected),
    }
    for words, (authority, responder) in cases.items():
        with pytest.raises(SettingsError, match=words):
            load_responder(settings(tmp_path, authority, responder))
