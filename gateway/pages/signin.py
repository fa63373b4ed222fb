"""The way in of a site whose people come from an identity provider: what one sign-in needs, and who gets which answer.

Who may enter, and where sessions are kept, each site says itself: a session is known here by its two tokens only.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Generic, Protocol, Self, TypeVar

from aiohttp import web

from gateway.pages.cookies import Cookies
from gateway.pages.guard import Handler
from gateway.pages.look import see_other
from gateway.pages.words import PREFIX, Language

SIGN_IN_TIME = timedelta(minutes=10)
"""How long somebody may take at the identity provider."""


@dataclass(frozen=True, slots=True)
class SignIn:
    """What one sign-in needs: `state`, `nonce`, `verifier` as OpenID Connect and PKCE call them; `browser` binds it to the browser
    that began it, so that nobody can make another's browser finish his."""

    state: str = field(repr=False)
    nonce: str = field(repr=False)
    verifier: str = field(repr=False)
    browser: str = field(repr=False)

    @classmethod
    def new(cls) -> Self:
        return cls(*(secrets.token_urlsafe(32) for _ in range(4)))


def csrf_of(token: str, site: str) -> str:
    """Must come with whatever changes something in the session of `token`: another site can send our cookie, not know this."""
    return hmac.digest(token.encode(), f"{site}/csrf".encode(), hashlib.sha256).hex()


class AnySession(Protocol):
    @property
    def token(self) -> str: ...

    @property
    def csrf(self) -> str: ...


S = TypeVar("S", bound=AnySession)
Page = Callable[[web.Request, S, Language], Awaitable[web.StreamResponse]]
OpenPage = Callable[[web.Request, Language], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Door(Generic[S]):
    """`find`: the session of a token; `longest`: that a browser keeps one; `around`: what every page runs in; `troubles`: what a
    page may raise, and the status of the page (`trouble`) that says so."""

    cookies: Cookies
    find: Callable[[str], Awaitable[S | None]]
    longest: timedelta
    around: Callable[[], AbstractAsyncContextManager[None]]
    troubles: Mapping[type[Exception], int]
    trouble: Callable[[Language, int], web.Response]

    def anybody(self, language: Language, page: OpenPage) -> Handler:
        async def answer(request: web.Request) -> web.StreamResponse:
            try:
                async with self.around():
                    return await page(request, language)
            except tuple(self.troubles) as e:
                return self._told(language, e)

        return answer

    def signed_in(self, language: Language, page: Page[S], admits: Callable[[S], bool] = lambda _: True) -> Handler:
        """To the first page with whoever is not, or is somebody whom the page is not for."""

        async def answer(request: web.Request) -> web.StreamResponse:
            try:
                async with self.around():
                    session = await self.session(request)
                    if session is None or not admits(session):
                        ended = session is None and self.cookies.read(request, "session") is not None
                        return see_other(f"{PREFIX[language]}/{'?state=expired' if ended else ''}")
                    return await page(request, session, language)
            except tuple(self.troubles) as e:
                return self._told(language, e)

        return answer

    async def session(self, request: web.Request) -> S | None:
        token = self.cookies.read(request, "session")
        return None if token is None else await self.find(token)

    def to_provider(self, begun: SignIn, url: str) -> web.Response:
        answer = see_other(url)
        self.cookies.set(answer, "sign-in", begun.browser, int(SIGN_IN_TIME.total_seconds()))
        return answer

    def sign_in_of(self, request: web.Request) -> tuple[str, str]:
        """State and browser, as somebody who comes back shows them."""
        return request.query.get("state", ""), self.cookies.read(request, "sign-in") or ""

    def back(self, where: str, session: S | None) -> web.Response:
        """From the provider: the sign-in is over, with a session or without."""
        answer = see_other(where)
        if session is not None:
            self.cookies.set(answer, "session", session.token, int(self.longest.total_seconds()))
        self.cookies.forget(answer, "sign-in")
        return answer

    def left(self, language: Language) -> web.Response:
        answer = see_other(f"{PREFIX[language]}/")
        self.cookies.forget(answer, "session")
        return answer

    def _told(self, language: Language, error: Exception) -> web.Response:
        return self.trouble(language, next(s for kind, s in self.troubles.items() if isinstance(error, kind)))
