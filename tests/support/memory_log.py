"""An in-memory message log for tests, both ports. It keeps everything, so that a test can look at what was recorded."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import uuid4

from gateway.core.content.finding import Finding
from gateway.core.disclosure.leaf import AccessEntry
from gateway.core.errors import ReplayedRequest
from gateway.core.globalconf.model import GlobalConfiguration
from gateway.core.messagelog.record import MessageRecord, RecordedBody, StoredRecord
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
from gateway.messagelog.records import Recordable, facts_of, record_of
from tests.support.entries import StoredEntry


class MemoryMessageLog:
    """`records`, access `entries` and `findings` (by record number) in order, `configurations` by fingerprint, `claims` used up.
    Bodies stand in the record."""

    def __init__(self, server: str = "VN/GOV/G01/ss1") -> None:
        self._server = server
        self.records: list[StoredRecord] = []
        self.entries: list[StoredEntry] = []
        self.findings: list[tuple[int, Finding]] = []
        self.configurations: dict[str, GlobalConfiguration] = {}
        self.claims: set[tuple[str, str]] = set()

    async def append_request(self, request: SignedRequest) -> LoggedRequest:
        return LoggedRequest(request, await self._append(request))

    async def append_response(self, response: AuthenticResponse) -> LoggedResponse:
        return LoggedResponse(response, await self._append(response))

    async def append_authorized(self, request: DisclosedRequest) -> DispatchableRequest:
        return DispatchableRequest(request, await self._append(request))

    async def append_refused(self, request: DisclosedRefusal) -> RecordedRefusal:
        return RecordedRefusal(request, await self._append(request))

    async def append_found(self, answer: AnsweredRequest) -> RecordedAnswer:
        self._number(answer.request.record_number, answer.found)
        return RecordedAnswer(answer)

    async def append_failed(self, failed: FailedRequest) -> RecordedFailure:
        self._number(failed.request.record_number, failed.entries)
        return RecordedFailure(failed)

    async def append_reply(self, response: SignedResponse) -> LoggedReply:
        return LoggedReply(response, await self._append(response))

    def find(self, message_id: str) -> list[MessageRecord]:
        return [stored.record for stored in self.records if stored.record.message_id == message_id]

    async def _append(self, state: Recordable) -> int:
        facts = facts_of(state)
        record = record_of(facts, uuid4(), await _recorded(facts.parts.body))
        if record.claim is not None:
            if record.claim in self.claims:
                raise ReplayedRequest("This request was already accepted once")
            self.claims.add(record.claim)
        conf = facts.moment.trust
        self.configurations[conf.fingerprint] = conf
        self.records.append(StoredRecord(len(self.records) + 1, record))
        self._number(self.records[-1].number, facts.entries)
        self.findings += ((self.records[-1].number, finding) for finding in facts.findings)
        return self.records[-1].number

    def _number(self, message: int, entries: Sequence[AccessEntry]) -> None:
        for entry in entries:
            self.entries.append(StoredEntry(self._server, len(self.entries) + 1, message, entry))


async def _recorded(body: Body | None) -> RecordedBody | None:
    if body is None:
        return None
    data = b"".join([piece async for piece in body.chunks()])
    return RecordedBody(len(data), body.digest, data, None)
