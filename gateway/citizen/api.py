"""`/citizen/v1`: what the pages show, as JSON, for the person who is signed in.

GET  /session                      who is signed in, and the token for changes
GET  /records                      newest first: cursor, limit, from, to, agency, purpose, outcome
GET  /records/<id>                 one, with everything that opens its leaf
GET  /records/<id>/receipt         .tlog-proof · 202 it waits · 404 the log does not have it
POST /records/<id>/inquiry         {"kind", "reason", "words"}, header X-CSRF-Token
GET  /lookups                      who read this ledger
GET  /destroyed                    records of everybody that nobody can read any more, by holder and days
GET  /bundle                       everything that verifies the whole ledger offline (NDJSON)
GET  /log/<year>/checkpoint, /tile/..., /policy     the public log, passed on; needs no sign-in
GET  /terms                        {"max_delay_hours"}: how long a record may take into the public log; needs no sign-in

Problems are RFC 9457. 401: not signed in; 404: no such record, the same for one of somebody else; 403: not sent by our own page.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

from aiohttp import web

from gateway.citizen.bundling import bundle_lines
from gateway.citizen.forms import parse_limit, parse_object
from gateway.citizen.guard import Site, check_change
from gateway.citizen.inquiries import Inquiry
from gateway.citizen.portal import Portal, year_of
from gateway.citizen.records import StoredRecord
from gateway.citizen.sessions import Session
from gateway.citizen.views import destroyed_json, opening_json, parse_filter, record_json
from gateway.core.errors import (
    AccessDenied,
    BearerRejected,
    GatewayError,
    MalformedMessage,
    ServiceUnavailable,
    UnknownSubject,
)
from gateway.pages.guard import Handler
from gateway.storage.failures import DATABASE_ERRORS

PREFIX = "/citizen/v1"
PROOF_TYPE = "application/octet-stream"
_STATUS: tuple[tuple[type[GatewayError], int, str], ...] = (
    (BearerRejected, 401, "not signed in"),
    (UnknownSubject, 404, "not found"),
    (AccessDenied, 403, "not allowed"),
    (MalformedMessage, 400, "not understood"),
)
SignedIn = Callable[[web.Request, Session], Any]


def problem(error: GatewayError) -> web.Response:
    """No detail: what went wrong for whom is not for every reader."""
    status, title = next(((s, t) for kind, s, t in _STATUS if isinstance(error, kind)), (503, "try again later"))
    body = {"type": "about:blank", "status": status, "title": title}
    headers = {"Retry-After": "5"} if status == 503 else {}
    return web.json_response(body, status=status, content_type="application/problem+json", headers=headers)


def add_api(app: web.Application, portal: Portal, site: Site, session_of: Callable[[web.Request], Any]) -> None:
    """`session_of`: the request's session; BearerRejected without one."""

    def signed_in(handler: SignedIn) -> Handler:
        async def answer(request: web.Request) -> web.StreamResponse:
            try:
                found: web.StreamResponse = await handler(request, await session_of(request))
                return found
            except GatewayError as e:
                return problem(e)
            except DATABASE_ERRORS:
                return problem(ServiceUnavailable("the database does not answer"))

        return answer

    async def who(_: web.Request, session: Session) -> web.Response:
        acting = session.acting
        return _json(
            {
                "name": session.identity.name,
                "reads_for": None if acting is None else {"name": acting.name, "evidence": acting.evidence},
                "csrf": session.csrf,
            }
        )

    async def records(request: web.Request, session: Session) -> web.Response:
        limit = parse_limit(request.query.get("limit"))
        wanted = parse_filter(dict(request.query), portal.clock())
        page = await portal.page(session, wanted, request.query.get("cursor"), limit)
        known = await portal.overview(session)
        shown = [record_json(r, portal.words, first=known.is_first(r)) for r in page.records]
        return _json({"total": known.total, "records": shown, "next": page.next})

    async def record(request: web.Request, session: Session) -> web.Response:
        found = await portal.record(session, request.match_info["id"])
        known = await portal.overview(session)
        inquiries = [_inquiry(i, portal.clock()) for i in await portal.inquiries(session, found)]
        shown = record_json(found, portal.words, first=known.is_first(found))
        return _json({**shown, "opening": _opening(found, session), "inquiries": inquiries})

    async def receipt(request: web.Request, session: Session) -> web.Response:
        found = await portal.record(session, request.match_info["id"])
        made = await portal.receipt(found)
        if made is None:
            raise UnknownSubject("the log does not have it")
        if made.file is None:
            return web.json_response({"status": "waiting"}, status=202, headers={"Retry-After": "1"})
        return receipt_file(found, made.file)

    async def inquiry(request: web.Request, session: Session) -> web.Response:
        check_change(request, session, request.headers.get("X-CSRF-Token", ""), site)
        found = await portal.record(session, request.match_info["id"])
        asked = parse_object(await request.read())
        made = await portal.ask(session, found, *(asked.get(k, "") for k in ("kind", "reason", "words")))
        return _json(_inquiry(made, portal.clock()), status=201)

    async def lookups(_: web.Request, session: Session) -> web.Response:
        found = await portal.lookups.of(session.subject)
        told = [
            {"time": x.time.isoformat(), "by": x.by_name, "action": x.action, "evidence": x.evidence} for x in found
        ]
        return _json({"lookups": told})

    async def destroyed(_: web.Request, __: Session) -> web.Response:
        return _json({"destroyed": [destroyed_json(gone) for gone in await portal.records.destroyed()]})

    async def bundle(request: web.Request, session: Session) -> web.StreamResponse:
        answer = web.StreamResponse(
            headers={
                "Content-Type": "application/x-ndjson",
                "Content-Disposition": 'attachment; filename="so-minh-bach.ndjson"',
            }
        )
        await answer.prepare(request)
        try:
            async for line in bundle_lines(portal, session.subject):
                await answer.write(json.dumps(line, ensure_ascii=False).encode() + b"\n")
        except (GatewayError, *DATABASE_ERRORS):  # too late for a status: the file ends, and the connection with it
            if request.transport is not None:
                request.transport.abort()
            return answer
        await answer.write_eof()
        return answer

    def _opening(found: StoredRecord, session: Session) -> dict[str, object]:
        return opening_json(found, session.subject, portal.log.origin(year_of(found)))

    async def log_file(request: web.Request) -> web.Response:
        path = request.match_info["path"]
        try:
            year = int(request.match_info["year"])
            answer = await (portal.log.checkpoint(year) if path == "checkpoint" else portal.log.tile(year, path))
        except MalformedMessage:
            return problem(UnknownSubject("no such file"))
        except ServiceUnavailable as e:
            return problem(e)
        if answer.status != 200:
            return problem(UnknownSubject("no such file"))
        return web.Response(body=answer.body, content_type=PROOF_TYPE)

    async def policy(_: web.Request) -> web.Response:
        return web.Response(body=portal.policy, content_type="text/plain", charset="utf-8")

    async def terms(_: web.Request) -> web.Response:
        return _json({"max_delay_hours": portal.max_delay_hours})

    router = app.router
    router.add_get(f"{PREFIX}/session", signed_in(who))
    router.add_get(f"{PREFIX}/records", signed_in(records))
    router.add_get(f"{PREFIX}/records/{{id}}", signed_in(record))
    router.add_get(f"{PREFIX}/records/{{id}}/receipt", signed_in(receipt))
    router.add_post(f"{PREFIX}/records/{{id}}/inquiry", signed_in(inquiry))
    router.add_get(f"{PREFIX}/lookups", signed_in(lookups))
    router.add_get(f"{PREFIX}/destroyed", signed_in(destroyed))
    router.add_get(f"{PREFIX}/bundle", signed_in(bundle))
    router.add_get(f"{PREFIX}/policy", policy)
    router.add_get(f"{PREFIX}/terms", terms)
    router.add_get(f"{PREFIX}/log/{{year:[0-9]{{4}}}}/{{path:checkpoint|tile/.+}}", log_file)


def receipt_file(record: StoredRecord, file: bytes) -> web.Response:
    """To keep, under the record's name."""
    name = f'attachment; filename="{record.record_id}.tlog-proof"'
    return web.Response(body=file, content_type=PROOF_TYPE, headers={"Content-Disposition": name})


def _json(value: object, status: int = 200) -> web.Response:
    return web.json_response(value, status=status, dumps=lambda v: json.dumps(v, ensure_ascii=False))


def _inquiry(made: Inquiry, now: datetime) -> dict[str, object]:
    delivered, answered, learnt = (
        None if moment is None else moment.isoformat() for moment in (made.delivered, made.answered, made.learnt)
    )
    return {
        "id": str(made.id),
        "kind": made.kind,
        "reason": made.reason,
        "words": made.words,
        "receiver": made.receiver,
        "filed": made.filed.isoformat(),
        "due": made.due.isoformat(),
        "state": made.state,
        "overdue": made.overdue(now),
        "delivered": delivered,
        "answered": answered,
        "learnt": learnt,
        "answer": made.answer,
    }
