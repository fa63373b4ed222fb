"""The stand-in keeps to OpenID Connect where it protects others: codes once, PKCE, known return addresses, no frames."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
import pytest_asyncio
from aiohttp.test_utils import TestClient, TestServer

from adapters.vneid.service import build_vneid, load_citizens, load_officers

URL = "http://127.0.10.120:8640"
BACK = "http://127.0.0.1:8700/callback"
VERIFIER = "v" * 43
ASKED = {
    "client_id": "so-minh-bach",
    "redirect_uri": BACK,
    "state": "s",
    "nonce": "n",
    "code_challenge": base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode(),
}

Client = TestClient[Any, Any]


@pytest_asyncio.fixture
async def vneid() -> AsyncIterator[Client]:
    async with TestClient(TestServer(build_vneid(URL, load_citizens()))) as client:
        yield client


async def chosen(vneid: Client, citizen: str) -> dict[str, str]:
    async with vneid.post("/authorize", data={**ASKED, "citizen": citizen}, allow_redirects=False) as answer:
        assert answer.status == 303
        where = urlsplit(answer.headers["Location"])
        assert f"{where.scheme}://{where.netloc}{where.path}" == BACK
        return {key: value[0] for key, value in parse_qs(where.query).items()}


async def redeemed(vneid: Client, code: str, **other: str) -> tuple[int, dict[str, str]]:
    form = {"grant_type": "authorization_code", "code": code, "client_id": "so-minh-bach", "redirect_uri": BACK}
    async with vneid.post("/token", data={**form, "code_verifier": VERIFIER, **other}) as answer:
        return answer.status, await answer.json()


async def test_a_citizen_is_chosen_and_named(vneid: Client) -> None:
    citizen = load_citizens()[0]
    async with vneid.get("/authorize", params={**ASKED, "response_type": "code"}) as page:
        assert citizen.name in await page.text()
        assert "frame-ancestors 'none'" in page.headers["Content-Security-Policy"]
    told = await chosen(vneid, citizen.number)
    assert told["state"] == "s"
    status, answer = await redeemed(vneid, told["code"])
    assert status == 200
    async with vneid.get("/jwks") as keys:
        (key,) = jwt.PyJWKSet.from_dict(await keys.json()).keys
    claims = jwt.decode(answer["id_token"], key, algorithms=["ES256"], audience="so-minh-bach", issuer=URL)
    assert (claims["personal_number"], claims["nonce"], claims["acr"]) == (citizen.number, "n", "level-2")
    assert citizen.number not in claims["sub"]
    assert (await redeemed(vneid, told["code"]))[0] == 400


@pytest.mark.parametrize(
    "other", [{"code_verifier": "x" * 43}, {"client_id": "x"}, {"redirect_uri": "x"}, {"grant_type": "x"}]
)
async def test_a_code_is_good_for_whom_it_was_made(vneid: Client, other: dict[str, str]) -> None:
    code = (await chosen(vneid, load_citizens()[0].number))["code"]
    assert await redeemed(vneid, code, **other) == (400, {"error": "invalid_grant"})


async def test_whoever_declines_or_is_unknown(vneid: Client) -> None:
    for citizen in ("", "999000000000"):
        told = await chosen(vneid, citizen)
        assert (told["error"], "code" in told) == ("access_denied", False)


@pytest.mark.parametrize(
    "back",
    [
        "https://evil.example/callback",
        "http://127.0.0.1:8700/other",
        "http://127.0.0.1.evil.example/callback",
        "//x",
        "",
    ],
)
async def test_nobody_is_sent_elsewhere(vneid: Client, back: str) -> None:
    async with vneid.get("/authorize", params={**ASKED, "redirect_uri": back}, allow_redirects=False) as answer:
        assert answer.status == 400


QUESTION = {
    "type": "consent",
    "id": "00000000-0000-0000-0000-000000000001",
    "dossier": "999-KS-2026-000001",
    "role": "householder",
    "question": {"vi": "Bạn có đồng ý không?", "en": "Do you consent?"},
    "expires": "2999-07-31T08:30:00+07:00",
    "unanswered": {"vi": "Hồ sơ được trả lại.", "en": "The dossier goes back."},
}


async def _answered(vneid: Client, question: object = QUESTION, **form: str) -> dict[str, object]:
    asked = {**ASKED, "citizen": load_citizens()[0].number, "authorization_details": json.dumps([question])}
    async with vneid.post("/authorize", data={**asked, **form}, allow_redirects=False) as answer:
        if answer.status == 200:
            return {"page": await answer.text()}
        back = parse_qs(urlsplit(answer.headers["Location"]).query)
    if "error" in back:
        return {"error": back["error"][0]}
    code = back["code"][0]
    _, told = await redeemed(vneid, code)
    claims: dict[str, object] = jwt.decode(told["id_token"], options={"verify_signature": False})
    return claims


async def test_a_question_is_shown_and_the_answer_is_signed(vneid: Client) -> None:
    page = (await _answered(vneid))["page"]
    assert "Bạn có đồng ý không?" in str(page)
    assert "The dossier goes back." in str(page)
    assert "08:30, 31/07/2999" in str(page)
    assert "checked" not in str(page)
    for decision in ("granted", "refused"):
        claims = await _answered(vneid, decision=decision)
        assert claims["authorization_details"] == [{**QUESTION, "decision": decision}]


@pytest.mark.parametrize("decision", ["", "granted", "refused", "default"])
async def test_an_expired_question_is_shown_as_such_and_has_no_answer_any_more(vneid: Client, decision: str) -> None:
    question = {**QUESTION, "expires": "2026-07-31T08:30:00+07:00"}
    page = str((await _answered(vneid, question, decision=decision))["page"])
    assert "Câu hỏi đã hết hạn" in page
    assert "silence is no consent. The dossier goes back." in page
    assert re.findall('name="decision" value="([^"]*)"', page) == ["seen"]
    assert await _answered(vneid, question, decision="seen") == {"error": "consent_expired"}


@pytest.mark.parametrize("decision", ["", "yes", "default", "GRANTED", "seen"])
async def test_whatever_is_no_answer_asks_again(vneid: Client, decision: str) -> None:
    assert "page" in await _answered(vneid, decision=decision)


@pytest.mark.parametrize(
    "details",
    [
        "[]",
        "{",
        json.dumps([QUESTION, QUESTION]),
        json.dumps([{**QUESTION, "decision": "granted"}]),
        json.dumps([{**QUESTION, "default": "granted"}]),
        json.dumps([{**QUESTION, "type": "payment"}]),
        json.dumps([{**QUESTION, "expires": "2026-07-31"}]),
        json.dumps([{**QUESTION, "expires": "0001-01-01T00:00:00+14:00"}]),
        json.dumps([{**QUESTION, "unanswered": "granted"}]),
        "[" * 3000,
    ],
)
async def test_what_is_no_question_fails(vneid: Client, details: str) -> None:
    asked = {**ASKED, "citizen": load_citizens()[0].number, "authorization_details": details, "decision": "granted"}
    async with vneid.post("/authorize", data=asked, allow_redirects=False) as answer:
        assert answer.status == 400


async def test_an_officer_is_a_code_and_a_role() -> None:
    (operator, *_), (citizen, *_) = load_officers(), load_citizens()
    async with TestClient(TestServer(build_vneid(URL, load_citizens(), load_officers()))) as vneid:
        asked = {**ASKED, "response_type": "code", "scope": "openid officer"}
        async with vneid.get("/authorize", params=asked) as page:
            text = await page.text()
            assert operator.code in text
            assert citizen.name not in text
        _, told = await redeemed(vneid, (await chosen(vneid, operator.code))["code"])
        claims = jwt.decode(told["id_token"], options={"verify_signature": False})
        assert (claims["officer"], claims["role"]) == ("VH-03", "dossier-operator")
        assert "personal_number" not in claims
