"""Who gets in: only whom the identity provider names for this very sign-in of this very browser."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.support.portal import ANH, HOA, Claims, Issuer, PortalWorld

Change = Callable[[Claims], object]
REFUSED = "/?state=refused"


async def test_a_citizen_signs_in_and_out(world: PortalWorld) -> None:
    async with world.browser() as browser:
        assert (await browser.get("/citizen/v1/session"))[0] == 401
        assert (await browser.get("/records"))[1]["Location"] == "/"
        asked = await browser.begin()
        assert asked["response_type"] == "code"
        assert asked["code_challenge_method"] == "S256"
        assert await browser.come_back(asked["state"]) == "/records"
        told = await browser.json("/session")
        assert told["name"] == "Nguyễn Thị Minh Anh"
        assert (await browser.json("/lookups"))["lookups"][0]["action"] == "sign-in"
        status, headers, _ = await browser.send("POST", "/sign-out", data={"csrf": told["csrf"]})
        assert (status, headers["Location"]) == (303, "/")
        assert (await browser.get("/citizen/v1/session"))[0] == 401


@pytest.mark.parametrize(
    "change",
    [
        lambda c: c.update(nonce="of another sign-in"),
        lambda c: c.update(nonce=["x"]),
        lambda c: c.update(aud="another-portal"),
        lambda c: c.update(aud=["so-minh-bach", "another-portal"]),
        lambda c: c.update(azp="another-portal"),
        lambda c: c.update(iss="https://evil.example"),
        lambda c: c.update(exp=c["iat"] - 3600),
        lambda c: c.update(iat=c["iat"] + 3600),
        lambda c: c.update(acr="level-1"),
        lambda c: c.update(acr=["level-2"]),
        lambda c: c.update(personal_number="' OR 1=1 --"),
        lambda c: c.update(personal_number=None),
        *[
            lambda c, name=name: c.pop(name)
            for name in ("iss", "aud", "exp", "iat", "nonce", "sub", "acr", "personal_number")
        ],
    ],
)
async def test_claims_that_are_not_for_this_sign_in(world: PortalWorld, change: Change) -> None:
    world.issuer.change = change
    async with world.browser() as browser:
        assert await browser.sign_in() == REFUSED
        assert (await browser.get("/citizen/v1/records"))[0] == 401


def _unsigned(claims: Claims) -> str:
    return _joined({"alg": "none", "kid": "k1"}, claims) + "."


def _joined(*parts: Claims) -> str:
    return ".".join(_url(json.dumps(part).encode()) for part in parts)


def _url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _public_key_as_secret(issuer: Issuer) -> Callable[[Claims], str]:
    """The classic confusion: HMAC with the provider's public key, which everybody knows."""
    secret = issuer.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    def forge(claims: Claims) -> str:
        signed = _joined({"alg": "HS256", "kid": issuer.kid}, claims)
        return f"{signed}.{_url(hmac.digest(secret, signed.encode(), hashlib.sha256))}"

    return forge


def _own_key(**header: Any) -> Callable[[Claims], str]:
    key = ec.generate_private_key(ec.SECP256R1())
    return lambda c: jwt.encode(c, key, algorithm="ES256", headers={"kid": "k1", **header})


@pytest.mark.parametrize(
    "forge",
    [
        lambda _: _unsigned,
        _public_key_as_secret,
        lambda _: _own_key(),
        lambda _: _own_key(kid="unknown"),
        lambda _: _own_key(jku="https://evil.example/keys"),
        lambda _: _own_key(jwk={"kty": "EC"}),
        lambda i: lambda c: jwt.encode(c, i.key, algorithm="ES256"),
        lambda _: lambda c: "x" * 20_000,
        lambda _: lambda c: "not.a.token",
        lambda i: lambda c: jwt.encode(c, i.key, algorithm="ES256", headers={"kid": "k1"})[:-4] + "AAAA",
    ],
)
async def test_tokens_that_nobody_signed(
    world: PortalWorld, forge: Callable[[Issuer], Callable[[Claims], str]]
) -> None:
    world.issuer.mint = forge(world.issuer)
    async with world.browser() as browser:
        assert await browser.sign_in() == REFUSED
        assert (await browser.get("/citizen/v1/records"))[0] == 401


async def test_a_state_is_good_once(world: PortalWorld) -> None:
    async with world.browser() as browser:
        asked = await browser.begin()
        assert await browser.come_back(asked["state"]) == "/records"
        assert await browser.come_back(asked["state"]) == REFUSED
        assert await browser.come_back("") == REFUSED


async def test_a_state_belongs_to_its_browser(world: PortalWorld) -> None:
    """Otherwise somebody could sign a victim's browser in as himself and read what it does."""
    async with world.browser() as attacker, world.browser() as victim:
        asked = await attacker.begin()
        assert await victim.come_back(asked["state"]) == REFUSED
        await victim.begin()
        assert await victim.come_back(asked["state"]) == REFUSED


async def test_a_state_ends(world: PortalWorld) -> None:
    async with world.browser() as browser:
        asked = await browser.begin()
        world.now += timedelta(minutes=11)
        assert await browser.come_back(asked["state"]) == REFUSED


async def test_the_code_of_somebody_else(world: PortalWorld) -> None:
    async with world.browser() as browser:
        asked = await browser.begin()
        assert await browser.come_back(asked["state"], "stolen") == REFUSED
        assert await browser.come_back((await browser.begin())["state"], "") == REFUSED


async def test_pkce_ties_the_code_to_the_browser(world: PortalWorld) -> None:
    async with world.browser() as browser:
        asked = await browser.begin()
        world.issuer.challenge = "another"
        assert await browser.come_back(asked["state"]) == REFUSED


async def test_a_provider_that_is_away_or_somebody_else(world: PortalWorld) -> None:
    async with world.browser() as browser:
        world.issuer.status = 500
        assert (await browser.get("/sign-in"))[1]["Location"] == "/?state=unreachable"
        world.issuer.status, world.issuer.described_as = 200, "https://evil.example"
        assert (await browser.get("/en/sign-in"))[1]["Location"] == "/en/?state=unreachable"


async def test_invented_key_names_do_not_drive_us_against_the_provider(world: PortalWorld) -> None:
    world.issuer.mint = _own_key(kid="invented")
    async with world.browser() as browser:
        for _ in range(4):
            assert await browser.sign_in() == REFUSED
    assert world.issuer.key_requests == 1


async def test_a_key_that_is_no_longer_published_is_forgotten(
    world: PortalWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [1000.0]
    monkeypatch.setattr(world.provider, "_now", lambda: clock[0])
    async with world.browser() as browser:
        assert await browser.sign_in() == "/records"
        old, old_kid = world.issuer.key, world.issuer.kid
        world.issuer.key, world.issuer.kid = ec.generate_private_key(ec.SECP256R1()), "k2"
        world.issuer.mint = lambda claims: jwt.encode(claims, old, algorithm="ES256", headers={"kid": old_kid})
        clock[0] += 600
        assert await browser.sign_in() == REFUSED


async def test_keys_stay_in_use_while_they_cannot_be_had(world: PortalWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [1000.0]
    monkeypatch.setattr(world.provider, "_now", lambda: clock[0])
    async with world.browser() as browser:
        assert await browser.sign_in() == "/records"
        world.issuer.keys_status = 503
        clock[0] += 600
        assert await browser.sign_in() == "/records"
        world.issuer.keys_status = 200
        clock[0] += 30
        assert await browser.sign_in() == "/records"
    assert world.issuer.key_requests == 3


async def test_where_the_provider_moved_is_learnt_by_looking_whether_it_is_there(world: PortalWorld) -> None:
    async with world.browser() as browser:
        await browser.begin()
        world.issuer.moved = "/new"
        await world.provider.describe()
        assert (await browser.get("/sign-in"))[1]["Location"].startswith(f"{world.issuer.url}/new/authorization?")


async def test_a_session_ends_idle_or_old(world: PortalWorld) -> None:
    async with world.signed_in() as browser:
        world.now += timedelta(minutes=14)
        assert (await browser.get("/citizen/v1/session"))[0] == 200
        world.now += timedelta(minutes=16)
        assert (await browser.get("/citizen/v1/session"))[0] == 401
        assert (await browser.get("/records"))[1]["Location"] == "/?state=expired"
    async with world.signed_in() as browser:
        for _ in range(60):
            world.now += timedelta(minutes=10)
            status = (await browser.get("/citizen/v1/session"))[0]
        assert status == 401


async def test_what_the_browser_holds_is_not_in_the_database(world: PortalWorld) -> None:
    async with world.signed_in(HOA) as browser:
        tokens = [c.value for c in browser.http.cookie_jar if c.key == "session"]
        rows = await world.pool.fetch("SELECT s::text FROM citizen_session s")
        assert len(rows) == len(tokens) == 1
        assert tokens[0] not in rows[0][0]
    async with world.browser() as thief:
        stored = await world.pool.fetchval("SELECT encode(token_hash, 'hex') FROM citizen_session")
        assert (await thief.get("/citizen/v1/session", cookies={"session": stored}))[0] == 401


async def test_cookies(world: PortalWorld) -> None:
    async with world.browser() as browser:
        state = (await browser.begin())["state"]
        _, headers, _ = await browser.get("/callback", params={"state": state, "code": "good"})
        cookie = next(c for c in headers.getall("Set-Cookie") if c.startswith("session="))
        assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= set(cookie.split("; "))
        assert ANH not in cookie
