"""A person's page: the dossiers in which this person has a part, leg by leg, and the questions that wait for an answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from aiohttp import web
from pydantic import TypeAdapter

from adapters.lienthong.definition import Definition
from adapters.lienthong.model import Dossier
from adapters.lienthong.web.consents import Consents
from adapters.lienthong.web.sessions import Session
from adapters.lienthong.web.shown import legs_shown
from adapters.lienthong.web.site import Site
from adapters.sdk import NotFound
from gateway.pages.guard import checked_form
from gateway.pages.words import LANGUAGES, PREFIX, Language

_STATE: TypeAdapter[Dossier] = TypeAdapter(Dossier)


class Persons:
    def __init__(self, site: Site, consents: Consents, definitions: Mapping[str, Definition]) -> None:
        self._site = site
        self._consents = consents
        self._definitions = definitions

    def add_to(self, app: web.Application) -> None:
        for language in LANGUAGES:
            prefix = PREFIX[language]
            app.router.add_get(f"{prefix}/mine", self._site.signed_in(language, "person", self._mine))
            app.router.add_post(f"{prefix}/mine/answer", self._site.signed_in(language, "person", self._answer))

    async def _mine(self, request: web.Request, session: Session, language: Language) -> web.Response:
        found = [_STATE.validate_json(row["state"]) for row in await self._consents.dossiers(session.code)]
        now = self._site.clock()
        dossiers = [
            {
                "dossier": dossier,
                "definition": self._definitions[dossier.procedure],
                "legs": legs_shown(dossier, self._definitions[dossier.procedure], now),
            }
            for dossier in found
        ]
        values: dict[str, Any] = {
            "dossiers": dossiers,
            "questions": await self._consents.open_questions(session.code),
            "ended": await self._consents.ended_questions(session.code),
            "said": request.query.get("said", ""),
        }
        return self._site.html(language, "mine", request, session, **values)

    async def _answer(self, request: web.Request, session: Session, language: Language) -> web.Response:
        form = await checked_form(request, session.csrf, self._site.origin)
        try:
            question = UUID("".join(form.get("question", [])))
        except ValueError as e:
            raise NotFound("no such question") from e
        return await self._site.ask_person(session, language, question)
