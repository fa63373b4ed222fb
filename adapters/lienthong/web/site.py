"""What the pages share: two languages, sign-in and sign-out, sessions, one way to say that something is wrong."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from aiohttp import web

from adapters.lienthong.model import NotPossible
from adapters.lienthong.reasons import Reasons
from adapters.lienthong.web.consents import Consents
from adapters.lienthong.web.guard import Forbidden, checked_form
from adapters.lienthong.web.sessions import LONGEST, Kind, Session, Sessions
from adapters.lienthong.web.words import BoardWords
from adapters.sdk import NotFound
from adapters.sdk.identity import IdentityProvider, ProviderAway, SignInRefused
from adapters.sdk.postgres import source_errors
from adapters.sdk.problems import SourceUnavailable
from gateway.pages.cookies import Cookies
from gateway.pages.guard import Handler
from gateway.pages.look import Look
from gateway.pages.words import LANGUAGES, PREFIX, Language

HOME: dict[Kind, str] = {"officer": "/dossiers", "person": "/mine"}
_SCOPE: dict[Kind, str] = {"officer": "openid officer", "person": "openid"}
Page = Callable[[web.Request, Session, Language], Awaitable[web.StreamResponse]]


class QuestionOver(Exception):
    """The identity provider showed that the question has expired."""


class Site:
    """`origin`: as browsers write ours."""

    def __init__(
        self,
        origin: str,
        provider: IdentityProvider,
        sessions: Sessions,
        consents: Consents,
        look: Look,
        words: Mapping[Language, BoardWords],
        clock: Callable[[], datetime],
        reasons: Reasons,
    ) -> None:
        self.origin = origin
        self._cookies = Cookies(origin.startswith("https:"))
        self.clock = clock
        self._provider = provider
        self._sessions = sessions
        self._consents = consents
        self.words = words
        self._reasons = reasons
        self._look = look

    def add_to(self, app: web.Application) -> None:
        for language in LANGUAGES:
            prefix = PREFIX[language]
            app.router.add_get(f"{prefix}/", self._open(language, self._welcome))
            app.router.add_get(f"{prefix}/sign-in/{{kind}}", self._open(language, self._sign_in))
            app.router.add_post(f"{prefix}/sign-out", self.signed_in(language, None, self._sign_out))
        app.router.add_get("/en", self._open("en", self._welcome))
        app.router.add_get("/callback", self._callback)

    def signed_in(self, language: Language, kind: Kind | None, page: Page) -> Handler:
        """`kind`: of the session that is needed; None: any."""

        async def answer(request: web.Request) -> web.StreamResponse:
            try:
                async with source_errors():
                    session = await self._session(request)
                    if session is None or kind not in (None, session.kind):
                        ended = self._cookies.read(request, "session") is not None and session is None
                        return see_other(f"{PREFIX[language]}/{'?state=expired' if ended else ''}")
                    return await page(request, session, language)
            except NotFound:
                return self.trouble(language, 404)
            except Forbidden:
                return self.trouble(language, 403)
            except NotPossible:
                return self.trouble(language, 409)
            except SourceUnavailable:
                return self.trouble(language, 503)

        return answer

    async def ask_person(self, session: Session, language: Language, question: UUID) -> web.Response:
        """To the identity provider, with the question, also with one that expired: it is shown as such there. One that is not
        needed any more is not shown. NotFound when this person is not asked that."""
        found = await self._consents.question(question, session.code)
        if found is None:
            raise NotFound("no such question")
        if found.closed is not None and not found.expired:
            return see_other(f"{PREFIX[language]}{HOME['person']}?said=closed")
        begun = await self._sessions.begin(language, "person", self.clock(), question)
        return self._to_provider(
            begun.browser, self._provider.url(begun.state, begun.nonce, begun.verifier, "openid", found.details())
        )

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
        state = request.query.get("state", "")
        state = state if state in ("expired", "refused", "unreachable", "closed") else ""
        session = await self._session(request)
        if session is not None:
            return see_other(PREFIX[language] + HOME[session.kind] + (f"?said={state}" if state else ""))
        return self.html(language, "login", request, None, state=state)

    async def _sign_in(self, request: web.Request, language: Language) -> web.Response:
        kind: Kind = "officer" if request.match_info["kind"] == "officer" else "person"
        begun = await self._sessions.begin(language, kind, self.clock())
        return self._to_provider(
            begun.browser, self._provider.url(begun.state, begun.nonce, begun.verifier, _SCOPE[kind])
        )

    def _to_provider(self, browser: str, url: str) -> web.Response:
        answer = see_other(url)
        self._cookies.set(answer, "sign-in", browser, 600)
        return answer

    async def _callback(self, request: web.Request) -> web.Response:
        """Back from the provider: a sign-in, or an answer to a question. It is over with the first answer that names its state."""
        language: Language = "vi"
        said = ""
        try:
            async with source_errors():
                state, browser = request.query.get("state", ""), self._cookies.read(request, "sign-in") or ""
                begun = await self._sessions.finish(state, browser, self.clock())
                language = "en" if begun.language == "en" else "vi"
                if begun.question is not None and request.query.get("error") == "consent_expired":
                    raise QuestionOver
                code = request.query.get("code")
                if not code:
                    raise SignInRefused
                statement = await self._provider.redeem(code, begun.verifier, begun.nonce)
                if begun.question is not None:
                    counted = await self._consents.answer(begun.question, statement)
                    said = "?said=answered" if counted else "?said=closed"
                session = await self._sessions.open(begun.kind, statement.claims, self.clock())
        except SignInRefused:
            answer = see_other(f"{PREFIX[language]}/?state=refused")
        except QuestionOver:
            answer = see_other(f"{PREFIX[language]}/?state=closed")
        except (ProviderAway, SourceUnavailable):
            answer = see_other(f"{PREFIX[language]}/?state=unreachable")
        else:
            answer = see_other(PREFIX[language] + HOME[session.kind] + said)
            self._cookies.set(answer, "session", session.token, int(LONGEST.total_seconds()))
        self._cookies.forget(answer, "sign-in")
        return answer

    async def _sign_out(self, request: web.Request, session: Session, language: Language) -> web.Response:
        await checked_form(request, session, self.origin)
        await self._sessions.close(session)
        answer = see_other(f"{PREFIX[language]}/")
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
        shared: dict[str, Any] = {"path": path, "prefix": PREFIX[language], "session": session, "now": self.clock()}
        shared["reasons"] = self._reasons
        text = self._look(language, template, **shared, **values)
        return web.Response(text=text, status=status, content_type="text/html", charset="utf-8")

    def trouble(self, language: Language, status: int) -> web.Response:
        return self.html(language, "trouble", None, None, status=status, kind=str(status))


def see_other(where: str) -> web.Response:
    return web.Response(status=303, headers={"Location": where})
