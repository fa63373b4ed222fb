"""The pages, in Vietnamese at `/` and in English at `/en/`. The server renders everything; script only checks proofs and prints.

GET  /                    the sign-in page, or the list
GET  /sign-in, /callback  to the identity provider and back      POST /sign-out
GET  /records, /records/<id>, /records/<id>/receipt, /proof
POST /records/<id>/inquiry, /represent, /represent/end
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import urlencode

from aiohttp import web

from gateway.citizen.api import receipt_file
from gateway.citizen.chart import chart
from gateway.citizen.forms import parse_form
from gateway.citizen.guard import Site, check_change
from gateway.citizen.oidc import OpenIdProvider
from gateway.citizen.portal import Portal, year_of
from gateway.citizen.sessions import Session
from gateway.citizen.views import member_of, parse_filter, show
from gateway.citizen.watching import PortalWatch
from gateway.core.disclosure.record import Field
from gateway.core.errors import (
    AccessDenied,
    BearerRejected,
    GatewayError,
    MalformedMessage,
    ServiceUnavailable,
    UnknownSubject,
)
from gateway.pages.guard import Handler
from gateway.pages.look import Look, see_other
from gateway.pages.words import LANGUAGES, LOCAL, PREFIX, Language
from gateway.storage.failures import DATABASE_ERRORS

_ON_A_PAGE = 10
_FILTERS = ("period", "agency", "purpose", "outcome", "from", "to")
SessionOf = Callable[[web.Request], Awaitable[Session]]
Page = Callable[[web.Request, Session, Language], Awaitable[web.StreamResponse]]


class Pages:
    """`session_of`: the request's session; BearerRejected without one."""

    def __init__(
        self,
        portal: Portal,
        provider: OpenIdProvider,
        site: Site,
        look: Look,
        session_of: SessionOf,
        watch: PortalWatch,
    ) -> None:
        self._portal = portal
        self._provider = provider
        self._site = site
        self._look = look
        self._session_of = session_of
        self._watch = watch

    def add_to(self, app: web.Application) -> None:
        router = app.router
        for language in LANGUAGES:
            prefix = PREFIX[language]
            router.add_get(f"{prefix}/", self._open(language, self._welcome))
            router.add_get(f"{prefix}/sign-in", self._open(language, self._sign_in))
            router.add_get(f"{prefix}/proof", self._open(language, self._proof))
            router.add_get(f"{prefix}/records", self._signed_in(language, self._list))
            router.add_get(f"{prefix}/records/{{id}}", self._signed_in(language, self._record))
            router.add_get(f"{prefix}/records/{{id}}/receipt", self._signed_in(language, self._receipt))
            router.add_post(f"{prefix}/records/{{id}}/inquiry", self._signed_in(language, self._inquiry))
            router.add_post(f"{prefix}/represent", self._signed_in(language, self._represent))
            router.add_post(f"{prefix}/represent/end", self._signed_in(language, self._stop_representing))
            router.add_post(f"{prefix}/sign-out", self._signed_in(language, self._sign_out))
        router.add_get("/en", self._open("en", self._welcome))
        router.add_get("/callback", self._open("vi", self._callback))

    # --- who is there --------------------------------------------------------------------------------------------------

    def _open(self, language: Language, page: Callable[[web.Request, Language], Awaitable[web.Response]]) -> Handler:
        async def answer(request: web.Request) -> web.Response:
            try:
                return await page(request, language)
            except (GatewayError, *DATABASE_ERRORS):
                return self.trouble(language, 503)

        return answer

    def _signed_in(self, language: Language, page: Page) -> Handler:
        async def answer(request: web.Request) -> web.StreamResponse:
            try:
                session = await self._session_of(request)
            except BearerRejected:
                ended = self._site.cookies.read(request, "session") is not None
                return see_other(f"{PREFIX[language]}/{'?state=expired' if ended else ''}")
            except (GatewayError, *DATABASE_ERRORS):
                return self.trouble(language, 503)
            try:
                return await page(request, session, language)
            except UnknownSubject:
                return self.trouble(language, 404, "404", session)
            except (AccessDenied, MalformedMessage):
                return self.trouble(language, 403, "403", session)
            except (GatewayError, *DATABASE_ERRORS):
                return self.trouble(language, 503, "503", session)

        return answer

    async def _welcome(self, request: web.Request, language: Language) -> web.Response:
        state = request.query.get("state", "plain")
        if state == "plain" and self._site.cookies.read(request, "session") is not None:
            try:
                await self._session_of(request)
                return see_other(f"{PREFIX[language]}/records")
            except BearerRejected:
                state = "expired"
        state = state if state in ("expired", "refused", "unreachable") else "plain"
        return self._html(language, "login", request, state=state)

    async def _sign_in(self, _: web.Request, language: Language) -> web.Response:
        made = await self._portal.sessions.begin(language, self._portal.clock())
        try:
            url = await self._provider.sign_in_url(made.state, made.nonce, made.verifier)
        except ServiceUnavailable:
            return see_other(f"{PREFIX[language]}/?state=unreachable")
        answer = see_other(url)
        self._site.bind_sign_in(answer, made.browser)
        return answer

    async def _callback(self, request: web.Request, language: Language) -> web.Response:
        """RFC 6749 4.1.2: back from the provider. The sign-in is over with the first answer that names its state. `language`: until
        it is known in which one it began."""
        try:
            browser = self._site.cookies.read(request, "sign-in") or ""
            now = self._portal.clock()
            began, told = await self._portal.sessions.finish(request.query.get("state", ""), browser, now)
            language = "en" if told == "en" else "vi"
            code = request.query.get("code")
            if not code:
                raise BearerRejected("the identity provider did not confirm the sign-in")
            identity = await self._provider.redeem(code, began.verifier, began.nonce)
            session = await self._portal.sessions.open(identity, now)
            await self._portal.lookups.note(session, identity.person, "sign-in", now, None)
        except BearerRejected:
            self._watch.signed_in("refused")
            answer = see_other(f"{PREFIX[language]}/?state=refused")
        except GatewayError:
            self._watch.signed_in("unreachable")
            answer = see_other(f"{PREFIX[language]}/?state=unreachable")
        else:
            self._watch.signed_in("confirmed")
            answer = see_other(f"{PREFIX[language]}/records")
            self._site.open_session(answer, session)
        self._site.cookies.forget(answer, "sign-in")
        return answer

    async def _sign_out(self, request: web.Request, session: Session, language: Language) -> web.Response:
        await self._changed(request, session)
        await self._portal.sessions.close(session)
        answer = see_other(f"{PREFIX[language]}/")
        self._site.cookies.forget(answer, "session")
        return answer

    # --- what is read --------------------------------------------------------------------------------------------------

    async def _list(self, request: web.Request, session: Session, language: Language) -> web.Response:
        now = self._portal.clock()
        chosen = {key: value for key in _FILTERS if (value := request.query.get(key))}
        wanted = parse_filter(chosen, now)
        cursor = request.query.get("cursor")
        page = await self._portal.page(session, wanted, cursor, _ON_A_PAGE)
        known = await self._portal.overview(session)
        words = self._portal.words
        shown = [show(r, words, language, first=known.is_first(r)) for r in page.records]
        more = None if page.next is None else urlencode({**chosen, "cursor": page.next})
        return self._html(
            language,
            "records",
            request,
            session=session,
            known=known,
            records=shown,
            chosen=chosen,
            more=more,
            further=cursor is not None,
            chart=chart(known.counts, now.astimezone(LOCAL).date()),
            agencies={agency: words.name(agency) for agency in known.agencies},
            purposes={code: words.purpose(code, language) for code in known.purposes},
            years=sorted({count.month.year for count in known.counts}, reverse=True),
            destroyed=await self._portal.records.destroyed(),
            lookups=await self._portal.lookups.of(session.subject),
            inquiries=await self._portal.asked.newest(session.subject),
            holders=sorted({words.name(member_of(server)) for server in self._portal.records.servers}),
            names=words,
            now=now,
            message=request.query.get("said", ""),
            can_represent=self._portal.representation is not None,
        )

    async def _record(self, request: web.Request, session: Session, language: Language) -> web.Response:
        found = await self._portal.record(session, request.match_info["id"])
        known = await self._portal.overview(session)
        record = show(found, self._portal.words, language, first=known.is_first(found))
        return self._html(
            language,
            "record",
            request,
            session=session,
            record=record,
            origin=self._portal.log.origin(year_of(found)),
            agency=member_of(found.fields[Field.CONSUMER]),
            asked=known.agencies.get(member_of(found.fields[Field.CONSUMER]), 1),
            inquiries=await self._portal.inquiries(session, found),
            names=self._portal.words,
            now=self._portal.clock(),
            deadlines=self._portal.deadlines,
            hours=self._portal.max_delay_hours,
            message=request.query.get("said", ""),
        )

    async def _receipt(self, request: web.Request, session: Session, language: Language) -> web.Response:
        """The file itself, or a page that says why there is none."""
        found = await self._portal.record(session, request.match_info["id"])
        try:
            made = await self._portal.receipt(found)
        except ServiceUnavailable:
            status, why = 503, "unreachable"
        else:
            if made is not None and made.file is not None:
                return receipt_file(found, made.file)
            status, why = (404, "missing") if self._portal.is_overdue(found) else (202, "waits")
        more = {"why": why, "record": found.record_id, "hours": self._portal.max_delay_hours}
        return self._html(language, "receipt", request, status=status, session=session, **more)

    async def _proof(self, request: web.Request, language: Language) -> web.Response:
        session = None
        if self._site.cookies.read(request, "session") is not None:
            try:
                session = await self._session_of(request)
            except BearerRejected:
                session = None  # the page is for everybody
        return self._html(language, "proof", request, session=session)

    # --- what is asked -------------------------------------------------------------------------------------------------

    async def _inquiry(self, request: web.Request, session: Session, language: Language) -> web.Response:
        form = await self._changed(request, session)
        found = await self._portal.record(session, request.match_info["id"])
        try:
            await self._portal.ask(session, found, *(form.get(key, "") for key in ("kind", "reason", "words")))
        except MalformedMessage:
            return see_other(f"{PREFIX[language]}/records/{found.record_id}?said=words#lam-h")
        return see_other(f"{PREFIX[language]}/records/{found.record_id}?said=sent#da-gui")

    async def _represent(self, request: web.Request, session: Session, language: Language) -> web.Response:
        form = await self._changed(request, session)
        said = ""
        try:
            await self._portal.represent(session, form.get("number", ""))
        except AccessDenied:
            said = "?said=no-relation#thay-mat"
        except ServiceUnavailable:
            said = "?said=register-away#thay-mat"
        return see_other(f"{PREFIX[language]}/records{said}")

    async def _stop_representing(self, request: web.Request, session: Session, language: Language) -> web.Response:
        await self._changed(request, session)
        await self._portal.sessions.act(session, None)
        return see_other(f"{PREFIX[language]}/records")

    async def _changed(self, request: web.Request, session: Session) -> Mapping[str, str]:
        """The form, if our own page sent it. AccessDenied otherwise."""
        if request.content_type != "application/x-www-form-urlencoded":
            raise AccessDenied("not a form of ours")
        form = parse_form(await request.read())
        check_change(request, session, form.get("csrf", ""), self._site)
        return form

    # --- answers -------------------------------------------------------------------------------------------------------

    def _html(
        self,
        language: Language,
        template: str,
        request: web.Request | None,
        *,
        status: int = 200,
        session: Session | None = None,
        **values: Any,
    ) -> web.Response:
        return self._look.page(language, template, request, status=status, session=session, **values)

    def trouble(
        self, language: Language, status: int, kind: str = "503", session: Session | None = None
    ) -> web.Response:
        """`kind`: of the words."""
        return self._html(language, "trouble", None, status=status, session=session, kind=kind)
