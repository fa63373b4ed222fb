"""From the states of an exchange to message records, sealed or not. The bytes are those that were signed, never printed anew."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias
from uuid import UUID

from gateway.core.content.finding import Finding
from gateway.core.disclosure.leaf import AccessEntry
from gateway.core.identifiers import ClientId, MemberId, SecurityServerId
from gateway.core.messagelog.record import GRANTED, MessageRecord, RecordedBody, RecordSide, refused
from gateway.core.messages.rest import RestRequest, RestResponse, parse_request, parse_response
from gateway.core.sealing.keys import DataKey
from gateway.core.sealing.records import seal_content
from gateway.core.values import quick
from gateway.exchange.states import (
    AuthenticRequest,
    AuthenticResponse,
    DisclosedRefusal,
    DisclosedRequest,
    Moment,
    SignedParts,
    SignedRequest,
    SignedResponse,
)

Recordable: TypeAlias = SignedRequest | AuthenticResponse | DisclosedRequest | DisclosedRefusal | SignedResponse


def storable(text: str) -> str:
    """Text as PostgreSQL can hold it: NUL and lone surrogates, which only a hostile peer sends, become escapes. The exact bytes are
    in the part anyway; what is looked up goes through here too."""
    if text.isascii() and text.isprintable():
        return text
    return text.encode("utf-8", "backslashreplace").decode("utf-8").replace("\x00", "\\x00")


@quick
@dataclass(frozen=True, slots=True)
class Facts:
    """What of a state is recorded. `moment`: at which this message's certificates were judged; `peer`, `decision`,
    `request_number`: as in the record. `entries`, of persons, and `findings`, on a request's content, are written in the
    transaction of the record."""

    message: RestRequest | RestResponse
    side: RecordSide
    moment: Moment
    parts: SignedParts
    peer: SecurityServerId | None = None
    decision: str | None = None
    request_number: int | None = None
    entries: Sequence[AccessEntry] = ()
    findings: tuple[Finding, ...] = ()

    @property
    def own_member(self) -> MemberId:
        """Ours in this exchange: who asks on the client's side, whose service is asked on the server's."""
        return self.message.client.member if self.side == "client" else self.message.service.client.member


def facts_of(state: Recordable) -> Facts:
    match state:
        case SignedRequest():
            received = state.received
            return Facts(received.request, "client", received.moment, state.parts)
        case AuthenticResponse():
            number = state.request.record_number
            return Facts(state.response, "client", state.moment, state.parts, request_number=number)
        case DisclosedRequest():
            findings, authentic = state.examined.findings, state.examined.authorized.authentic
            return _of_server_request(authentic, GRANTED, state.entries, findings)
        case DisclosedRefusal():
            refusal = state.refused
            return _of_server_request(refusal.authentic, refused(refusal.code), state.entries, refusal.findings)
        case SignedResponse():
            peer, number = state.request.authorized.authentic.peer, state.request.record_number
            return Facts(state.response, "server", state.moment, state.parts, peer, request_number=number)


def _of_server_request(
    authentic: AuthenticRequest, decision: str, entries: Sequence[AccessEntry], findings: tuple[Finding, ...]
) -> Facts:
    incoming = authentic.incoming
    return Facts(
        message=incoming.request,
        side="server",
        moment=incoming.moment,
        parts=incoming.parts,
        peer=authentic.peer,
        decision=decision,
        entries=entries,
        findings=findings,
    )


@dataclass(frozen=True, slots=True)
class Sealing:
    """How one record is sealed. `nonces`: RECORD_NONCES fresh random bytes."""

    key: DataKey
    nonces: bytes


def record_of(facts: Facts, uid: UUID, body: RecordedBody | None, sealing: Sealing | None = None) -> MessageRecord:
    """The record of a message whose body part has been stored as `body`."""
    message, moment, parts, peer = facts.message, facts.moment, facts.parts, facts.peer
    part = parts.part
    if sealing is not None:
        part, body = seal_content(part, body, uid, sealing.key, sealing.nonces)
    return MessageRecord(
        uid=uid,
        time=moment.now,
        side=facts.side,
        kind="response" if isinstance(message, RestResponse) else "request",
        message_id=storable(message.message_id),
        request_id=storable(message.request_id),
        client=storable(str(message.client)),
        service=storable(str(message.service)),
        peer_server=None if peer is None else storable(str(peer)),
        decision=facts.decision,
        request_number=facts.request_number,
        part=part,
        signature=parts.signature,
        hash_chain_result=parts.hash_chain_result,
        hash_chain=parts.hash_chain,
        body=body,
        conf_fingerprint=moment.trust.fingerprint,
        sealed_by=None if sealing is None else sealing.key.id,
    )


def own_client(record: MessageRecord) -> ClientId:
    """Our client in a recorded message: who asked on the client's side, whose service was asked on the server's. As the message
    itself says it; MalformedMessage when it does not parse."""
    message = parse_request(record.part) if record.kind == "request" else parse_response(record.part)
    return message.client if record.side == "client" else message.service.client
