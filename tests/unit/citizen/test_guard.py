"""What every answer carries, and which changes are not taken."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from gateway.citizen.guard import POLICY, Site
from gateway.pages.guard import protect
from tests.support.portal import PortalWorld

PATHS = (
    "/",
    "/en/",
    "/proof",
    "/records",
    "/records/x",
    "/citizen/v1/records",
    "/nowhere",
    "/callback",
    "/citizen/v1/policy",
)


@pytest.mark.parametrize("path", PATHS)
async def test_no_frame_no_foreign_script_no_cache(world: PortalWorld, path: str) -> None:
    async with world.browser() as browser:
        _, headers, text = await browser.get(path)
        policy = dict(p.strip().partition(" ")[::2] for p in headers["Content-Security-Policy"].split(";"))
        assert policy["default-src"] == "'none'"
        assert policy["frame-ancestors"] == "'none'"
        assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "same-origin"
        assert headers["Cache-Control"] == "no-store"
        assert " style=" not in text
        assert "<script>" not in text


async def test_another_name_is_not_ours(world: PortalWorld) -> None:
    async with world.browser() as browser:
        assert (await browser.get("/", headers={"Host": "rebound.example"}))[0] == 421


@pytest.mark.parametrize(
    ("headers", "token"),
    [
        ({}, ""),
        ({}, "0" * 64),
        ({}, "không"),
        ({"Origin": "https://evil.example"}, None),
        ({"Origin": "null"}, None),
        ({"Sec-Fetch-Site": "cross-site"}, None),
        ({"Sec-Fetch-Site": "same-site"}, None),
    ],
)
async def test_a_change_from_elsewhere(world: PortalWorld, headers: dict[str, str], token: str | None) -> None:
    record = (await world.add("999300000017")).record_id
    async with world.signed_in() as browser:
        csrf = await browser.csrf() if token is None else token
        for path in (f"/records/{record}/inquiry", "/represent", "/represent/end", "/sign-out"):
            form = {"csrf": csrf, "kind": "why", "words": "", "reason": "", "number": "999215000061"}
            assert (await browser.send("POST", path, data=form, headers=headers))[0] == 403
        body = {"kind": "why"}
        api = f"/citizen/v1/records/{record}/inquiry"
        shown = {**headers, "X-CSRF-Token": csrf.encode("ascii", "replace").decode()}
        assert (await browser.send("POST", api, json=body, headers=shown))[0] == 403
        assert (await browser.json(f"/records/{record}"))["inquiries"] == []
        assert world.register.asked == []
        assert (await browser.get("/citizen/v1/session"))[0] == 200


async def test_anothers_token_is_no_token(world: PortalWorld) -> None:
    record = (await world.add("999300000017")).record_id
    async with world.signed_in("999070000015") as other, world.signed_in("999300000017") as browser:
        stolen = await other.csrf()
        form = {"csrf": stolen, "kind": "why", "words": "", "reason": ""}
        assert (await browser.send("POST", f"/records/{record}/inquiry", data=form))[0] == 403


@pytest.mark.parametrize(
    ("request_line", "header", "status"),
    [
        ("GET /records", "Cookie: session=%s", 303),
        ("GET /callback?state=x", "Cookie: sign-in=%s", 303),
        ("POST /citizen/v1/records/x/inquiry", "Cookie: session=SESSION\r\nX-CSRF-Token: %s", 403),
    ],
)
async def test_bytes_that_are_no_text(world: PortalWorld, request_line: str, header: str, status: int) -> None:
    async with world.signed_in() as browser:
        session = next(c.value for c in browser.http.cookie_jar if c.key == "session")
        host = world.origin.removeprefix("http://")
        sent = f"{request_line} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0\r\n{header}\r\n\r\n"
        name, _, port = host.partition(":")
        reader, writer = await asyncio.open_connection(name, int(port))
        writer.write(sent.replace("SESSION", session).encode().replace(b"%s", b"\xff\xfe"))
        assert (await reader.readline()).split()[1] == str(status).encode()
        writer.close()


async def test_https_has_stricter_cookies() -> None:
    site = Site("https://so.example", timedelta(hours=1))

    async def answer(_: web.Request) -> web.Response:
        made = web.Response()
        site.cookies.set(made, "session", "x", 60)
        return made

    app = web.Application()
    protect(app, POLICY, secure=site.secure)
    app.router.add_get("/", answer)
    async with TestClient(TestServer(app)) as client, client.get("/", headers={"Host": "so.example"}) as got:
        cookie = got.headers["Set-Cookie"]
        assert cookie.startswith("__Host-session=x")
        assert "Secure" in cookie
        assert got.headers["Strict-Transport-Security"].startswith("max-age=")
