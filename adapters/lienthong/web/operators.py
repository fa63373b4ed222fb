"""The operators' pages: what is stuck, whose turn it is, sending again, tables to take away.

GET  /dossiers, /dossiers/<id>, /letters, /stuck.csv, /provinces.csv
POST /dossiers/ask-again, /letters/again        operators only; repeating one does nothing more
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from datetime import UTC, date, datetime, timedelta
from tempfile import TemporaryFile
from typing import Any, BinaryIO
from urllib.parse import urlencode
from uuid import UUID

from aiohttp import web
from pydantic import TypeAdapter

from adapters.lienthong.definition import Definition
from adapters.lienthong.desk import Desk
from adapters.lienthong.model import AskAgain, Dossier, NotPossible
from adapters.lienthong.web.board import CAUSES, STATES, Board, Filters
from adapters.lienthong.web.chart import SERIES, chart
from adapters.lienthong.web.sessions import Session
from adapters.lienthong.web.shown import legs_shown, missing, to_ask
from adapters.lienthong.web.site import Site
from adapters.lienthong.web.words import BoardWords, iso
from adapters.sdk import NotFound, Pool
from adapters.sdk.delivery import Outbox
from gateway.pages.guard import Forbidden, checked_form
from gateway.pages.look import see_other
from gateway.pages.words import LANGUAGES, PREFIX, Language

_ON_A_PAGE = 20
_MARK = "\ufeff".encode()  # without it spreadsheets read Vietnamese wrongly
_STATE: TypeAdapter[Dossier] = TypeAdapter(Dossier)
_WEEK = timedelta(days=7)
_HOLIDAYS_END = timedelta(days=60)  # before it, as health of the citizens' portal warns


class Operators:
    def __init__(
        self, site: Site, pool: Pool, board: Board, desk: Desk, outbox: Outbox, definitions: Mapping[str, Definition]
    ) -> None:
        self._site = site
        self._pool = pool
        self._board = board
        self._desk = desk
        self._outbox = outbox
        self._definitions = definitions

    def add_to(self, app: web.Application) -> None:
        for language in LANGUAGES:
            prefix = PREFIX[language]
            for path, page in (
                ("/dossiers", self._list),
                ("/dossiers/{id}", self._one),
                ("/letters", self._letters),
                ("/stuck.csv", self._stuck_csv),
                ("/provinces.csv", self._provinces_csv),
            ):
                app.router.add_get(prefix + path, self._site.signed_in(language, "officer", page))
            app.router.add_post(
                f"{prefix}/dossiers/ask-again", self._site.signed_in(language, "officer", self._ask_again)
            )
            app.router.add_post(f"{prefix}/letters/again", self._site.signed_in(language, "officer", self._send_again))

    # --- read ------------------------------------------------------------------------------------------------------------

    async def _list(self, request: web.Request, session: Session, language: Language) -> web.Response:
        now, filters = self._site.clock(), _filters(request.query)
        rows = await self._board.page(filters, now, _cursor(request.query.get("cursor", "")), _ON_A_PAGE + 1)
        shown, more = rows[:_ON_A_PAGE], None
        chosen = {key: value for key in _NAMES if (value := request.query.get(key))}
        if len(rows) > _ON_A_PAGE:
            last = shown[-1]
            more = urlencode({**chosen, "cursor": f"{(last['leg_due'] or last['opened_at']).isoformat()}~{last['id']}"})
        provinces = await self._board.provinces(now)
        return self._site.html(
            language,
            "dossiers",
            request,
            session,
            filters=filters,
            chosen=chosen,
            query=urlencode(chosen),
            chart=chart(await self._board.counts(filters, now)),
            series=SERIES,
            states=STATES,
            causes=await self._board.causes(filters, now),
            all_causes=CAUSES,
            refused=await self._board.refused(),
            finished=await self._board.finished(now),
            provinces=provinces,
            rows=[self._row(row) for row in shown],
            more=more,
            definitions=self._definitions,
            holidays_until=self._holidays_until(now),
            legs={leg.code: leg for d in self._definitions.values() for leg in d.legs[1:]},
            said=request.query.get("said", ""),
        )

    async def _one(self, request: web.Request, session: Session, language: Language) -> web.Response:
        wanted = request.match_info["id"]
        row = None if "\0" in wanted else await self._board.one(wanted)
        if row is None:
            raise NotFound("no such dossier")
        dossier = _STATE.validate_json(row["state"])
        definition = self._definitions[dossier.procedure]
        return self._site.html(
            language,
            "dossier",
            request,
            session,
            dossier=dossier,
            definition=definition,
            legs=legs_shown(dossier, definition, self._site.clock()),
            missing=missing(dossier),
            seen=to_ask(dossier),
            entries=await self._board.entries(dossier.id),
            messages=await self._board.messages(dossier.id),
            refused=await self._board.refused_of(dossier.id),
            said=request.query.get("said", ""),
        )

    async def _letters(self, request: web.Request, session: Session, language: Language) -> web.Response:
        letters = await self._outbox.dead_letters()
        return self._site.html(language, "letters", request, session, letters=letters)

    async def _stuck_csv(self, request: web.Request, _: Session, language: Language) -> web.Response:
        """All of them: with what does not fit in memory in a file that has no name."""
        now, words = self._site.clock(), self._site.words[language]
        head = ("dossier", "procedure", "province", "leg", "state", "cause", "owner", "due", "overdue_days", "asked")
        with ExitStack() as unless_answered:
            file = unless_answered.enter_context(TemporaryFile())
            file.write(_MARK + _lines([head]))

            def take(rows: Sequence[Mapping[str, Any]]) -> None:
                file.write(_lines([self._csv_row(row, words, now) for row in rows]))

            await self._board.whole(_filters(request.query), now, take)
            file.seek(0)
            unless_answered.pop_all()
        return _csv("stuck.csv", file)

    async def _provinces_csv(self, _: web.Request, __: Session, ___: Language) -> web.Response:
        rows = await self._board.provinces(self._site.clock())
        head = ("province", "sent", "given_back", "stuck", "share_percent", "longest_days")
        lines = [
            (
                r["province"],
                r["sent"],
                r["given_back"],
                r["stuck"],
                f"{r['share'] * 100:.2f}",
                (r["longest"] or timedelta()).days,
            )
            for r in rows
        ]
        return _csv("provinces.csv", _MARK + _lines([head, *lines]))

    # --- done ------------------------------------------------------------------------------------------------------------

    async def _ask_again(self, request: web.Request, session: Session, language: Language) -> web.Response:
        """Each value is `dossier:leg:seen`; what was asked since the page was made is not asked twice."""
        form = await checked_form(request, session.csrf, self._site.origin)
        if not session.may_act:
            raise Forbidden
        chosen = form.get("case", []) if form.get("do") == ["selected"] else form.get("do", [])
        asked = 0
        for value in chosen[:_ON_A_PAGE]:
            dossier_id, leg, seen = _parsed(value)
            try:
                async with self._pool.acquire() as connection, connection.transaction():
                    event = AskAgain(leg, seen)
                    await self._desk.happen(connection, dossier_id, event, session.code)
                asked += 1
            except NotPossible:
                if len(chosen) == 1:
                    raise
        back = form.get("back", ["/dossiers"])[0]
        back = back if back.startswith("/dossiers") else "/dossiers"
        return see_other(f"{PREFIX[language]}{back}{'&' if '?' in back else '?'}said={asked}")

    async def _send_again(self, request: web.Request, session: Session, language: Language) -> web.Response:
        form = await checked_form(request, session.csrf, self._site.origin)
        if not session.may_act:
            raise Forbidden
        try:
            message_id = UUID("".join(form.get("message", [])))
        except ValueError as e:
            raise NotFound("no such message") from e
        await self._outbox.send_again(message_id, session.code, _WEEK)
        return see_other(f"{PREFIX[language]}/letters")

    def _holidays_until(self, now: datetime) -> date | None:
        """The last day of the list of public holidays, when that is soon; today without a list."""
        today = self._site.words["vi"].local(now)
        until = min(definition.calendar.known_until or today for definition in self._definitions.values())
        return until if until - today < _HOLIDAYS_END else None

    # --- shown -----------------------------------------------------------------------------------------------------------

    def _row(self, row: Mapping[str, Any]) -> dict[str, Any]:
        definition = self._definitions[row["procedure"]]
        leg = definition.leg(row["leg"] or "")
        number = [one.code for one in definition.legs].index(row["leg"]) + 1 if leg else 0
        seen = row["reminders"] if row["leg_status"] == "consent" else row["asks"]
        roles = [definition.roles[role] for role in leg.consents] if leg and row["leg_status"] == "consent" else []
        return {**row, "definition": definition, "definition_leg": leg, "number": number, "seen": seen, "roles": roles}

    def _csv_row(self, row: Mapping[str, Any], words: BoardWords, now: datetime) -> tuple[Any, ...]:
        shown = self._row(row)
        leg = shown["definition_leg"]
        overdue = (now - row["leg_due"]).days if row["leg_due"] is not None and row["leg_due"] < now else 0
        owner = words.of(leg.agency) if leg else ""
        case = (row["id"], row["procedure"], row["province"], row["leg"], row["shown"], row["cause"])
        return (*case, owner, iso(row["leg_due"]), overdue, shown["seen"])


_NAMES = ("procedure", "province", "leg", "cause", "age", "state", "case")


def _filters(query: Mapping[str, str]) -> Filters:
    """What is no filter is none: a wrong value shows nothing that a right one would not."""
    chosen = {name: query.get(name, "")[:100].replace("\0", "") for name in _NAMES if name != "age"}
    age = query.get("age", "")
    return Filters(**chosen, age=int(age) if age in ("0", "1", "2", "3", "4") else -1)


def _cursor(text: str) -> tuple[datetime, str] | None:
    moment, _, dossier_id = text.partition("~")
    try:
        at = datetime.fromisoformat(moment)
        at = at if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return None if at.tzinfo is None or "\0" in dossier_id else (at, dossier_id)


def _parsed(value: str) -> tuple[str, str, int]:
    match value.split(":"):
        case [dossier_id, leg, seen] if seen.isascii() and seen.isdigit() and len(seen) < 5 and "\0" not in value:
            return dossier_id, leg, int(seen)
        case _:
            raise NotFound("no such dossier")


def _csv(name: str, body: bytes | BinaryIO) -> web.Response:
    """With its length, so that a browser tells a download that broke off; a file is closed when it was sent."""
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return web.Response(body=body, content_type="text/csv", charset="utf-8", headers=headers)


def _lines(rows: Iterable[Sequence[Any]]) -> bytes:
    """A cell that a spreadsheet would take for a formula begins with an apostrophe."""
    out = io.StringIO()
    csv.writer(out).writerows([[_cell(value) for value in row] for row in rows])
    return out.getvalue().encode()


def _cell(value: Any) -> str:
    text = str(value)
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text
