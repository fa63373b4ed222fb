"""The provider's side of one exchange, in order (architecture, section 4; reference 3.10).

 1  one moment: time and global configuration, taken once; an expired configuration stops here
 2  the received bytes become a request; they are kept and never written anew
 3  which registered security server is this? its certificate, OCSP answers, registration for the client
 4  verify: the client's member signed, and every part is covered    -- before authorising, so that a refusal is evidence
 5  decide: may this client call this? grant or refusal
 6  record, durable, together with the claim of (server, request id)   -- refusals too; a replay ends here
 7  call the service                                                    -- only what is granted and recorded gets here
 8  the answer becomes a response part, bound to the request by its hash
 9  sign
10  record, durable          -- no signature has left before this line
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.core.digest import sha512
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
from gateway.exchange.batching import SigningBatches
from gateway.exchange.blame import within
from gateway.exchange.observation import Watch
from gateway.exchange.peers import PeerVerdicts, as_peer_failure
from gateway.exchange.ports import (
    Clock,
    GlobalConf,
    Observer,
    ServerConfSource,
    ServerMessageLog,
    ServicePort,
    ServiceReply,
    Signer,
)
from gateway.exchange.signing import sign_response
from gateway.exchange.states import (
    AuthenticRequest,
    AuthorizedRequest,
    Body,
    DispatchableRequest,
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
    service: ServicePort
    observer: Observer
    verdicts: SignerVerdicts
    peers: PeerVerdicts
    batches: SigningBatches


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
    with watch.stage("receive"):
        moment = _moment(ports)  # 1
        incoming = _receive(delivery, moment)  # 2
        watch.request, watch.request_bytes = incoming.request, _size(incoming.parts)
    with watch.stage("verify"):
        conf = ports.serverconf.current()
        _require_provider(conf, incoming.request)
        authentic = _authenticate(incoming, delivery.message.ocsp, ports)  # 3, 4
    decided = _decide(authentic, conf)  # 5
    with watch.stage("log"):
        if isinstance(decided, RefusedRequest):
            await ports.log.append_refused(decided)  # 6
            raise AccessDenied(decided.reason, code=decided.code)
        dispatchable = await ports.log.append_authorized(decided)  # 6
    with watch.stage("service"):
        reply = await ports.service.call(dispatchable)  # 7
    with watch.stage("sign"):
        signed = await _respond(dispatchable, reply, _moment(ports), ports)  # 8, 9
        watch.status, watch.response_bytes = signed.response.status, _size(signed.parts)
    with watch.stage("log_response"):
        return await ports.log.append_reply(signed)  # 10


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
    return IncomingRequest(moment, request, parts, delivery.peer_chain)


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


def _decide(authentic: AuthenticRequest, conf: ServerConf) -> AuthorizedRequest | RefusedRequest:
    request, moment = authentic.incoming.request, authentic.incoming.moment
    if request.verb == "GET" and request.service.service_code in METASERVICES:
        return AuthorizedRequest(authentic, None, Grant("metaservice"))
    groups = moment.trust.groups_of(request.client, moment.now)
    decision = decide_access(conf, groups, request.client, request.service, request.verb, request.service_path)
    if isinstance(decision, Denial):
        return RefusedRequest(authentic, decision.code, decision.reason)
    service, grant = decision
    return AuthorizedRequest(authentic, service, grant)


async def _respond(
    request: DispatchableRequest, reply: ServiceReply, moment: Moment, ports: ServerSide
) -> SignedResponse:
    incoming = request.incoming
    body = incoming.parts.body
    try:
        response = build_response(
            incoming.request,
            status=reply.status,
            reason=reply.reason,
            headers=reply.headers,
            request_hash=request_hash(incoming.parts.part, None if body is None else body.digest),
        )
    except MalformedMessage as e:  # a status line or header that no message can carry: the service's doing
        raise ServiceUnavailable(
            f"The service's answer cannot be carried: {e.safe_detail}", code="invalid_response"
        ) from e
    return await sign_response(request, response, reply.body, moment, ports.signer, ports.batches)
