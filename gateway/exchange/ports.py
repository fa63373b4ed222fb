"""What an exchange asks of the world. Small protocols that belong to the caller; each docstring is the contract that
`tests/contract` holds every implementation to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from gateway.core.content.finding import Finding
from gateway.core.disclosure.contract import Sensitivity
from gateway.core.documents.revocation import KnownRevocations, Link
from gateway.core.framing.transport import TransportMessage
from gateway.core.globalconf.model import GlobalConfiguration
from gateway.core.identifiers import MemberId
from gateway.core.serverconf.model import ServerConf
from gateway.core.signing.xades import SigningCredential
from gateway.core.values import quick
from gateway.exchange.states import (
    AnsweredRequest,
    AuthenticResponse,
    Body,
    DisclosedRefusal,
    DisclosedReply,
    DisclosedRequest,
    DispatchableRequest,
    FailedRequest,
    LoggedReply,
    LoggedRequest,
    LoggedResponse,
    RecordedAnswer,
    RecordedFailure,
    RecordedRefusal,
    ServiceReply,
    SignedRequest,
    SignedResponse,
)

Side = Literal["client", "server"]


class BodySink(Protocol):
    """Takes one body in pieces, hashing it; spools it to a file when it grows large."""

    def write(self, data: bytes) -> None:
        """MalformedMessage (`invalid_body`) when the body grows over its limit."""

    def finish(self) -> Body:
        """The complete body; the sink is spent."""

    def abandon(self) -> None:
        """Forget what came so far. Harmless after `finish`."""


class Clock(Protocol):
    def __call__(self) -> datetime:
        """Now, in UTC, with time zone."""


class GlobalConf(Protocol):
    def current(self) -> GlobalConfiguration:
        """The immutable configuration in force, expired or not (the exchange asks it); TrustOutdated when there is none."""


class ServerConfSource(Protocol):
    def current(self) -> ServerConf:
        """The immutable server configuration in force."""


class Signer(Protocol):
    def credential(self, member: MemberId, now: datetime) -> SigningCredential:
        """The member's active signing certificate with a fresh OCSP answer; KeyTokenError when there is none."""

    async def sign(self, credential: SigningCredential, signed_info: bytes) -> bytes:
        """Sign the canonical SignedInfo *bytes*; refuses anything else. Returns the XML-DSig signature value (ECDSA: raw r‖s).
        KeyTokenError when the token cannot."""


class ClientMessageLog(Protocol):
    async def append_request(self, request: SignedRequest) -> LoggedRequest:
        """Return once the record is durable; EvidenceUnavailable otherwise."""

    async def append_response(self, response: AuthenticResponse) -> LoggedResponse:
        """Return once the record is durable; EvidenceUnavailable otherwise."""


class ServerMessageLog(Protocol):
    """Access entries get the next numbers of this server, without gaps, in the order of writing; they are written in the one
    transaction of what they belong to, or not at all."""

    async def append_authorized(self, request: DisclosedRequest) -> DispatchableRequest:
        """Return once the record, its access entries, what was found in its content *and* the claim of (peer server, request id)
        are durable, in one transaction. ReplayedRequest when that pair was claimed before (then nothing is written);
        EvidenceUnavailable otherwise.
        The claim survives restarts and is shared by servers that share the store."""

    async def append_refused(self, request: DisclosedRefusal) -> RecordedRefusal:
        """As `append_authorized`, for a request that will not be served."""

    async def append_found(self, answer: AnsweredRequest) -> RecordedAnswer:
        """Return once the entries of persons found in the answer are durable; EvidenceUnavailable otherwise."""

    async def append_failed(self, failed: FailedRequest) -> RecordedFailure:
        """Return once the entries are durable that say that the service gave nothing; EvidenceUnavailable otherwise."""

    async def append_reply(self, response: SignedResponse) -> LoggedReply:
        """Return once the record is durable; EvidenceUnavailable otherwise."""


class Revocations(Protocol):
    """Which certificates of document signers were revoked: fetched ahead of time, so that no exchange waits for an authority."""

    def current(self) -> KnownRevocations:
        """What is known now: one immutable value."""

    def want(self, links: Sequence[Link]) -> None:
        """Somebody showed these certificates, of which nothing is known. Returns at once; finding out takes its time."""


class DisclosureLog(Protocol):
    """The public log of accesses, as far as an exchange has to do with it. Entries reach it later, from the message log's store."""

    @property
    def provider(self) -> int:
        """This provider's public number."""

    @property
    def official_key(self) -> bytes:
        """Secret of 32 bytes that makes pseudonyms of officials; the same for the life of the provider."""

    def ensure_room(self, sensitivity: Sensitivity) -> None:
        """Return at once when a call about persons may go on; EvidenceUnavailable when entries have waited too long, or too many
        wait, for the policy of this server."""

    async def release(self, answer: RecordedAnswer) -> DisclosedReply:
        """Promise the exchange's leaves to the consumer; where the contract demands it, return only when they are in the public
        log. EvidenceUnavailable otherwise."""


@quick
@dataclass(frozen=True, slots=True)
class PeerReply:
    """`message` as decoded, `body` already complete. A fault stands in `message.fault`."""

    message: TransportMessage
    body: Body | None


class Peer(Protocol):
    async def send(self, request: LoggedRequest) -> PeerReply:
        """Deliver to one of the request's servers, each authenticated before the first byte; another address is tried only
        while nothing of the message was sent. PeerUnavailable, PeerRejected, PeerFault or MalformedMessage."""


class ServicePort(Protocol):
    async def call(self, request: DispatchableRequest) -> ServiceReply:
        """Call the provider's information system once, no retries, no redirects, no cookies, within the service's time-out.
        ServiceUnavailable with the X-Road code for what went wrong."""


@quick
@dataclass(frozen=True, slots=True)
class ExchangeSummary:
    """One finished exchange. Identifiers of organisations and messages only: nothing about a person. `findings`: on the content of
    a request, on the provider's side. `stages`: each one's name and seconds, in order; a failure fell into the last."""

    side: Side
    outcome: str  # "ok" or the full error code
    client: str
    service: str
    message_id: str
    request_id: str
    status: int | None
    request_bytes: int
    response_bytes: int
    seconds: float
    stages: tuple[tuple[str, float], ...] = ()
    findings: tuple[Finding, ...] = ()


class Observer(Protocol):
    def finished(self, summary: ExchangeSummary) -> None:
        """The exchange ended, well or not; called exactly once. Must not raise and must not block."""
