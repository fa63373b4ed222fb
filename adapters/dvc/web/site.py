"""What the pages share: two languages, sign-in and sign-out, sessions, one way to say that something is wrong."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from aiohttp import web

from adapters.dvc.web.sessions import LONGEST, Session, Sessions
from adapters.sdk import NotFound
from adapters.sdk.identity import IdentityProvider, ProviderAway, SignInRefused
from adapters.sdk.postgres import source_errors
from adapters.sdk.problems import SourceUnavailable
from gateway.pages.cookies import Cookies
from gateway.pages.guard import Forbidden, Handler, checked_form
from gateway.pages.look import Look, see_other
from gateway.pages.signin import Door, Page
from gateway.pages.words import LANGUAGES, PREFIX, Language

HOME = "/dossiers"
_TROUBLES = {NotFound: 404, Forbidden: 403, SourceUnavailable: 503}


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
        self.clock = clock
        self._provider = provider
        self._sessions = sessions
        self._look = look
        cookies = Cookies(origin.startswith("https:"))
        self._door = Door(cookies, self._find, LONGEST, source_errors, _TROUBLES, self.trouble)

    def add_to(self, app: web.Application) -> None:
        door = self._door
        for language in LANGUAGES:
            prefix = PREFIX[language]
            app.router.add_get(f"{prefix}/", door.anybody(language, self._welcome))
            app.router.add_get(f"{prefix}/sign-in", door.anybody(language, self._sign_in))
            app.router.add_post(f"{prefix}/sign-out", door.signed_in(language, self._sign_out))
        app.router.add_get("/en", door.anybody("en", self._welcome))
        app.router.add_get("/callback", self._callback)

    def signed_in(self, language: Language, page: Page[Session]) -> Handler:
        return self._door.signed_in(language, page)

    # --- who is there ----------------------------------------------------------------------------------------------------

    async def _find(self, token: str) -> Session | None:
        return await self._sessions.find(token, self.clock())

    async def _welcome(self, request: web.Request, language: Language) -> web.Response:
        if await self._door.session(request) is not None:
            return see_other(PREFIX[language] + HOME)
        state = request.query.get("state", "")
        shown = state if state in ("expired", "refused", "unreachable") else ""
        return self.html(language, "login", request, None, state=shown)

    async def _sign_in(self, _: web.Request, language: Language) -> web.Response:
        begun = await self._sessions.begin(language, self.clock())
        return self._door.to_provider(begun, self._provider.url(begun.state, begun.nonce, begun.verifier, "openid"))

    async def _callback(self, request: web.Request) -> web.Response:
        """Back from the provider. The sign-in is over with the first answer that names its state."""
        language: Language = "vi"
        session: Session | None = None
        try:
            async with source_errors():
                begun, language = await self._sessions.finish(*self._door.sign_in_of(request), self.clock())
                if not (code := request.query.get("code")):
                    raise SignInRefused
                statement = await self._provider.redeem(code, begun.verifier, begun.nonce)
                session = await self._sessions.open(statement.claims, self.clock())
                where = HOME
        except SignInRefused:
            where = "/?state=refused"
        except (ProviderAway, SourceUnavailable):
            where = "/?state=unreachable"
        return self._door.back(PREFIX[language] + where, session)

    async def _sign_out(self, request: web.Request, session: Session, language: Language) -> web.Response:
        await checked_form(request, session.csrf, self._origin)
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
        return self._look.page(language, template, request, status=status, session=session, now=self.clock(), **values)

    def trouble(self, language: Language, status: int) -> web.Response:
        return self.html(language, "trouble", None, None, status=status, kind=str(status))
