"""From the states of an exchange to message records, sealed or not. The bytes are those that were signed, never printed anew."""

from __future__ import annotations

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
from gateway.exchange.states import (
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


def moment_of(state: Recordable) -> Moment:
    """The moment at which this message's certificates were judged."""
    match state:
        case SignedRequest():
            return state.received.moment
        case DisclosedRequest():
            return state.authorized.authentic.incoming.moment
        case DisclosedRefusal():
            return state.refused.authentic.incoming.moment
        case _:
            return state.moment


def entries_of(state: Recordable) -> tuple[AccessEntry, ...]:
    """What is written of persons in the transaction of this record."""
    return state.entries if isinstance(state, DisclosedRequest | DisclosedRefusal) else ()


def findings_of(state: Recordable) -> tuple[Finding, ...]:
    """What is written of a request's content in the transaction of its record."""
    match state:
        case DisclosedRequest():
            return state.examined.findings
        case DisclosedRefusal():
            return state.refused.findings
        case _:
            return ()


def parts_of(state: Recordable) -> SignedParts:
    match state:
        case DisclosedRequest():
            return state.authorized.authentic.incoming.parts
        case DisclosedRefusal():
            return state.refused.authentic.incoming.parts
        case _:
            return state.parts


def own_member(state: Recordable) -> MemberId:
    """Ours in this exchange: who asks on the client's side, whose service is asked on the server's."""
    match state:
        case SignedRequest():
            return state.received.request.client.member
        case AuthenticResponse():
            return state.response.client.member
        case DisclosedRequest():
            return state.authorized.authentic.incoming.request.service.client.member
        case DisclosedRefusal():
            return state.refused.authentic.incoming.request.service.client.member
        case SignedResponse():
            return state.response.service.client.member


@dataclass(frozen=True, slots=True)
class Sealing:
    """How one record is sealed. `nonces`: RECORD_NONCES fresh random bytes."""

    key: DataKey
    nonces: bytes


def record_of(state: Recordable, uid: UUID, body: RecordedBody | None, sealing: Sealing | None = None) -> MessageRecord:
    """The record of a message whose body part has been stored as `body`."""
    match state:
        case SignedRequest():
            return _record(state, uid, body, sealing, state.received.request, "client")
        case AuthenticResponse():
            return _record(state, uid, body, sealing, state.response, "client", number=state.request.record_number)
        case DisclosedRequest():
            authentic = state.authorized.authentic
            request, peer = authentic.incoming.request, authentic.peer
            return _record(state, uid, body, sealing, request, "server", peer=peer, decision=GRANTED)
        case DisclosedRefusal():
            authentic = state.refused.authentic
            request, peer = authentic.incoming.request, authentic.peer
            return _record(
                state, uid, body, sealing, request, "server", peer=peer, decision=refused(state.refused.code)
            )
        case SignedResponse():
            peer, number = state.request.authorized.authentic.peer, state.request.record_number
            return _record(state, uid, body, sealing, state.response, "server", peer=peer, number=number)


def own_client(record: MessageRecord) -> ClientId:
    """Our client in a recorded message: who asked on the client's side, whose service was asked on the server's. As the message
    itself says it; MalformedMessage when it does not parse."""
    message = parse_request(record.part) if record.kind == "request" else parse_response(record.part)
    return message.client if record.side == "client" else message.service.client


def _record(
    state: Recordable,
    uid: UUID,
    body: RecordedBody | None,
    sealing: Sealing | None,
    message: RestRequest | RestResponse,
    side: RecordSide,
    *,
    peer: SecurityServerId | None = None,
    decision: str | None = None,
    number: int | None = None,
) -> MessageRecord:
    moment, parts = moment_of(state), parts_of(state)
    part = parts.part
    if sealing is not None:
        part, body = seal_content(part, body, uid, sealing.key, sealing.nonces)
    return MessageRecord(
        uid=uid,
        time=moment.now,
        side=side,
        kind="response" if isinstance(message, RestResponse) else "request",
        message_id=storable(message.message_id),
        request_id=storable(message.request_id),
        client=storable(str(message.client)),
        service=storable(str(message.service)),
        peer_server=None if peer is None else storable(str(peer)),
        decision=decision,
        request_number=number,
        part=part,
        signature=parts.signature,
        hash_chain_result=parts.hash_chain_result,
        hash_chain=parts.hash_chain,
        body=body,
        conf_fingerprint=moment.trust.fingerprint,
        sealed_by=None if sealing is None else sealing.key.id,
    )
