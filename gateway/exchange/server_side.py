"""The provider's side of one exchange, in order (architecture, section 4; reference 3.10).

 1  one moment: time and global configuration, taken once; an expired configuration stops here
 2  the received bytes become a request; they are kept and never written anew
 3  which registered security server is this? its certificate, OCSP answers, registration for the client
 4  verify: the client's member signed, and every part is covered    -- before authorising, so that a refusal is evidence
 5  whom is it about? by the service's contract; what cannot be told is refused
 6  decide: may this client call this, for this purpose? grant or refusal
 7  examine: does the content hold what its contract demands, a signed document, the reason of a return? go on or refusal
 8  disclose: an access entry for each person named                   -- refusals too: attempts matter
 9  record, entries and findings, durable in one transaction with the claim of (server, request id)
                                                                       -- refusals too; a replay ends here
10  call the service; who stands in its answer?     -- only what is granted, examined, disclosed and recorded gets here
11  entries for the persons found in the answer, or for a failure, durable; the promise of all leaves
12  the answer becomes a response part, bound to the request by its hash, with the promise and warnings of step 7
13  sign
14  record, durable          -- no signature has left before this line
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.core.content.notice import with_notice
from gateway.core.digest import sha512
from gateway.core.disclosure.about import About, Concern
from gateway.core.disclosure.promise import with_promise
from gateway.core.disclosure.purpose import decide_purpose
from gateway.core.errors import (
    AccessDenied,
    AuthenticationFailed,
    GatewayError,
    MalformedMessage,
    ServiceUnavailable,
    UnknownSubject,
)
from gateway.core.framing.transport import MessageKind, TransportMessage
from gateway.core.messages.rest import RestRequest, build_response, parse_request, request_hash
from gateway.core.serverconf.access import Denial, Grant, decide_access
from gateway.core.serverconf.metaservices import METASERVICES
from gateway.core.serverconf.model import ClientStatus, ServerConf
from gateway.core.signing.verify import MessageDigests, SignerVerdicts, verify_message
from gateway.core.values import quick
from gateway.exchange.batching import SigningBatches
from gateway.exchange.blame import within
from gateway.exchange.disclosure import Discloser, NewSeed, whom_it_is_about
from gateway.exchange.examination import examine
from gateway.exchange.observation import Watch
from gateway.exchange.peers import PeerVerdicts, as_peer_failure
from gateway.exchange.ports import (
    Clock,
    DisclosureLog,
    GlobalConf,
    Observer,
    Revocations,
    ServerConfSource,
    ServerMessageLog,
    ServicePort,
    Signer,
)
from gateway.exchange.signing import sign_response
from gateway.exchange.states import (
    AnsweredRequest,
    AuthenticRequest,
    AuthorizedRequest,
    Body,
    DisclosedReply,
    DispatchableRequest,
    ExaminedRequest,
    IncomingRequest,
    LoggedReply,
    Moment,
    RefusedRequest,
    SignedParts,
    SignedResponse,
)


@dataclass(frozen=True, slots=True)
class ServerSide:
    """The ports of the provider's side."""

    clock: Clock
    globalconf: GlobalConf
    serverconf: ServerConfSource
    signer: Signer
    log: ServerMessageLog
    disclosure: DisclosureLog
    service: ServicePort
    observer: Observer
    verdicts: SignerVerdicts
    peers: PeerVerdicts
    batches: SigningBatches
    new_seed: NewSeed
    revocations: Revocations


@quick
@dataclass(frozen=True, slots=True)
class Delivery:
    """A peer's complete message. `request_id`: its HTTP header `x-road-request-id`; `peer_chain`: DER, leaf first."""

    message: TransportMessage
    body: Body | None
    request_id: str | None
    peer_chain: tuple[bytes, ...]


async def exchange_as_server(delivery: Delivery, ports: ServerSide) -> LoggedReply:
    """Run one exchange to its recorded end. Raises a GatewayError that `blame.fault_of(…, "server")` turns into the answer."""
    watch = Watch(ports.observer, "server")
    try:
        reply = await _exchange(delivery, ports, watch)
    except BaseException as e:
        watch.finished(e)
        raise
    watch.finished(None)
    return reply


async def _exchange(delivery: Delivery, ports: ServerSide, watch: Watch) -> LoggedReply:
    watch.stage("receive")
    moment = _moment(ports)  # 1
    incoming = _receive(delivery, moment)  # 2
    watch.request, watch.request_bytes = incoming.request, _size(incoming.parts)
    watch.stage("verify")
    conf = ports.serverconf.current()
    _require_provider(conf, incoming.request)
    authentic = _authenticate(incoming, delivery.message.ocsp, ports)  # 3, 4
    discloser = Discloser(ports.disclosure, ports.new_seed)
    watch.stage("decide")
    about = await whom_it_is_about(authentic, conf)  # 5
    decided = _decide(authentic, conf, about)  # 6
    examined = await _examine(decided, ports.revocations)  # 7
    watch.findings = examined.findings
    watch.stage("log")
    if isinstance(examined, RefusedRequest):
        await ports.log.append_refused(discloser.refusal(examined))  # 8, 9
        raise AccessDenied(examined.reason, code=examined.code)
    dispatchable = await ports.log.append_authorized(discloser.request(examined))  # 8, 9
    watch.stage("service")
    answered = await _serve(dispatchable, discloser, ports)  # 10
    watch.stage("disclose")
    recorded = await ports.log.append_found(answered)  # 11
    disclosed = await ports.disclosure.release(recorded)  # 11
    watch.stage("sign")
    signed = await _respond(disclosed, _moment(ports), ports)  # 12, 13
    watch.status, watch.response_bytes = signed.response.status, _size(signed.parts)
    watch.stage("log_response")
    return await ports.log.append_reply(signed)  # 14


def _moment(ports: ServerSide) -> Moment:
    moment = Moment(ports.clock(), ports.globalconf.current())
    moment.trust.ensure_current(moment.now)
    return moment


def _size(parts: SignedParts) -> int:
    return len(parts.part) + (0 if parts.body is None else parts.body.size)


def _receive(delivery: Delivery, moment: Moment) -> IncomingRequest:
    message = delivery.message
    if message.kind is not MessageKind.REST:
        raise MalformedMessage("Request does not have a REST message", code="missing_rest")
    if message.signature is None:
        raise MalformedMessage("Request does not have a signature", code="missing_signature")
    try:
        request = parse_request(message.part)
    except MalformedMessage as e:
        raise within("service_failed", e) from e
    if delivery.request_id != request.request_id:
        raise MalformedMessage("The HTTP header x-road-request-id differs from the signed one", code="invalid_request")
    parts = SignedParts(message.part, delivery.body, message.signature, message.hash_chain_result, message.hash_chain)
    bound = request_hash(parts.part, None if parts.body is None else parts.body.digest)
    return IncomingRequest(moment, request, parts, delivery.peer_chain, bound)


def _require_provider(conf: ServerConf, request: RestRequest) -> None:
    """Only a registered client of ours has a key to answer with (reference 3.10, step 2: a failure of parsing)."""
    provider = conf.clients.get(request.service.client)
    if provider is None or provider.status is not ClientStatus.REGISTERED:
        raise within("service_failed", UnknownSubject(f"Client '{request.service.client}' not found"))


def _authenticate(incoming: IncomingRequest, ocsp: tuple[bytes, ...], ports: ServerSide) -> AuthenticRequest:
    moment, client, parts = incoming.moment, incoming.request.client, incoming.parts
    try:
        peer, _ = ports.peers.verify(incoming.peer_chain, ocsp, moment.trust, client, moment.now)
    except AuthenticationFailed as e:
        raise within("service_failed", as_peer_failure(e)) from e
    try:
        signer = verify_message(
            MessageDigests(sha512(parts.part), () if parts.body is None else (parts.body.digest,)),
            signature=parts.signature,
            hash_chain_result=parts.hash_chain_result,
            hash_chain=parts.hash_chain,
            signer=client,
            trust=moment.trust.trust(client.instance, moment.now),
            at=moment.now,
            verdicts=ports.verdicts,
        )
    except (AuthenticationFailed, MalformedMessage) as e:
        raise _as_signature_failure(e) from e
    return AuthenticRequest(incoming, peer.id, signer)


def _as_signature_failure(error: GatewayError) -> GatewayError:
    return within("signature_verification", error)


def _decide(
    authentic: AuthenticRequest, conf: ServerConf, about: About | Denial | None
) -> AuthorizedRequest | RefusedRequest:
    request, moment = authentic.incoming.request, authentic.incoming.moment
    named = about if isinstance(about, About) else None
    if request.verb == "GET" and request.service.service_code in METASERVICES:
        return AuthorizedRequest(authentic, None, Grant("metaservice"), None)
    groups = moment.trust.groups_of(request.client, moment.now)
    decision = decide_access(conf, groups, request.client, request.service, request.verb, request.service_path)
    if isinstance(decision, Denial):
        return RefusedRequest(authentic, decision.code, decision.reason, named)
    if isinstance(about, Denial):
        return RefusedRequest(authentic, about.code, about.reason, None)
    service, grant = decision
    if about is None:
        return AuthorizedRequest(authentic, service, grant, None)
    if not about.endpoint.subjects:
        return AuthorizedRequest(authentic, service, grant, Concern(about, None))
    purpose = decide_purpose(request.headers, about.endpoint, grant.purposes)
    if isinstance(purpose, Denial):
        return RefusedRequest(authentic, purpose.code, purpose.reason, about)
    return AuthorizedRequest(authentic, service, grant, Concern(about, purpose))


async def _examine(
    decided: AuthorizedRequest | RefusedRequest, revocations: Revocations
) -> ExaminedRequest | RefusedRequest:
    """A refusal is the provider's decision on what the consumer sent, as one of step 6 is."""
    if isinstance(decided, RefusedRequest):
        return decided
    examined = await examine(decided, revocations)
    if isinstance(examined, ExaminedRequest):
        return examined
    about = None if decided.concern is None else decided.concern.about
    return RefusedRequest(decided.authentic, examined.code, examined.reason, about, examined.findings)


async def _serve(request: DispatchableRequest, discloser: Discloser, ports: ServerSide) -> AnsweredRequest:
    try:
        return await discloser.answer(request, await ports.service.call(request))
    except GatewayError:
        await ports.log.append_failed(discloser.failure(request))
        raise


async def _respond(disclosed: DisclosedReply, moment: Moment, ports: ServerSide) -> SignedResponse:
    incoming, reply = disclosed.request.incoming, disclosed.reply
    findings = disclosed.request.disclosed.examined.findings
    try:
        response = build_response(
            incoming.request,
            status=reply.status,
            reason=reply.reason,
            headers=with_notice(with_promise(reply.headers, disclosed.promise), findings),
            request_hash=incoming.request_hash,
        )
    except MalformedMessage as e:  # a status line or header that no message can carry: the service's doing
        raise ServiceUnavailable(
            f"The service's answer cannot be carried: {e.safe_detail}", code="invalid_response"
        ) from e
    return await sign_response(disclosed, response, moment, ports.signer, ports.batches)
