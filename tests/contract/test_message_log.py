"""What both log ports promise (gateway/exchange/ports.py), held against every implementation."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import pytest
import pytest_asyncio

from gateway.core.content.finding import Finding, Policy
from gateway.core.digest import sha512
from gateway.core.errors import ReplayedRequest
from gateway.core.messagelog.record import StoredRecord
from gateway.exchange.ports import ClientMessageLog, ServerMessageLog
from gateway.exchange.states import (
    AuthenticResponse,
    Body,
    DisclosedRefusal,
    DisclosedRequest,
    SignedRequest,
    SignedResponse,
)
from gateway.messagelog.keysource import KeySource
from gateway.messagelog.reader import MessageLogReader
from gateway.messagelog.sealing import Seal
from gateway.messagelog.writer import MessageLogWriter
from gateway.storage.database import Database
from gateway.transport.spool import InlineBody
from tests.support.entries import StoredEntry, stored_entries
from tests.support.log_states import (
    CONF,
    NOW,
    OTHER_PEER,
    SERVER,
    PatternBody,
    access_entries,
    answered_request,
    authentic_response,
    authorized_request,
    failed_request,
    refused_request,
    signed_request,
    signed_response,
)
from tests.support.memory_log import MemoryMessageLog
from tests.support.sealing import key_source

PERSON = "VN/GOV/G01/dancu/person"
DOCUMENT = Finding("document", Policy.BLOCK, "unsigned", "99901", refuse=True)
RETURN = Finding("return", Policy.BLOCK, "good", "MISMATCH", refuse=False)


class BothLogs(ClientMessageLog, ServerMessageLog, Protocol):
    pass


@dataclass(frozen=True)
class Subject:
    """An implementation, and how a test finds what it recorded, in order."""

    log: BothLogs
    recorded: Callable[[str], Awaitable[Sequence[StoredRecord]]]
    body: Callable[[StoredRecord], Awaitable[bytes]]
    configuration: Callable[[str], Awaitable[object]]
    entries: Callable[[], Awaitable[Sequence[StoredEntry]]]
    findings: Callable[[], Awaitable[Sequence[tuple[int, Finding]]]]


@pytest_asyncio.fixture(params=["memory", "postgresql", "sealed"])
async def subject(request: pytest.FixtureRequest, database: Database) -> AsyncIterator[Subject]:
    if request.param == "memory":
        yield _in_memory(MemoryMessageLog())
        return
    keys = key_source() if request.param == "sealed" else None
    seal = None if keys is None else Seal(database.pool, keys)
    writer = MessageLogWriter(database.pool, lambda: NOW, SERVER, seal=seal)
    reader = MessageLogReader(database.pool, keys)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(writer.run())
        yield _on_postgresql(writer, reader, database, keys)
        await writer.drain()


def _in_memory(log: MemoryMessageLog) -> Subject:
    async def recorded(message_id: str) -> Sequence[StoredRecord]:
        return [s for s in log.records if s.record.message_id == message_id]

    async def body(stored: StoredRecord) -> bytes:
        assert stored.record.body is not None
        return stored.record.body.inline or b""

    async def configuration(fingerprint: str) -> object:
        return log.configurations[fingerprint].files

    async def entries() -> Sequence[StoredEntry]:
        return log.entries

    async def findings() -> Sequence[tuple[int, Finding]]:
        return log.findings

    return Subject(log, recorded, body, configuration, entries, findings)


def _on_postgresql(
    writer: MessageLogWriter, reader: MessageLogReader, database: Database, keys: KeySource | None
) -> Subject:
    async def recorded(message_id: str) -> Sequence[StoredRecord]:
        found = [s async for s in reader.by_message_id(message_id)]
        return sorted((s for s in found if isinstance(s, StoredRecord)), key=lambda s: s.number)

    async def body(stored: StoredRecord) -> bytes:
        assert stored.record.body is not None
        return b"".join([piece async for piece in reader.body(stored.record.body)])

    async def entries() -> Sequence[StoredEntry]:
        return await stored_entries(database.pool, keys)

    async def findings() -> Sequence[tuple[int, Finding]]:
        rows = await database.pool.fetch("SELECT * FROM content_finding ORDER BY message_number, rule")
        assert all((r["time"], r["client"], r["service"]) == (NOW, "VN/GOV/G22/dvc", PERSON) for r in rows)
        return [
            (r["message_number"], Finding(r["rule"], Policy(r["policy"]), r["cause"], r["subject"], r["refused"]))
            for r in rows
        ]

    return Subject(writer, recorded, body, reader.configuration, entries, findings)


async def test_the_four_points_of_an_exchange(subject: Subject) -> None:
    sent: SignedRequest = signed_request(message_id="m-1")
    logged = await subject.log.append_request(sent)
    answer: AuthenticResponse = authentic_response(logged)
    given = await subject.log.append_response(answer)
    taken: DisclosedRequest = authorized_request(message_id="m-1")
    dispatchable = await subject.log.append_authorized(taken)
    reply: SignedResponse = signed_response(dispatchable)
    leaving = await subject.log.append_reply(reply)

    assert (logged.signed, given.authentic, dispatchable.disclosed, leaving.signed) == (sent, answer, taken, reply)
    records = await subject.recorded("m-1")
    numbers = [logged.record_number, given.record_number, dispatchable.record_number, leaving.record_number]
    assert [s.number for s in records] == numbers == sorted(set(numbers))
    facts = [
        (r.side, r.kind, r.request_id, r.peer_server, r.decision, r.request_number) for r in (s.record for s in records)
    ]
    ours, theirs = sent.received.request.request_id, taken.authorized.authentic.incoming.request.request_id
    assert facts == [
        ("client", "request", ours, None, None, None),
        ("client", "response", ours, None, None, numbers[0]),
        ("server", "request", theirs, "VN/GOV/G22/ss1", "granted", None),
        ("server", "response", theirs, "VN/GOV/G22/ss1", None, numbers[2]),
    ]
    for stored, parts in zip(
        records, (sent.parts, answer.parts, taken.authorized.authentic.incoming.parts, reply.parts), strict=True
    ):
        record = stored.record
        assert (record.part, record.signature) == (parts.part, parts.signature)
        assert (record.hash_chain_result, record.hash_chain) == (parts.hash_chain_result, parts.hash_chain)
        assert (record.time, record.conf_fingerprint) == (NOW, CONF.fingerprint)
        assert (record.client, record.service) == ("VN/GOV/G22/dvc", "VN/GOV/G01/dancu/person")
    assert await subject.configuration(CONF.fingerprint) == CONF.files


async def test_a_refusal_is_recorded_with_its_code(subject: Subject) -> None:
    refused: DisclosedRefusal = refused_request()
    recorded = await subject.log.append_refused(refused)
    assert recorded.disclosed == refused
    (stored,) = await subject.recorded("message")
    assert (stored.number, stored.record.decision) == (recorded.record_number, "refused:access_denied")


@pytest.mark.parametrize(
    ("body", "content"),
    [
        (None, None),
        (InlineBody(b""), b""),
        (InlineBody(b"\x00 small \xff"), b"\x00 small \xff"),
        (PatternBody(70_000), PatternBody(70_000).whole()),
        (PatternBody(3 * (1 << 20) + 5), PatternBody(3 * (1 << 20) + 5).whole()),
        (PatternBody(2 << 20), PatternBody(2 << 20).whole()),
    ],
    ids=["none", "empty", "inline", "spooled", "pieces", "whole pieces"],
)
async def test_bodies(subject: Subject, body: Body | None, content: bytes | None) -> None:
    await subject.log.append_request(signed_request(body=body))
    (stored,) = await subject.recorded("message")
    if content is None:
        assert stored.record.body is None  # no body part is not an empty one (reference 3.9)
        return
    assert stored.record.body is not None
    assert (stored.record.body.size, stored.record.body.digest) == (len(content), sha512(content))
    assert await subject.body(stored) == content


@pytest.mark.parametrize("first", [authorized_request, refused_request])
@pytest.mark.parametrize("second", [authorized_request, refused_request])
async def test_a_request_is_accepted_once(
    subject: Subject,
    first: Callable[[str], DisclosedRequest | DisclosedRefusal],
    second: Callable[[str], DisclosedRequest | DisclosedRefusal],
) -> None:
    id = str(uuid.uuid4())
    await _append(subject, first(id))
    with pytest.raises(ReplayedRequest) as caught:
        await _append(subject, second(id))
    assert caught.value.code == "replayed_request"
    assert len(await subject.recorded("message")) == 1  # a replay leaves nothing


async def _append(subject: Subject, request: DisclosedRequest | DisclosedRefusal) -> object:
    if isinstance(request, DisclosedRequest):
        return await subject.log.append_authorized(request)
    return await subject.log.append_refused(request)


async def test_of_simultaneous_copies_one_is_accepted(subject: Subject) -> None:
    id = str(uuid.uuid4())
    copies = [subject.log.append_authorized(authorized_request(id)) for _ in range(20)]
    outcomes = await asyncio.gather(*copies, return_exceptions=True)
    assert sum(isinstance(o, ReplayedRequest) for o in outcomes) == 19
    assert len(await subject.recorded("message")) == 1


async def test_the_claim_is_the_pair_of_peer_and_request_id(subject: Subject) -> None:
    await subject.log.append_authorized(authorized_request("same"))
    await subject.log.append_authorized(authorized_request("same", peer=OTHER_PEER))
    await subject.log.append_authorized(authorized_request("other"))  # the message id repeats, as it may
    assert len(await subject.recorded("message")) == 3


async def test_the_consumers_side_claims_nothing(subject: Subject) -> None:
    request = signed_request()
    await subject.log.append_request(request)
    await subject.log.append_request(request)
    assert len(await subject.recorded("message")) == 2


@pytest.mark.parametrize("hostile", ["a\x00b", "\x00", "\ud800", "a" * 255, "\U0001f600' OR 1=1 --", "\\x00"])
async def test_hostile_message_ids_harm_nobody(subject: Subject, hostile: str) -> None:
    together = [subject.log.append_authorized(authorized_request(message_id=id)) for id in ("m", hostile, "m")]
    accepted = await asyncio.gather(*together)
    assert len({a.record_number for a in accepted}) == 3
    assert len(await subject.recorded("m")) == 2


async def test_many_at_once_are_all_there(subject: Subject) -> None:
    logged = await asyncio.gather(*(subject.log.append_request(signed_request()) for _ in range(300)))
    numbers = sorted(entry.record_number for entry in logged)
    assert len(set(numbers)) == 300
    assert [s.number for s in await subject.recorded("message")] == numbers


# --- access entries -------------------------------------------------------------------------------------------------------


async def test_entries_are_written_with_their_record(subject: Subject) -> None:
    named, attempt = access_entries("999300000017", "999204000058"), access_entries("999173000034", outcome="refused")
    dispatchable = await subject.log.append_authorized(authorized_request(entries=named))
    refusal = await subject.log.append_refused(refused_request(entries=attempt))
    found = access_entries("999070000015")
    answer = answered_request(dispatchable, found=found)
    assert (await subject.log.append_found(answer)).answered is answer
    failure = failed_request(dispatchable, access_entries("999300000017", outcome="failed", follows="x"))
    assert (await subject.log.append_failed(failure)).failed is failure

    stored = await subject.entries()
    assert [s.number for s in stored] == [1, 2, 3, 4, 5]
    assert [s.entry for s in stored] == [*named, *attempt, *found, *failure.entries]
    of_request, of_refusal = dispatchable.record_number, refusal.record_number
    assert [s.message_number for s in stored] == [of_request, of_request, of_refusal, of_request, of_request]
    assert {s.server for s in stored} == {str(SERVER)}


async def test_nothing_found_writes_nothing(subject: Subject) -> None:
    dispatchable = await subject.log.append_authorized(authorized_request())
    await subject.log.append_found(answered_request(dispatchable))
    await subject.log.append_failed(failed_request(dispatchable, ()))
    assert await subject.entries() == []


async def test_a_replay_takes_no_number(subject: Subject) -> None:
    id = str(uuid.uuid4())
    requests = [authorized_request(id, entries=access_entries("999300000017")) for _ in range(5)]
    outcomes = await asyncio.gather(*(subject.log.append_authorized(r) for r in requests), return_exceptions=True)
    assert sum(isinstance(o, ReplayedRequest) for o in outcomes) == 4
    await subject.log.append_refused(refused_request(entries=access_entries("999204000058")))
    assert [s.number for s in await subject.entries()] == [1, 2]


async def test_many_at_once_have_every_number_once(subject: Subject) -> None:
    async def exchange(n: int) -> None:
        entries = access_entries(*(f"9993000{i:05}" for i in range(n % 3)))
        dispatchable = await subject.log.append_authorized(authorized_request(entries=entries))
        await subject.log.append_found(answered_request(dispatchable, found=access_entries("999204000058")))

    await asyncio.gather(*(exchange(n) for n in range(60)))
    assert [s.number for s in await subject.entries()] == list(range(1, 121))


async def test_findings_are_written_with_their_record(subject: Subject) -> None:
    granted = await subject.log.append_authorized(
        authorized_request(findings=(DOCUMENT, RETURN), entries=access_entries("999300000017"))
    )
    refused = await subject.log.append_refused(refused_request(findings=(DOCUMENT,)))
    await subject.log.append_refused(refused_request())
    numbers = granted.record_number, refused.record_number
    assert await subject.findings() == [(numbers[0], DOCUMENT), (numbers[0], RETURN), (numbers[1], DOCUMENT)]


async def test_a_replay_leaves_no_findings(subject: Subject) -> None:
    id = str(uuid.uuid4())
    await subject.log.append_authorized(authorized_request(id))
    with pytest.raises(ReplayedRequest):
        await subject.log.append_refused(refused_request(id, findings=(DOCUMENT,)))
    assert await subject.findings() == []


async def test_findings_of_many_at_once(subject: Subject) -> None:
    async def exchange(n: int) -> None:
        found = (DOCUMENT,) if n % 2 else ()
        entries = access_entries("999300000017") if n % 3 else ()
        await subject.log.append_authorized(authorized_request(findings=found, entries=entries))

    await asyncio.gather(*(exchange(n) for n in range(40)))
    assert len({number for number, _ in await subject.findings()}) == 20
