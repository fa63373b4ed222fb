"""`inquiries`: citizens' questions and complaints about their access records, delivered to the agency concerned, and its answers.

    POST /v1/inquiries        201 taken · 200 taken before, the same · 409 the id is another's · 400
    GET  /v1/answers?after=N  answers with a number above N, ascending, to inquiries that the caller delivered

The agency reads and answers them with `gateway inquiries`; `/health` says when a term has passed. Taking an inquiry is durable
before the answer goes out; both calls are accesses of the persons concerned and recorded as such.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

import asyncpg

from gateway.core.disclosure.record import print_time
from gateway.core.errors import MalformedMessage, ServiceUnavailable
from gateway.exchange.content import whole
from gateway.exchange.ports import BodySink
from gateway.exchange.states import DispatchableRequest
from gateway.ownservices.inquiry import MOST_BYTES, parse_inquiry
from gateway.storage.failures import DATABASE_ERRORS

INQUIRIES = "gateway:inquiries"
MOST_WORDS = 8000
_AT_ONCE = 20  # times the longest answer is less than what the exchange looks into for persons
_LOOK_SECONDS = 10.0
_AFTER = re.compile(r"after=([0-9]{1,18})", re.ASCII)

_TAKE = "INSERT INTO inquiry (id, receiver, sender, due, content) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING"
_TAKEN = "SELECT receiver, sender, content, received FROM inquiry WHERE id = $1"
_ANSWERS = """
SELECT a.number, a.inquiry, a.time, a.words, i.content FROM inquiry_answer a JOIN inquiry i ON i.id = a.inquiry
WHERE a.number > $1 AND i.sender = $2 AND i.receiver = $3 ORDER BY a.number LIMIT $4
"""
_LIST = """
SELECT i.id, i.receiver, i.received, i.due, i.content, a.time AS answered, a.words AS answer
FROM inquiry i LEFT JOIN inquiry_answer a ON a.inquiry = i.id WHERE $1 OR a.inquiry IS NULL ORDER BY i.due, i.id
"""
_ONE_AT_A_TIME = "SELECT pg_advisory_xact_lock(hashtext('inquiry_answer'))"
_ANSWER = """
INSERT INTO inquiry_answer (inquiry, words) SELECT id, $2 FROM inquiry WHERE id = $1 ON CONFLICT DO NOTHING RETURNING time
"""
_COUNTS = """
SELECT count(*) AS open, count(*) FILTER (WHERE due < $1) AS overdue FROM inquiry i
WHERE NOT EXISTS (SELECT FROM inquiry_answer a WHERE a.inquiry = i.id)
"""


@dataclass(frozen=True, slots=True)
class Standing:
    """Inquiries without an answer, and those of them whose term has passed."""

    open: int = 0
    overdue: int = 0


@dataclass(frozen=True, slots=True)
class ListedInquiry:
    """`content`: the delivered JSON; `answered`, `answer`: None while there is none."""

    id: UUID
    receiver: str
    received: datetime
    due: datetime
    content: str
    answered: datetime | None
    answer: str | None


@dataclass(slots=True)
class InquiryBox:
    """One server's inquiries. DATABASE_ERRORS pass through; `run` keeps `standing` up to date."""

    pool: asyncpg.Pool
    clock: Callable[[], datetime]
    standing: Standing = Standing()

    async def answer(self, request: DispatchableRequest, body: BodySink) -> int:
        """As an OwnService."""
        concern = request.authorized.concern
        match None if concern is None else concern.about.endpoint.template.text:
            case "/v1/inquiries":
                return await self._take(request, body)
            case "/v1/answers":
                return await self._answers(request, body)
        raise ServiceUnavailable("The contract of this service is not its own", code="internal_error")

    async def listed(self, *, answered: bool) -> list[ListedInquiry]:
        """What is due first comes first. `answered`: those too."""
        return [ListedInquiry(*row.values()) for row in await self.pool.fetch(_LIST, answered)]

    async def reply(self, inquiry: UUID, words: str) -> datetime | None:
        """The moment of the answer, durable; None when there is no such inquiry, or it has an answer already."""
        async with self.pool.acquire() as connection, connection.transaction():
            await connection.execute(_ONE_AT_A_TIME)
            found: datetime | None = await connection.fetchval(_ANSWER, inquiry, words)
        return found

    async def run(self) -> None:
        """Until cancelled: count what stands, for health and metrics."""
        while True:
            with contextlib.suppress(*DATABASE_ERRORS):  # the check of the message log says so already
                self.standing = await self.count()
            await asyncio.sleep(_LOOK_SECONDS)

    async def count(self) -> Standing:
        return Standing(**dict(await self.pool.fetchrow(_COUNTS, self.clock())))

    async def _take(self, request: DispatchableRequest, body: BodySink) -> int:
        rest, parts = request.incoming.request, request.incoming.parts
        concern = request.authorized.concern
        if parts.body is None or parts.body.size > MOST_BYTES:
            raise MalformedMessage("the body is not an inquiry")
        asked = parse_inquiry(await whole(parts.body))
        receiver, sender = str(rest.service.client), str(rest.client)
        if concern is None or [p.number for p in concern.about.persons] != [asked.person]:
            raise MalformedMessage("an inquiry is about one person")
        if not asked.concerns(receiver):
            raise MalformedMessage("the access was neither asked for nor answered here")
        made = await self.pool.execute(_TAKE, asked.id, receiver, sender, asked.due, asked.content)
        row = await self.pool.fetchrow(_TAKEN, asked.id)
        same = (row["receiver"], row["sender"], row["content"]) == (receiver, sender, asked.content)
        body.write(_json({"id": str(asked.id), "received": print_time(row["received"])} if same else {"status": 409}))
        return 409 if not same else 201 if made.endswith(" 1") else 200

    async def _answers(self, request: DispatchableRequest, body: BodySink) -> int:
        rest = request.incoming.request
        after = _AFTER.fullmatch(rest.query or "after=0")
        if after is None:
            raise MalformedMessage("the query is 'after=' and a number")
        values = (int(after[1]), str(rest.client), str(rest.service.client), _AT_ONCE)
        rows = await self.pool.fetch(_ANSWERS, *values)
        body.write(_json({"answers": [_answer(row) for row in rows]}))
        return 200


def _answer(row: asyncpg.Record) -> dict[str, object]:
    """With the person, by whom the exchange records that the answer went out."""
    time = row["time"].astimezone(UTC)
    told = {"number": row["number"], "inquiry": str(row["inquiry"]), "time": print_time(time), "words": row["words"]}
    return {**told, "person": json.loads(row["content"])["person"]}


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
