"""Brings inquiries to the agencies that they are for and their answers back, over the exchange: signed and recorded on both sides.

An inquiry is sent until the agency's server has it (at least once; the id makes the second time harmless), answers are asked for
until there is one (what has been read is remembered in the transaction that keeps them). Both survive our end at any line: what is
to be done is read from the database each time. An agency that is away is asked less and less often; the others do not wait for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

import aiohttp
import asyncpg

from gateway.citizen.answers import MOST_BYTES, Answer, parse_answers
from gateway.citizen.fetching import Fetched, fetch
from gateway.core.errors import GatewayError, MalformedMessage, ServiceUnavailable
from gateway.core.identifiers import SubsystemId
from gateway.storage.failures import DATABASE_ERRORS

_FIRST_PAUSE, _LONGEST_PAUSE = 2.0, 300.0  # seconds
_AT_ONCE = 100
_MOST_ANSWER = 64 * 1024

_WAITING = """
SELECT o.inquiry, o.client, o.content FROM citizen_outbox o JOIN citizen_inquiry i ON i.id = o.inquiry
WHERE NOT EXISTS (SELECT FROM citizen_delivery d WHERE d.inquiry = o.inquiry) AND NOT o.client = ANY($1)
ORDER BY i.filed LIMIT $2
"""
_DELIVERED = "INSERT INTO citizen_delivery (inquiry, time, evidence) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING"
_UNANSWERED = """
SELECT o.client, coalesce((SELECT max(number) FROM citizen_answers_read r WHERE r.client = o.client), 0) AS after
FROM citizen_outbox o JOIN citizen_delivery d ON d.inquiry = o.inquiry
WHERE NOT EXISTS (SELECT FROM citizen_answer a WHERE a.inquiry = o.inquiry) AND NOT o.client = ANY($1)
GROUP BY o.client
"""
# Only of inquiries that this very agency was given: nobody answers for another.
_ANSWERED = """
INSERT INTO citizen_answer (inquiry, time, learnt, words, evidence)
SELECT $1, least(greatest($2, i.filed), $3), $3, $4, $5 FROM citizen_outbox o JOIN citizen_inquiry i ON i.id = o.inquiry
WHERE o.inquiry = $1 AND o.client = $6
ON CONFLICT DO NOTHING
"""
_READ = "INSERT INTO citizen_answers_read (client, number) VALUES ($1, $2) ON CONFLICT DO NOTHING"
_COUNTS = """
SELECT count(*) FILTER (WHERE d.inquiry IS NULL) AS waiting,
       coalesce(extract(epoch FROM $1 - min(i.filed) FILTER (WHERE d.inquiry IS NULL)), 0)::float AS oldest,
       count(*) AS open, count(*) FILTER (WHERE i.due < $1) AS overdue
FROM citizen_inquiry i JOIN citizen_outbox o ON o.inquiry = i.id LEFT JOIN citizen_delivery d ON d.inquiry = i.id
WHERE NOT EXISTS (SELECT FROM citizen_answer a WHERE a.inquiry = i.id)
"""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Exchange:
    """`url`: of a consumer's security server; `client`, `purpose`: how we ask there."""

    url: str
    client: str
    purpose: str


@dataclass(frozen=True, slots=True)
class Open:
    """Inquiries without an answer: how many in all, `waiting` for delivery (the oldest for `oldest` seconds), past their term."""

    open: int = 0
    waiting: int = 0
    oldest: float = 0.0
    overdue: int = 0


@dataclass(slots=True)
class _Rest:
    until: float = 0.0
    pause: float = _FIRST_PAUSE


@dataclass(slots=True)
class Delivery:
    """`run` it in a task of its own; `every`: seconds between two looks. `now`: monotonic seconds."""

    pool: asyncpg.Pool
    exchange: Exchange
    http: aiohttp.ClientSession
    clock: Callable[[], datetime]
    now: Callable[[], float]
    every: float
    standing: Open = Open()
    _resting: dict[str, _Rest] = field(default_factory=dict)
    _wake: asyncio.Event = field(default_factory=asyncio.Event)

    def wake(self) -> None:
        """There is something to deliver."""
        self._wake.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            self._wake.clear()
            try:
                await self.once()
            except DATABASE_ERRORS:
                _log.warning("inquiries wait: the database does not answer")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self.every):
                    await self._wake.wait()

    async def once(self) -> None:
        """Deliver what waits, read what was answered. DATABASE_ERRORS; an agency that is away is none."""
        for row in await self.pool.fetch(_WAITING, self._absent(), _AT_ONCE):
            if row["client"] not in self._absent():
                await self._with(row["client"], self._deliver(row["inquiry"], row["client"], row["content"]))
        for row in await self.pool.fetch(_UNANSWERED, self._absent()):
            await self._with(row["client"], self._collect(row["client"], row["after"]))
        self.standing = Open(**dict(await self.pool.fetchrow(_COUNTS, self.clock())))

    def _absent(self) -> Sequence[str]:
        now = self.now()
        return [client for client, rest in self._resting.items() if rest.until > now]

    async def _with(self, client: str, work: Awaitable[None]) -> None:
        try:
            await work
        except GatewayError as e:
            rest = self._resting.setdefault(client, _Rest())
            rest.until, rest.pause = self.now() + rest.pause, min(2 * rest.pause, _LONGEST_PAUSE)
            _log.warning("inquiries for %s wait: %s", client, e.safe_detail)
        else:
            self._resting.pop(client, None)

    async def _deliver(self, inquiry: UUID, client: str, content: str) -> None:
        headers = {"Content-Type": "application/json"}
        answer = await self._call("POST", client, "/v1/inquiries", _MOST_ANSWER, data=content.encode(), headers=headers)
        if answer.status not in (200, 201):
            raise ServiceUnavailable(f"the agency's server answers {answer.status}")
        # If we crash here, it is delivered again, and the agency's server knows it.
        await self.pool.execute(_DELIVERED, inquiry, self.clock(), answer.headers.get("x-road-id", ""))

    async def _collect(self, client: str, after: int) -> None:
        answer = await self._call("GET", client, f"/v1/answers?after={after}", MOST_BYTES)
        if answer.status != 200:
            raise ServiceUnavailable(f"the agency's server answers {answer.status}")
        try:
            found = parse_answers(answer.body)
        except MalformedMessage as e:
            raise ServiceUnavailable("the agency's server answers something else") from e
        if found:
            await self._keep(client, found, answer.headers.get("x-road-id", ""))

    async def _keep(self, client: str, found: Sequence[Answer], evidence: str) -> None:
        now = self.clock()
        async with self.pool.acquire() as connection, connection.transaction():
            for one in found:
                await connection.execute(_ANSWERED, one.inquiry, one.time, now, one.words, evidence, client)
            await connection.execute(_READ, client, max(one.number for one in found))

    async def _call(
        self,
        method: str,
        client: str,
        path: str,
        most: int,
        *,
        headers: Mapping[str, str] | None = None,
        **more: object,
    ) -> Fetched:
        """Of the agency's service `inquiries`. ServiceUnavailable too when a security server answers for it."""
        pieces = client.split("/")
        if len(pieces) != 4:
            raise ServiceUnavailable("a member without a subsystem offers no services")
        target = f"{self.exchange.url}/r1/{SubsystemId(*pieces).encoded()}/inquiries{path}"
        own = {"X-Road-Client": self.exchange.client, "Purpose-Code": self.exchange.purpose, **(headers or {})}
        answer = await fetch(self.http, method, target, most=most, headers=own, **more)
        if "x-road-error" in answer.headers:
            raise ServiceUnavailable("the exchange did not take place")
        return answer
