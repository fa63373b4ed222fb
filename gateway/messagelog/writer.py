"""The durable message log, as the exchange sees it. The only maker of the states that stand for "recorded".

A record is durable on return from each method: its exact bytes, the global configuration it was judged by, and for server
requests the claim of (peer server, request id), the access entries of the persons it names and what was found in its content, all
in one transaction. There is
no way to switch it off.
With a `Seal` the message part, the body and access entries are encrypted before they reach the database.
Records get their time-stamps afterwards (`stamper.py`), which is where an outage of the authorities may refuse new requests.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from typing import Protocol

import asyncpg

from gateway.core.disclosure.leaf import AccessEntry
from gateway.core.identifiers import SecurityServerId
from gateway.core.messagelog.record import RecordedBody
from gateway.core.sealing.keys import DataKey
from gateway.core.sealing.records import RECORD_NONCES
from gateway.exchange.ports import Clock
from gateway.exchange.states import (
    AnsweredRequest,
    AuthenticResponse,
    Body,
    DisclosedRefusal,
    DisclosedRequest,
    DispatchableRequest,
    FailedRequest,
    LoggedReply,
    LoggedRequest,
    LoggedResponse,
    RecordedAnswer,
    RecordedFailure,
    RecordedRefusal,
    SignedRequest,
    SignedResponse,
)
from gateway.messagelog.access import ToAttach
from gateway.messagelog.bodies import in_record, store_body
from gateway.messagelog.groupcommit import GroupCommit, LogLimits, LogStats
from gateway.messagelog.records import (
    Recordable,
    Sealing,
    facts_of,
    record_of,
)
from gateway.messagelog.sealing import Seal
from gateway.storage.uuids import new_uuid

_DEFAULT_LIMITS = LogLimits()


class Stamping(Protocol):
    def check(self) -> None:
        """EvidenceUnavailable when no new request may be recorded, because time-stamps have failed for too long."""

    async def recorded(self, number: int) -> None:
        """A record is durable. EvidenceUnavailable when the exchange may not go on without its time-stamp."""


class MessageLogWriter:
    """ClientMessageLog and ServerMessageLog on PostgreSQL. `run` must be running; `drain` before the pool is closed. `server`: in
    whose series access entries are numbered."""

    def __init__(
        self,
        pool: asyncpg.Pool,
        clock: Clock,
        server: SecurityServerId,
        limits: LogLimits = _DEFAULT_LIMITS,
        stamping: Stamping | None = None,
        seal: Seal | None = None,
    ) -> None:
        self._pool = pool
        self._seal = seal
        self._stamping = stamping
        self._limits = limits
        self._commits = GroupCommit(pool, clock, str(server), limits)
        # The group commit always finds a connection left; it would otherwise starve behind slow bodies.
        self._streams = asyncio.Semaphore(max(1, pool.get_max_size() - 2))

    async def append_request(self, request: SignedRequest) -> LoggedRequest:
        return LoggedRequest(request, await self._append_new(request))

    async def append_response(self, response: AuthenticResponse) -> LoggedResponse:
        return LoggedResponse(response, await self._append(response))

    async def append_authorized(self, request: DisclosedRequest) -> DispatchableRequest:
        return DispatchableRequest(request, await self._append_new(request))

    async def append_refused(self, request: DisclosedRefusal) -> RecordedRefusal:
        return RecordedRefusal(request, await self._append_new(request))

    async def append_found(self, answer: AnsweredRequest) -> RecordedAnswer:
        await self._append_entries(answer.request, answer.found)
        return RecordedAnswer(answer)

    async def append_failed(self, failed: FailedRequest) -> RecordedFailure:
        await self._append_entries(failed.request, failed.entries)
        return RecordedFailure(failed)

    async def append_reply(self, response: SignedResponse) -> LoggedReply:
        return LoggedReply(response, await self._append(response))

    async def run(self) -> None:
        """The group commit loop; ends after `drain`, or when cancelled (callers then get EvidenceUnavailable)."""
        await self._commits.run()

    async def drain(self) -> None:
        """Refuse new records and wait until those under way have their outcome. Call when no exchange runs any more."""
        await self._commits.drain()

    def stats(self) -> LogStats:
        return self._commits.stats()

    async def _append_new(self, state: Recordable) -> int:
        """A request. An exchange that has begun is recorded to its end; a new one may be refused."""
        if self._stamping is not None:
            self._stamping.check()
        return await self._append(state)

    async def _append(self, state: Recordable) -> int:
        facts = facts_of(state)
        body, moment = facts.parts.body, facts.moment
        key = None if self._seal is None else await self._seal.key(moment.now.date(), str(facts.own_member))
        stored = None
        if body is not None:
            stored = in_record(body, self._limits.inline_below) or await self._store(body, key)
        sealing = None if key is None else Sealing(key, os.urandom(RECORD_NONCES))
        record = record_of(facts, new_uuid(), stored, sealing)
        entries = ToAttach(record.uid, None, facts.entries, key) if facts.entries else None
        number = await self._commits.append(record, moment.trust, entries, facts.findings)
        if self._stamping is not None:
            await self._stamping.recorded(number)
        return number

    async def _append_entries(self, request: DispatchableRequest, entries: Sequence[AccessEntry]) -> None:
        if not entries:
            return
        key = None
        if self._seal is not None:
            facts = facts_of(request.disclosed)
            key = await self._seal.key(facts.moment.now.date(), str(facts.own_member))
        await self._commits.append_entries(ToAttach(None, request.record_number, entries, key))

    async def _store(self, body: Body, key: DataKey | None) -> RecordedBody:
        inline_below, patience = self._limits.inline_below, self._limits.patience
        if body.size <= inline_below:
            return await store_body(self._pool, body, inline_below=inline_below, patience=patience)
        async with self._streams:
            return await store_body(self._pool, body, inline_below=inline_below, patience=patience, key=key)
