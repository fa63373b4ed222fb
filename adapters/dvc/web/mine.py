"""The two pages: all my dossiers with my inbox, and one dossier step by step. Both only read."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from adapters.dvc.web.reasons import ReturnReasons
from adapters.dvc.web.records import dossier_of, dossiers_of, letters_of
from adapters.dvc.web.sessions import Session
from adapters.dvc.web.site import HOME, Site
from adapters.dvc.web.thread import next_of, steps_of
from adapters.sdk import NotFound, Pool
from gateway.pages.words import LANGUAGES, PREFIX, Language


class Mine:
    """`answers`: where questions for consent are answered, as a browser writes it."""

    def __init__(self, site: Site, pool: Pool, reasons: ReturnReasons, answers: str) -> None:
        self._site = site
        self._pool = pool
        self._reasons = reasons
        self._answers = answers

    def add_to(self, app: web.Application) -> None:
        for language in LANGUAGES:
            prefix = PREFIX[language]
            app.router.add_get(prefix + HOME, self._site.signed_in(language, self._all))
            app.router.add_get(f"{prefix}{HOME}/{{number}}", self._site.signed_in(language, self._one))

    async def _all(self, request: web.Request, session: Session, language: Language) -> web.Response:
        dossiers = [(one, next_of(one)) for one in await dossiers_of(self._pool, session.person)]
        letters = await letters_of(self._pool, session.person)
        values: dict[str, Any] = {"letters": letters, "answers": self._answers, "reasons": self._reasons}
        own = {one.number for one, _ in dossiers}
        return self._site.html(language, "dossiers", request, session, dossiers=dossiers, own=own, **values)

    async def _one(self, request: web.Request, session: Session, language: Language) -> web.Response:
        wanted = request.match_info["number"]
        dossier = None if "\0" in wanted else await dossier_of(self._pool, session.person, wanted)
        if dossier is None:
            raise NotFound("no such dossier of this person")
        values: dict[str, Any] = {"steps": steps_of(dossier), "next": next_of(dossier), "reasons": self._reasons}
        return self._site.html(language, "dossier", request, session, dossier=dossier, **values)
