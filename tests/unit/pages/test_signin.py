"""The way in that sites share: a page for whom it is, a word for whom not, and a cookie for who comes back."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from gateway.pages.cookies import Cookies
from gateway.pages.signin import Door, SignIn, csrf_of
from gateway.pages.words import Language


@dataclass(frozen=True)
class Session:
    token: str
    csrf: str = ""


@asynccontextmanager
async def around() -> AsyncIterator[None]:
    try:
        yield
    except OSError as e:
        raise LookupError from e


@pytest.fixture
async def browser() -> AsyncIterator[TestClient[web.Request, web.Application]]:
    async def find(token: str) -> Session | None:
        return Session(token) if token in ("clerk", "citizen") else None

    def trouble(language: Language, status: int) -> web.Response:
        return web.Response(status=status, text=language)

    async def page(request: web.Request, session: Session, _: Language) -> web.Response:
        if "away" in request.query:
            raise OSError
        return web.Response(text=session.token)

    async def come(request: web.Request) -> web.Response:
        return door.back("/in", Session("clerk") if door.sign_in_of(request) == ("s", "b") else None)

    async def go(_: web.Request) -> web.Response:
        return door.to_provider(SignIn("s", "n", "v", "b"), "https://id.example/?state=s")

    door = Door(Cookies(False), find, timedelta(hours=8), around, {KeyError: 404, LookupError: 503}, trouble)
    app = web.Application()
    app.router.add_get("/en/all", door.signed_in("en", page))
    app.router.add_get("/clerks", door.signed_in("vi", page, lambda session: session.token == "clerk"))
    app.router.add_get("/go", go)
    app.router.add_get("/come", come)
    async with TestClient(TestServer(app)) as client:
        yield client


@pytest.mark.parametrize(
    ("path", "token", "status", "where"),
    [
        ("/en/all", "citizen", 200, "citizen"),
        ("/clerks", "clerk", 200, "clerk"),
        ("/clerks", "citizen", 303, "/"),
        ("/en/all", None, 303, "/en/"),
        ("/en/all", "ended", 303, "/en/?state=expired"),
        ("/en/all?away", "clerk", 503, "en"),
    ],
)
async def test_who_gets_which_answer(
    browser: TestClient[web.Request, web.Application], path: str, token: str | None, status: int, where: str
) -> None:
    cookies = {} if token is None else {"Cookie": f"session={token}"}
    async with browser.get(path, headers=cookies, allow_redirects=False) as answer:
        assert (answer.status, answer.headers.get("Location") or await answer.text()) == (status, where)


async def test_who_comes_back_has_the_cookie_of_the_browser_that_went(
    browser: TestClient[web.Request, web.Application],
) -> None:
    async with browser.get("/come?state=s", allow_redirects=False) as answer:
        assert "session" not in answer.cookies
    async with browser.get("/go", allow_redirects=False) as answer:
        assert (answer.cookies["sign-in"].value, answer.cookies["sign-in"]["max-age"]) == ("b", "600")
        went = {"Cookie": f"sign-in={answer.cookies['sign-in'].value}"}
    async with browser.get("/come?state=s", headers=went, allow_redirects=False) as answer:
        assert (answer.cookies["session"].value, answer.cookies["session"]["max-age"]) == ("clerk", "28800")
        assert answer.cookies["sign-in"].value == "", "it is over"


def test_a_token_for_changes_is_of_one_session_and_one_site() -> None:
    assert len({csrf_of("a", "x"), csrf_of("b", "x"), csrf_of("a", "y"), csrf_of("a", "x")}) == 3
