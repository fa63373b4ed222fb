"""The types a message passes through. One for each *guarantee*; each is built in exactly one module.

consumer's side                               built by
  ReceivedRequest      parsed, raw bytes kept   exchange/client_side.py
  AdmittedRequest      client is ours, system authenticated   "
  RoutedRequest        provider's servers known               "
  SignedRequest        signature over every part              exchange/signing.py
  LoggedRequest        record durable                         messagelog/writer.py   <- only this may be sent
  AuthenticResponse    signed by the provider, covers all parts, answers *this* request   exchange/client_side.py
  LoggedResponse       record durable                         messagelog/writer.py   <- only this may be given out

provider's side
  IncomingRequest      parsed, raw bytes kept, TLS chain of the peer   exchange/server_side.py
  AuthenticRequest     peer server named, signature by the client's member, every part covered   "
  AuthorizedRequest | RefusedRequest            decision taken: right, whom it is about, purpose   "
  ExaminedRequest      content is what the contract demands: signed document, reason of a return   exchange/examination.py
  DisclosedRequest | DisclosedRefusal           each person named has an access entry   exchange/disclosure.py
  DispatchableRequest | RecordedRefusal         both durable, no replay   messagelog/writer.py   <- only the first is served
  FailedRequest        the service gave nothing: entries that say so    exchange/disclosure.py
  RecordedFailure      those durable                                    messagelog/writer.py
  AnsweredRequest      each person found in the answer has an entry     exchange/disclosure.py
  RecordedAnswer       those durable                                    messagelog/writer.py
  DisclosedReply       leaves promised, and in the public log where the contract demands it   transparency/outbox.py
  SignedResponse       bound to the request hash and the promise        exchange/signing.py
  LoggedReply          record durable                         messagelog/writer.py   <- only now may the signature leave
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from gateway.core.content.finding import Finding
from gateway.core.digest import Digest
from gateway.core.disclosure.about import About, Concern
from gateway.core.disclosure.leaf import AccessEntry
from gateway.core.disclosure.promise import Promise
from gateway.core.globalconf.model import GlobalConfiguration, SecurityServer
from gateway.core.identifiers import SecurityServerId
from gateway.core.messages.rest import RestRequest, RestResponse
from gateway.core.serverconf.access import Grant
from gateway.core.serverconf.model import Client, Service
from gateway.core.signing.verify import VerifiedSignature
from gateway.core.values import quick


class Body(Protocol):
    """A complete message body outside core: in memory when small, spooled to a file when large.

    `digest` is SHA-512 over exactly the bytes that `chunks()` yields, however often it is called.
    """

    @property
    def digest(self) -> Digest: ...

    @property
    def size(self) -> int: ...

    @property
    def inline(self) -> bytes | None:
        """All bytes when they are in memory, None when they are spooled."""

    def chunks(self) -> AsyncIterator[bytes]: ...


@quick
@dataclass(frozen=True, slots=True)
class Moment:
    """Taken once for one side of an exchange: the time (UTC) and the global configuration in force."""

    now: datetime
    trust: GlobalConfiguration


@quick
@dataclass(frozen=True, slots=True)
class InformationSystem:
    """How the caller connected: TLS or not, and the DER of its client certificate if it showed one."""

    tls: bool
    certificate: bytes | None


@quick
@dataclass(frozen=True, slots=True)
class SignedParts:
    """A whole message as it is signed, sent and logged: exact bytes of each part (reference 3.7)."""

    part: bytes
    body: Body | None
    signature: bytes
    hash_chain_result: bytes | None
    hash_chain: bytes | None


# --- consumer's side -----------------------------------------------------------------------------------------------


@quick
@dataclass(frozen=True, slots=True)
class ReceivedRequest:
    moment: Moment
    request: RestRequest
    body: Body | None


@quick
@dataclass(frozen=True, slots=True)
class AdmittedRequest:
    received: ReceivedRequest
    client: Client


@quick
@dataclass(frozen=True, slots=True)
class RoutedRequest:
    """`servers`: where the provider can be reached, never empty, maintenance excluded."""

    admitted: AdmittedRequest
    servers: tuple[SecurityServer, ...]

    @property
    def received(self) -> ReceivedRequest:
        return self.admitted.received


@quick
@dataclass(frozen=True, slots=True)
class SignedRequest:
    routed: RoutedRequest
    parts: SignedParts

    @property
    def received(self) -> ReceivedRequest:
        return self.routed.received


@quick
@dataclass(frozen=True, slots=True)
class LoggedRequest:
    signed: SignedRequest
    record_number: int


@quick
@dataclass(frozen=True, slots=True)
class AuthenticResponse:
    request: LoggedRequest
    response: RestResponse
    parts: SignedParts
    signer: VerifiedSignature
    moment: Moment


@quick
@dataclass(frozen=True, slots=True)
class LoggedResponse:
    authentic: AuthenticResponse
    record_number: int


# --- provider's side -----------------------------------------------------------------------------------------------


@quick
@dataclass(frozen=True, slots=True)
class IncomingRequest:
    """`peer_chain`: DER certificates the peer showed in its TLS handshake, leaf first. `request_hash`: 64 raw bytes that bind the
    answer to this request, and access records too."""

    moment: Moment
    request: RestRequest
    parts: SignedParts
    peer_chain: tuple[bytes, ...]
    request_hash: bytes


@quick
@dataclass(frozen=True, slots=True)
class AuthenticRequest:
    incoming: IncomingRequest
    peer: SecurityServerId
    signer: VerifiedSignature


@quick
@dataclass(frozen=True, slots=True)
class AuthorizedRequest:
    """`concern`: None when nothing is declared of the call: a metaservice, or a server that tells citizens nothing."""

    authentic: AuthenticRequest
    service: Service | None  # None: a metaservice, answered by the security server itself
    grant: Grant
    concern: Concern | None


@quick
@dataclass(frozen=True, slots=True)
class RefusedRequest:
    """`code`, `reason`: what the consumer is told; `about`: whom it named, as far as that can be told. `findings`: on its content,
    when it came to that."""

    authentic: AuthenticRequest
    code: str
    reason: str
    about: About | None
    findings: tuple[Finding, ...] = ()


@quick
@dataclass(frozen=True, slots=True)
class ExaminedRequest:
    """`findings`: on its content, good and tolerated ones."""

    authorized: AuthorizedRequest
    findings: tuple[Finding, ...]


@quick
@dataclass(frozen=True, slots=True)
class DisclosedRequest:
    """`entries` and the findings: written in the transaction of the message record, or none is. Entries may still have to be made
    (`core/disclosure/entries.py`): how many they are and whom they are about is settled."""

    examined: ExaminedRequest
    entries: Sequence[AccessEntry]

    @property
    def authorized(self) -> AuthorizedRequest:
        return self.examined.authorized


@quick
@dataclass(frozen=True, slots=True)
class DisclosedRefusal:
    refused: RefusedRequest
    entries: Sequence[AccessEntry]


@quick
@dataclass(frozen=True, slots=True)
class DispatchableRequest:
    disclosed: DisclosedRequest
    record_number: int

    @property
    def authorized(self) -> AuthorizedRequest:
        return self.disclosed.authorized

    @property
    def incoming(self) -> IncomingRequest:
        return self.authorized.authentic.incoming


@quick
@dataclass(frozen=True, slots=True)
class RecordedRefusal:
    disclosed: DisclosedRefusal
    record_number: int


@quick
@dataclass(frozen=True, slots=True)
class ServiceReply:
    """What the service (or a metaservice) answered. `headers`: names and values as received, Latin-1 decoded."""

    status: int
    reason: str
    headers: Sequence[tuple[str, str]]
    body: Body | None


@quick
@dataclass(frozen=True, slots=True)
class FailedRequest:
    request: DispatchableRequest
    entries: Sequence[AccessEntry]


@quick
@dataclass(frozen=True, slots=True)
class RecordedFailure:
    failed: FailedRequest


@quick
@dataclass(frozen=True, slots=True)
class AnsweredRequest:
    """`found`: entries of the persons found only in the answer."""

    request: DispatchableRequest
    reply: ServiceReply
    found: Sequence[AccessEntry]


@quick
@dataclass(frozen=True, slots=True)
class RecordedAnswer:
    answered: AnsweredRequest

    @property
    def entries(self) -> tuple[AccessEntry, ...]:
        """All of the exchange: of persons named, then of persons found."""
        return (*self.answered.request.disclosed.entries, *self.answered.found)


@quick
@dataclass(frozen=True, slots=True)
class DisclosedReply:
    """`promise`: None when the exchange is about nobody."""

    recorded: RecordedAnswer
    promise: Promise | None

    @property
    def request(self) -> DispatchableRequest:
        return self.recorded.answered.request

    @property
    def reply(self) -> ServiceReply:
        return self.recorded.answered.reply


@quick
@dataclass(frozen=True, slots=True)
class SignedResponse:
    disclosed: DisclosedReply
    response: RestResponse
    parts: SignedParts
    moment: Moment

    @property
    def request(self) -> DispatchableRequest:
        return self.disclosed.request


@quick
@dataclass(frozen=True, slots=True)
class LoggedReply:
    signed: SignedResponse
    record_number: int
