"""From an exchange to what citizens are told of it: the only maker of the states that stand for "disclosed".

Bodies are outside core; here they are read, up to a limit, when a contract's rule needs them. Seeds are random and come in as a
function; everything else is decided in `core/disclosure`. Whom entries are about is settled here and now; they are made when
the message log writes them (`core/disclosure/entries.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gateway.core.disclosure import about as whom
from gateway.core.disclosure.about import About, Concern
from gateway.core.disclosure.entries import Entries
from gateway.core.disclosure.leaf import AccessEntry, make_entry
from gateway.core.disclosure.purpose import StatedPurpose, claimed_purpose
from gateway.core.disclosure.record import Access, Field, Outcome, official_pseudonym
from gateway.core.errors import MalformedMessage, ServiceUnavailable
from gateway.core.messages.rest import header
from gateway.core.serverconf.access import Denial
from gateway.core.serverconf.model import ServerConf
from gateway.core.signing.xades import signature_digest
from gateway.core.subjects.kinds import Person
from gateway.exchange.content import whole
from gateway.exchange.ports import DisclosureLog
from gateway.exchange.states import (
    AnsweredRequest,
    AuthenticRequest,
    Body,
    DisclosedRefusal,
    DisclosedRequest,
    DispatchableRequest,
    ExaminedRequest,
    FailedRequest,
    RefusedRequest,
    ServiceReply,
)

NewSeed = Callable[[], bytes]

_NOTHING = StatedPurpose("", "", stated=False)


@dataclass(frozen=True, slots=True)
class Discloser:
    """`new_seed`: 32 fresh random bytes from the operating system, for one leaf."""

    log: DisclosureLog
    new_seed: NewSeed

    def request(self, examined: ExaminedRequest) -> DisclosedRequest:
        """EvidenceUnavailable when the public log is too far behind to go on with such a call."""
        concern = examined.authorized.concern
        if concern is None or not concern.about.endpoint.subjects:
            return DisclosedRequest(examined, ())
        self.log.ensure_room(concern.about.endpoint.sensitivity)
        persons = concern.about.persons
        return DisclosedRequest(examined, self._entries(examined.authorized.authentic, concern, "granted", persons))

    def refusal(self, refused: RefusedRequest) -> DisclosedRefusal:
        """Attempts are shown as well, to whom they name. EvidenceUnavailable as `request`."""
        about = refused.about
        if about is None or not about.persons:
            return DisclosedRefusal(refused, ())
        headers = refused.authentic.incoming.request.headers
        concern = Concern(about, claimed_purpose(headers, about.endpoint.purposes))
        self.log.ensure_room(about.endpoint.sensitivity)
        return DisclosedRefusal(refused, self._entries(refused.authentic, concern, "refused", about.persons))

    async def answer(self, request: DispatchableRequest, reply: ServiceReply) -> AnsweredRequest:
        """ServiceUnavailable when the contract says that persons stand in the answer and they cannot be told."""
        concern = request.authorized.concern
        if concern is None or not concern.about.endpoint.rules(in_answer=True):
            return AnsweredRequest(request, reply, ())
        try:
            body = await _content(reply.body)
            persons = whom.persons_in_answer(concern.about, reply.status, tuple(reply.headers), body)
        except MalformedMessage as e:
            told = f"Whom the service's answer is about cannot be told: {e.safe_detail}"
            raise ServiceUnavailable(told, code="invalid_response") from e
        digest = "" if reply.body is None else reply.body.digest.value.hex()
        authentic = request.authorized.authentic
        return AnsweredRequest(request, reply, self._entries(authentic, concern, "granted", persons, digest))

    def failure(self, request: DispatchableRequest) -> FailedRequest:
        """What was granted and gave nothing: a record that follows each of the request's."""
        concern = request.authorized.concern
        if concern is None or not request.disclosed.entries:
            return FailedRequest(request, ())
        authentic, entries = request.authorized.authentic, request.disclosed.entries

        def make() -> tuple[AccessEntry, ...]:
            access = _access(authentic, concern, "failed", self.log.official_key)
            return tuple(self._entry(access, e.person, e.fields[Field.RECORD]) for e in entries)

        return FailedRequest(request, Entries(len(entries), make))

    def _entries(
        self,
        authentic: AuthenticRequest,
        concern: Concern,
        outcome: Outcome,
        persons: tuple[Person, ...],
        response_hash: str = "",
    ) -> Sequence[AccessEntry]:
        if not persons:
            return ()

        def make() -> tuple[AccessEntry, ...]:
            access = _access(authentic, concern, outcome, self.log.official_key, response_hash)
            return tuple(self._entry(access, person) for person in persons)

        return Entries(len(persons), make)

    def _entry(self, access: Access, person: Person, follows: str = "") -> AccessEntry:
        return make_entry(access, person, self.log.provider, self.new_seed(), follows)


async def whom_it_is_about(authentic: AuthenticRequest, conf: ServerConf) -> About | Denial | None:
    """By the contract of the service that is called; None where there is none: no such service, a metaservice, or a server that
    declares itself to tell citizens nothing."""
    request, parts = authentic.incoming.request, authentic.incoming.parts
    owner = conf.clients.get(request.service.client)
    service = None if owner is None else owner.services.get(request.service.service_code)
    if service is None or service.contract is None:
        return None
    located = whom.locate(service.contract, request)
    if isinstance(located, Denial):
        return located
    try:
        body = await _content(parts.body) if whom.needs_body(located) else None
    except MalformedMessage as e:
        return Denial("invalid_request", f"Whom the request is about cannot be told: {e.safe_detail}")
    return whom.about(located, request, body)


async def _content(body: Body | None) -> bytes | None:
    """The whole body in memory. MalformedMessage when it is too large to be looked into."""
    if body is None:
        return None
    if body.size > whom.MOST_BYTES:
        raise MalformedMessage(f"the body is larger than {whom.MOST_BYTES} bytes")
    return await whole(body)


def _access(
    authentic: AuthenticRequest, concern: Concern, outcome: Outcome, official_key: bytes, response_hash: str = ""
) -> Access:
    incoming = authentic.incoming
    request = incoming.request
    purpose = concern.purpose or _NOTHING
    return Access(
        time=incoming.moment.now,
        consumer=str(request.client),
        service=str(request.service),
        purpose=purpose.code,
        legal_basis=purpose.legal_basis,
        official=official_pseudonym(official_key, request.client, header(request.headers, "X-Road-UserId")),
        request_hash=incoming.request_hash.hex(),
        categories=concern.about.endpoint.categories,
        outcome=outcome,
        case=header(request.headers, "X-Road-Issue") or "",
        response_hash=response_hash,
        signature_hash=signature_digest(incoming.parts.signature).hex(),
    )
