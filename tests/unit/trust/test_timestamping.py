from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from asn1crypto import tsp as asn1

from gateway.core.digest import DigestAlgorithm, sha512
from gateway.core.errors import MalformedMessage, SettingsError
from gateway.core.signing.tsp import TimestampResponse, build_query, parse_response, parse_token
from gateway.settings.trust import TimeStampingSettings
from gateway.trust.service import add_time_stamping, load_time_stamper
from tests.support.pki import Issued, Pki

DIGEST = sha512(b"data")


@pytest.fixture(scope="module")
def pki() -> Pki:
    return Pki()


def query(**fields: object) -> bytes:
    imprint = {"hash_algorithm": {"algorithm": "sha512"}, "hashed_message": DIGEST.value}
    return bytes(asn1.TimeStampReq({"version": "v1", "message_imprint": imprint, **fields}).dump())


def ask(pki: Pki, request: bytes) -> TimestampResponse:
    return parse_response(pki.authority().answer(request, pki.now))


def test_what_is_asked_is_stamped(pki: Pki) -> None:
    answer = ask(pki, query(nonce=2**63, req_policy="1.2.3.4.1", cert_req=True))
    assert (answer.status, answer.failure) == (0, None)
    assert answer.token is not None
    token = parse_token(answer.token)
    assert (token.imprint, token.nonce, token.policy, token.time) == (DIGEST, 2**63, "1.2.3.4.1", pki.now)
    assert token.certificates == (pki.tsa.certificate,)


def test_the_certificate_goes_along_only_when_asked_for(pki: Pki) -> None:
    token = ask(pki, build_query(DIGEST)).token
    assert token is not None
    assert parse_token(token).certificates == ()
    assert parse_token(token).nonce is None


def test_a_shorter_digest_that_still_protects(pki: Pki) -> None:
    digest = DigestAlgorithm.SHA256.of(b"data")
    token = ask(
        pki,
        query(message_imprint={"hash_algorithm": {"algorithm": "sha256"}, "hashed_message": digest.value}),
    ).token
    assert token is not None
    assert parse_token(token).imprint == digest


@pytest.mark.parametrize(
    ("request_", "failure"),
    [
        (b"", "bad_data_format"),
        (b"\x30\x80" * 2000, "bad_data_format"),
        (build_query(DIGEST) + b"\0", "bad_data_format"),
        (build_query(DIGEST)[:-1], "bad_data_format"),
        (query(req_policy="1.2.3"), "unaccepted_policy"),
        (query(extensions=[{"extn_id": "1.2.3", "extn_value": b"\x05\0"}]), "unaccepted_extensions"),
        (
            query(message_imprint={"hash_algorithm": {"algorithm": "sha1"}, "hashed_message": bytes(20)}),
            "bad_alg",
        ),
    ],
)
def test_refusals(pki: Pki, request_: bytes, failure: str) -> None:
    answer = ask(pki, request_)
    assert (answer.status, answer.failure, answer.token) == (2, failure, None)
    assert answer.text


def test_no_stamp_outside_the_certificates_validity(pki: Pki) -> None:
    late = pki.authority().answer(build_query(DIGEST), pki.now + timedelta(days=4000))
    assert parse_response(late).failure == "time_not_available"


@pytest.mark.parametrize("error", [OSError("disk full"), MalformedMessage("damaged")])
def test_no_stamp_without_a_serial_number(pki: Pki, error: Exception) -> None:
    def fails() -> int:
        raise error

    authority = pki.authority()
    broken = type(authority)(authority.signer, authority.policy, authority.accuracy_seconds, fails)
    assert parse_response(broken.answer(build_query(DIGEST), pki.now)).failure == "system_failure"


# --- over HTTP -----------------------------------------------------------------------------------------------------


async def test_over_http(pki: Pki) -> None:
    app = web.Application()
    add_time_stamping(app, pki.authority(), lambda: pki.now)
    async with TestClient(TestServer(app)) as client:
        query = build_query(DIGEST)
        reply = await client.post("/tsa", data=query, headers={"Content-Type": "application/timestamp-query"})
        assert (reply.status, reply.content_type) == (200, "application/timestamp-reply")
        assert parse_response(await reply.read()).status == 0
        junk = await client.post("/tsa", data=b"junk", headers={"Content-Type": "application/timestamp-query"})
        assert parse_response(await junk.read()).failure == "bad_data_format"
        assert (await client.post("/tsa", data=query, headers={"Content-Type": "text/plain"})).status == 415
        assert (await client.get("/tsa")).status == 405


def settings_in(directory: Path, tsa: Issued, **more: str) -> TimeStampingSettings:
    (directory / "tsa.pem").write_bytes(tsa.pem)
    (directory / "tsa.key").write_bytes(tsa.key_pem)
    names = {"certificate": f"{directory}/tsa.pem", "key": f"file:{directory}/tsa.key", "serials": f"{directory}/n"}
    return TimeStampingSettings.model_validate({**names, **more})


def test_an_authority_from_its_settings(pki: Pki, tmp_path: Path) -> None:
    authority = load_time_stamper(settings_in(tmp_path, pki.tsa, accuracy="5s"))
    answer = parse_response(authority.answer(build_query(DIGEST), pki.now))
    assert answer.token is not None
    assert parse_token(answer.token).policy.startswith("2.25.")
    assert (authority.accuracy_seconds, (tmp_path / "n").read_bytes()) == (5, b"1001\n")


def test_a_certificate_for_something_else_fail(pki: Pki, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="timeStamping"):
        load_time_stamper(settings_in(tmp_path, pki.issue_tsa(extended_critical=False)))


@pytest.mark.parametrize("policy", ["", "1", "1.2.3.", "3.1.2", "1.2.-3", "a.b.c"])
def test_a_policy_that_is_no_oid_fail(pki: Pki, tmp_path: Path, policy: str) -> None:
    with pytest.raises(ValueError):
        settings_in(tmp_path, pki.tsa, policy=policy)
