"""What the pages share: two languages, sign-in and sign-out, sessions, one way to say that something is wrong."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

from aiohttp import web

from adapters.dvc.web.sessions import LONGEST, Session, Sessions
from adapters.sdk import NotFound
from adapters.sdk.identity import IdentityProvider, ProviderAway, SignInRefused
from adapters.sdk.postgres import source_errors
from adapters.sdk.problems import SourceUnavailable
from gateway.pages.cookies import Cookies
from gateway.pages.guard import FORM, Handler, is_ours
from gateway.pages.look import Look
from gateway.pages.words import LANGUAGES, PREFIX, Language

HOME = "/dossiers"
Page = Callable[[web.Request, Session, Language], Awaitable[web.StreamResponse]]


class Site:
    """`origin`: as browsers write ours."""

    def __init__(
        self,
        origin: str,
        provider: IdentityProvider,
        sessions: Sessions,
        look: Look,
        clock: Callable[[], datetime],
    ) -> None:
        self._origin = origin
        self._cookies = Cookies(origin.startswith("https:"))
        self.clock = clock
        self._provider = provider
        self._sessions = sessions
        self._look = look

    def add_to(self, app: web.Application) -> None:
        for language in LANGUAGES:
            prefix = PREFIX[language]
            app.router.add_get(f"{prefix}/", self._open(language, self._welcome))
            app.router.add_get(f"{prefix}/sign-in", self._open(language, self._sign_in))
            app.router.add_post(f"{prefix}/sign-out", self.signed_in(language, self._sign_out))
        app.router.add_get("/en", self._open("en", self._welcome))
        app.router.add_get("/callback", self._callback)

    def signed_in(self, language: Language, page: Page) -> Handler:
        async def answer(request: web.Request) -> web.StreamResponse:
            try:
                async with source_errors():
                    session = await self._session(request)
                    if session is None:
                        ended = self._cookies.read(request, "session") is not None
                        return _see_other(f"{PREFIX[language]}/{'?state=expired' if ended else ''}")
                    return await page(request, session, language)
            except NotFound:
                return self.trouble(language, 404)
            except SourceUnavailable:
                return self.trouble(language, 503)

        return answer

    # --- who is there ----------------------------------------------------------------------------------------------------

    def _open(self, language: Language, page: Callable[[web.Request, Language], Awaitable[web.Response]]) -> Handler:
        async def answer(request: web.Request) -> web.Response:
            try:
                async with source_errors():
                    return await page(request, language)
            except SourceUnavailable:
                return self.trouble(language, 503)

        return answer

    async def _session(self, request: web.Request) -> Session | None:
        token = self._cookies.read(request, "session")
        return None if token is None else await self._sessions.find(token, self.clock())

    async def _welcome(self, request: web.Request, language: Language) -> web.Response:
        if await self._session(request) is not None:
            return _see_other(PREFIX[language] + HOME)
        state = request.query.get("state", "")
        shown = state if state in ("expired", "refused", "unreachable") else ""
        return self.html(language, "login", request, None, state=shown)

    async def _sign_in(self, request: web.Request, language: Language) -> web.Response:
        begun = await self._sessions.begin(language, self.clock())
        answer = _see_other(self._provider.url(begun.state, begun.nonce, begun.verifier, "openid"))
        self._cookies.set(answer, "sign-in", begun.browser, 600)
        return answer

    async def _callback(self, request: web.Request) -> web.Response:
        """Back from the provider. The sign-in is over with the first answer that names its state."""
        language: Language = "vi"
        try:
            async with source_errors():
                state, browser = request.query.get("state", ""), self._cookies.read(request, "sign-in") or ""
                begun = await self._sessions.finish(state, browser, self.clock())
                language = begun.language
                if not (code := request.query.get("code")):
                    raise SignInRefused
                statement = await self._provider.redeem(code, begun.verifier, begun.nonce)
                session = await self._sessions.open(statement.claims, self.clock())
        except SignInRefused:
            answer = _see_other(f"{PREFIX[language]}/?state=refused")
        except (ProviderAway, SourceUnavailable):
            answer = _see_other(f"{PREFIX[language]}/?state=unreachable")
        else:
            answer = _see_other(PREFIX[language] + HOME)
            self._cookies.set(answer, "session", session.token, int(LONGEST.total_seconds()))
        self._cookies.forget(answer, "sign-in")
        return answer

    async def _sign_out(self, request: web.Request, session: Session, language: Language) -> web.Response:
        token = (await request.post()).get("csrf", "") if request.content_type == FORM else ""
        if not isinstance(token, str) or not is_ours(request, self._origin, token, session.csrf):
            return self.trouble(language, 403)
        await self._sessions.close(session)
        answer = _see_other(f"{PREFIX[language]}/")
        self._cookies.forget(answer, "session")
        return answer

    # --- answers ---------------------------------------------------------------------------------------------------------

    def html(
        self,
        language: Language,
        template: str,
        request: web.Request | None,
        session: Session | None,
        *,
        status: int = 200,
        **values: Any,
    ) -> web.Response:
        path = "/" if request is None else request.path.removeprefix("/en") or "/"
        shared = {"path": path, "prefix": PREFIX[language], "session": session, "now": self.clock()}
        text = self._look(language, template, **shared, **values)
        return web.Response(text=text, status=status, content_type="text/html", charset="utf-8")

    def trouble(self, language: Language, status: int) -> web.Response:
        return self.html(language, "trouble", None, None, status=status, kind=str(status))


def _see_other(where: str) -> web.Response:
    return web.Response(status=303, headers={"Location": where})
