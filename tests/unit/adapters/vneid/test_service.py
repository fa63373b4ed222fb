"""The stand-in keeps to OpenID Connect where it protects others: codes once, PKCE, known return addresses, no frames."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import AsyncIterator
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest
import pytest_asyncio
from aiohttp.test_utils import TestClient, TestServer

from adapters.vneid.service import build_vneid, load_citizens

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


@pytest_asyncio.fixture
async def vneid() -> AsyncIterator[TestClient]:
    async with TestClient(TestServer(build_vneid(URL, load_citizens()))) as client:
        yield client


async def chosen(vneid: TestClient, citizen: str) -> dict[str, str]:
    async with vneid.post("/authorize", data={**ASKED, "citizen": citizen}, allow_redirects=False) as answer:
        assert answer.status == 303
        where = urlsplit(answer.headers["Location"])
        assert f"{where.scheme}://{where.netloc}{where.path}" == BACK
        return {key: value[0] for key, value in parse_qs(where.query).items()}


async def redeemed(vneid: TestClient, code: str, **other: str) -> tuple[int, dict[str, str]]:
    form = {"grant_type": "authorization_code", "code": code, "client_id": "so-minh-bach", "redirect_uri": BACK}
    async with vneid.post("/token", data={**form, "code_verifier": VERIFIER, **other}) as answer:
        return answer.status, await answer.json()


async def test_a_citizen_is_chosen_and_named(vneid: TestClient) -> None:
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
async def test_a_code_is_good_for_whom_it_was_made(vneid: TestClient, other: dict[str, str]) -> None:
    code = (await chosen(vneid, load_citizens()[0].number))["code"]
    assert await redeemed(vneid, code, **other) == (400, {"error": "invalid_grant"})


async def test_whoever_declines_or_is_unknown(vneid: TestClient) -> None:
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
async def test_nobody_is_sent_elsewhere(vneid: TestClient, back: str) -> None:
    async with vneid.get("/authorize", params={**ASKED, "redirect_uri": back}, allow_redirects=False) as answer:
        assert answer.status == 400
