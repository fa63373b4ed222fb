"""Proves recorded messages from the log alone: exact bytes, signature, and the global configuration stored beside them.

For each record:

1. The part parses as what the record says it is, and its identifiers are those of the record.
2. The body's bytes have the recorded length and SHA-512.
3. The global configuration by which it was judged is in the log (or another one was given to judge by).
4. The signature verifies at the record's time, over digests of the bytes as recorded, by the member who is to have signed:
   references or hash chain, signature value, certificate path, OCSP (the steps of `core/signing/verify.py`).
5. A response: its request is in the log, and `x-road-request-hash` is the hash of that request's bytes (reference 3.9).
6. The time-stamp (reference 4.7): over the signature value, or over the tree that leads to this signature's bytes; by an authority
   that the global configuration approved when it stamped; not of a time before the record. A record that waits for its stamp
   says so, and that is no failure.

A step that cannot be done because one before it failed has failed. Of a record whose data key was destroyed on purpose the part and
the body are gone: steps 1, 2 and 5 say so in words, and 4 is about the digests that the record and the signature still hold.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway.core.digest import Digest, DigestAlgorithm, sha512
from gateway.core.errors import GatewayError, InconsistentResponse, MalformedMessage, TimestampRejected
from gateway.core.globalconf.model import GlobalConfiguration
from gateway.core.globalconf.saved import load_saved
from gateway.core.identifiers import ClientId
from gateway.core.messagelog.record import (
    MessageRecord,
    RecordedBody,
    RecordKind,
    RecordSide,
    StoredRecord,
    UnreadableRecord,
)
from gateway.core.messagelog.remains import remaining_digests, remaining_signer
from gateway.core.messagelog.stamping import Stamp
from gateway.core.messagelog.steps import Step, Steps
from gateway.core.messages.rest import RestRequest, RestResponse, parse_request, parse_response, request_hash
from gateway.core.signing.timestamp import verify_batch_timestamp, verify_timestamp
from gateway.core.signing.verify import MessageDigests, SignerVerdicts, VerifiedSignature
from gateway.core.signing.verify import verify_message as verify_signature
from gateway.core.signing.xades import parse_signature
from gateway.messagelog.reader import MessageLogReader
from gateway.messagelog.records import storable

SHREDDED = "shredded"
_CLOCKS_DIFFER = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class RecordReport:
    number: int
    time: datetime
    side: RecordSide
    kind: RecordKind
    request_id: str
    steps: tuple[Step, ...]

    @property
    def ok(self) -> bool:
        return all(step.ok for step in self.steps)


async def verify_message(
    reader: MessageLogReader, message_id: str, conf: GlobalConfiguration | None = None
) -> list[RecordReport]:
    """One report a record with this message id, newest exchange first; empty when there is none, which proves nothing. `conf`:
    judge by this configuration instead of those that the log itself keeps. Errors of the database pass through."""
    verification = _Verification(reader, conf)
    return [await verification.report(stored) async for stored in reader.by_message_id(message_id)]


class _Verification:
    """Configurations and certificate verdicts are worked out once for all records of a run."""

    def __init__(self, reader: MessageLogReader, given: GlobalConfiguration | None) -> None:
        self._reader = reader
        self._given = given
        self._configurations: dict[str, GlobalConfiguration] = {}
        self._verdicts = SignerVerdicts()

    async def report(self, stored: StoredRecord | UnreadableRecord) -> RecordReport:
        steps = Steps()
        if isinstance(stored, StoredRecord):
            record = stored.record
            await self._readable(record, steps)
        else:
            record = stored.remains
            await self._unreadable(stored, steps)
        await self._time_stamp(stored.number, record, steps)
        return RecordReport(stored.number, record.time, record.side, record.kind, record.request_id, tuple(steps.done))

    async def _readable(self, record: MessageRecord, steps: Steps) -> None:
        message = steps.attempt(1, lambda: _parse(record))
        body = await self._hash_body(record.body, steps)
        steps.attempt(2, lambda: _check_body(record.body, body))
        conf = await self._attempt_configuration(record, steps)
        if message is None or conf is None:
            steps.fail(4, "signature not checked: a step before it failed")
        else:
            digests = MessageDigests(sha512(record.part), () if body is None else (body[1],))
            self._attempt_signature(record, digests, _signer(message), conf, steps)
        if record.kind == "response":
            await self._attempt_answers(record, message, steps)

    async def _unreadable(self, stored: UnreadableRecord, steps: Steps) -> None:
        record = stored.remains
        if not stored.shredded:
            steps.fail(1, stored.why)
            await self._attempt_configuration(record, steps)
            steps.fail(4, "signature not checked: a step before it failed")
            return
        steps.note(1, f"the message part cannot be read, {stored.why}", SHREDDED)
        if record.body is not None:
            steps.note(2, f"the body of {record.body.size} bytes was shredded with it; its SHA-512 remains", SHREDDED)
        conf = await self._attempt_configuration(record, steps)
        if conf is None:
            steps.fail(4, "signature not checked: a step before it failed")
        else:
            found = steps.attempt(4, lambda: _what_remains(record))
            if found is not None:
                self._attempt_signature(record, found[0], found[1], conf, steps)
        if record.kind == "response":
            steps.note(5, "x-road-request-hash was shredded with the message part: not compared", SHREDDED)

    async def _attempt_configuration(self, record: MessageRecord, steps: Steps) -> GlobalConfiguration | None:
        files = await self._reader.configuration(record.conf_fingerprint)
        return steps.attempt(3, lambda: self._configuration(record.conf_fingerprint, files))

    def _attempt_signature(
        self, record: MessageRecord, digests: MessageDigests, signer: ClientId, conf: GlobalConfiguration, steps: Steps
    ) -> None:
        verified = steps.attempt(4, lambda: self._signature(record, digests, signer, conf))
        for what in verified.steps if verified else ():
            steps.note(4, what)

    async def _attempt_answers(
        self, record: MessageRecord, message: RestRequest | RestResponse | None, steps: Steps
    ) -> None:
        found = await self._request_of(record)
        if isinstance(found, UnreadableRecord):
            if found.shredded:
                steps.note(5, "x-road-request-hash not compared: the request was shredded", SHREDDED)
            else:
                steps.fail(5, "x-road-request-hash not compared: the request is damaged")
            return
        request = None if found is None else found.record
        digest = None if request is None or request.body is None else await self._hash_body(request.body, steps)
        steps.attempt(5, lambda: _check_answers(message, request, digest))

    async def _time_stamp(self, number: int, record: MessageRecord, steps: Steps) -> None:
        try:
            found = await self._reader.time_stamp(number)
        except MalformedMessage as e:
            steps.fail(6, str(e), e.code)
            return
        if found is None:
            steps.note(6, "not time-stamped yet")
            return
        files = await self._reader.configuration(found.conf_fingerprint)
        steps.attempt(
            6, lambda: _check_stamp(record, found.stamp, self._configuration(found.conf_fingerprint, files)[1])
        )

    async def _hash_body(self, body: RecordedBody | None, steps: Steps) -> tuple[int, Digest] | None:
        """Length and SHA-512 of the bytes that are there, as far as they can be read."""
        if body is None:
            return None
        running, size = hashlib.sha512(), 0
        try:
            async for piece in self._reader.body(body):
                running.update(piece)
                size += len(piece)
        except GatewayError as e:
            steps.fail(2, str(e), e.code)
        return size, Digest(DigestAlgorithm.SHA512, running.digest())

    def _configuration(self, fingerprint: str, files: Mapping[str, bytes] | None) -> tuple[str, GlobalConfiguration]:
        if self._given is not None:
            return "the global configuration that was given is used", self._given
        if files is None:
            raise MalformedMessage("the global configuration of that time is not in the log")
        if fingerprint not in self._configurations:
            self._configurations[fingerprint] = load_saved(files)
        return f"global configuration {fingerprint[:16]} is in the log", self._configurations[fingerprint]

    def _signature(
        self,
        record: MessageRecord,
        digests: MessageDigests,
        signer: ClientId,
        conf: GlobalConfiguration,
    ) -> tuple[str, VerifiedSignature]:
        verified = verify_signature(
            digests,
            signature=record.signature,
            hash_chain_result=record.hash_chain_result,
            hash_chain=record.hash_chain,
            signer=signer,
            trust=conf.trust(signer.instance, record.time),
            at=record.time,
            verdicts=self._verdicts,
        )
        return f"signed by {verified.member}, as of {record.time.isoformat()}", verified

    async def _request_of(self, response: MessageRecord) -> StoredRecord | UnreadableRecord | None:
        exchange = [found async for found in self._reader.by_request_id(response.request_id)]
        return next((r for r in exchange if r.number == response.request_number and _kind(r) == "request"), None)


def _kind(found: StoredRecord | UnreadableRecord) -> RecordKind:
    return (found.record if isinstance(found, StoredRecord) else found.remains).kind


def _what_remains(record: MessageRecord) -> tuple[str, tuple[MessageDigests, ClientId]]:
    digests = remaining_digests(record)
    return "what remains: the digests that were signed", (digests, remaining_signer(record))


def _signer(message: RestRequest | RestResponse) -> ClientId:
    return message.client if isinstance(message, RestRequest) else message.service.client


def _parse(record: MessageRecord) -> tuple[str, RestRequest | RestResponse]:
    message = parse_request(record.part) if record.kind == "request" else parse_response(record.part)
    said = (message.message_id, message.request_id, str(message.client), str(message.service))
    if tuple(map(storable, said)) != (record.message_id, record.request_id, record.client, record.service):
        raise MalformedMessage("the record's identifiers are not those of the message")
    return f"a {record.kind} from {message.client} to {message.service}", message


def _check_body(recorded: RecordedBody | None, found: tuple[int, Digest] | None) -> tuple[str, None]:
    if recorded is None or found is None:
        return "no body part", None
    if found != (recorded.size, recorded.digest):
        raise MalformedMessage(f"the body's {found[0]} bytes are not the {recorded.size} bytes that were recorded")
    return f"body of {recorded.size} bytes has the recorded SHA-512", None


def _check_answers(
    message: RestRequest | RestResponse | None, request: MessageRecord | None, body: tuple[int, Digest] | None
) -> tuple[str, None]:
    if not isinstance(message, RestResponse):
        raise InconsistentResponse("not checked: the response does not parse")
    if request is None:
        raise InconsistentResponse("the request of this response is not in the log")
    expected = request_hash(request.part, None if body is None else body[1])
    if not hmac.compare_digest(message.request_hash, expected):
        raise InconsistentResponse("x-road-request-hash is not the hash of the recorded request")
    return "x-road-request-hash is the hash of the recorded request", None


def _check_stamp(record: MessageRecord, stamp: Stamp, conf: GlobalConfiguration) -> tuple[str, None]:
    if not record.signature:
        raise TimestampRejected("the time-stamp is not checked: a step before it failed")
    tsas = conf.approved_tsas(record.time)
    if stamp.chain_result is None or stamp.chain is None:
        verified = verify_timestamp(stamp.token, parse_signature(record.signature).value, tsas)
    else:
        verified = verify_batch_timestamp(stamp.token, stamp.chain_result, stamp.chain, record.signature, tsas)
    if verified.time < record.time - _CLOCKS_DIFFER:
        raise TimestampRejected("the time-stamp is older than the record")
    return (
        f"time-stamped at {verified.time.isoformat()} by '{verified.tsa.name}', serial number {verified.serial}",
        None,
    )
