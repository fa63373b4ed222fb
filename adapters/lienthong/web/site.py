"""What the pages share: two languages, sign-in and sign-out, sessions, one way to say that something is wrong."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from aiohttp import web

from adapters.lienthong.model import NotPossible
from adapters.lienthong.reasons import Reasons
from adapters.lienthong.web.consents import Consents
from adapters.lienthong.web.sessions import LONGEST, Kind, Session, Sessions
from adapters.lienthong.web.words import BoardWords
from adapters.sdk import NotFound
from adapters.sdk.identity import IdentityProvider, ProviderAway, SignInRefused
from adapters.sdk.postgres import source_errors
from adapters.sdk.problems import SourceUnavailable
from gateway.pages.cookies import Cookies
from gateway.pages.guard import Forbidden, Handler, checked_form
from gateway.pages.look import Look, see_other
from gateway.pages.signin import Door, Page
from gateway.pages.words import LANGUAGES, PREFIX, Language

HOME: dict[Kind, str] = {"officer": "/dossiers", "person": "/mine"}
_SCOPE: dict[Kind, str] = {"officer": "openid officer", "person": "openid"}
_TROUBLES = {NotFound: 404, Forbidden: 403, NotPossible: 409, SourceUnavailable: 503}


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
        cookies = Cookies(origin.startswith("https:"))
        self._door = Door(cookies, self._find, LONGEST, source_errors, _TROUBLES, self.trouble)
        self.clock = clock
        self._provider = provider
        self._sessions = sessions
        self._consents = consents
        self.words = words
        self._reasons = reasons
        self._look = look

    def add_to(self, app: web.Application) -> None:
        door = self._door
        for language in LANGUAGES:
            prefix = PREFIX[language]
            app.router.add_get(f"{prefix}/", door.anybody(language, self._welcome))
            app.router.add_get(f"{prefix}/sign-in/{{kind}}", door.anybody(language, self._sign_in))
            app.router.add_post(f"{prefix}/sign-out", door.signed_in(language, self._sign_out))
        app.router.add_get("/en", door.anybody("en", self._welcome))
        app.router.add_get("/callback", self._callback)

    def signed_in(self, language: Language, kind: Kind, page: Page[Session]) -> Handler:
        """`kind`: of the session that is needed."""
        return self._door.signed_in(language, page, lambda session: session.kind == kind)

    async def ask_person(self, session: Session, language: Language, question: UUID) -> web.Response:
        """To the identity provider, with the question, also with one that expired: it is shown as such there. One that is not
        needed any more is not shown. NotFound when this person is not asked that."""
        found = await self._consents.question(question, session.code)
        if found is None:
            raise NotFound("no such question")
        if found.closed is not None and not found.expired:
            return see_other(f"{PREFIX[language]}{HOME['person']}?said=closed")
        begun = await self._sessions.begin(language, "person", self.clock(), question)
        url = self._provider.url(begun.state, begun.nonce, begun.verifier, "openid", found.details())
        return self._door.to_provider(begun, url)

    # --- who is there ----------------------------------------------------------------------------------------------------

    async def _find(self, token: str) -> Session | None:
        return await self._sessions.find(token, self.clock())

    async def _welcome(self, request: web.Request, language: Language) -> web.Response:
        state = request.query.get("state", "")
        state = state if state in ("expired", "refused", "unreachable", "closed") else ""
        session = await self._door.session(request)
        if session is not None:
            return see_other(PREFIX[language] + HOME[session.kind] + (f"?said={state}" if state else ""))
        return self.html(language, "login", request, None, state=state)

    async def _sign_in(self, request: web.Request, language: Language) -> web.Response:
        kind: Kind = "officer" if request.match_info["kind"] == "officer" else "person"
        begun = await self._sessions.begin(language, kind, self.clock())
        url = self._provider.url(begun.state, begun.nonce, begun.verifier, _SCOPE[kind])
        return self._door.to_provider(begun, url)

    async def _callback(self, request: web.Request) -> web.Response:
        """Back from the provider: a sign-in, or an answer to a question. It is over with the first answer that names its state."""
        language: Language = "vi"
        session: Session | None = None
        said = ""
        try:
            async with source_errors():
                begun = await self._sessions.finish(*self._door.sign_in_of(request), self.clock())
                language = begun.language
                if begun.question is not None and request.query.get("error") == "consent_expired":
                    raise QuestionOver
                code = request.query.get("code")
                if not code:
                    raise SignInRefused
                statement = await self._provider.redeem(code, begun.sign_in.verifier, begun.sign_in.nonce)
                if begun.question is not None:
                    counted = await self._consents.answer(begun.question, statement)
                    said = "?said=answered" if counted else "?said=closed"
                session = await self._sessions.open(begun.kind, statement.claims, self.clock())
                where = HOME[session.kind] + said
        except SignInRefused:
            where = "/?state=refused"
        except QuestionOver:
            where = "/?state=closed"
        except (ProviderAway, SourceUnavailable):
            where = "/?state=unreachable"
        return self._door.back(PREFIX[language] + where, session)

    async def _sign_out(self, request: web.Request, session: Session, language: Language) -> web.Response:
        await checked_form(request, session.csrf, self.origin)
        await self._sessions.close(session)
        return self._door.left(language)

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
        shared: dict[str, Any] = {"session": session, "now": self.clock(), "reasons": self._reasons}
        return self._look.page(language, template, request, status=status, **shared, **values)

    def trouble(self, language: Language, status: int) -> web.Response:
        return self.html(language, "trouble", None, None, status=status, kind=str(status))
