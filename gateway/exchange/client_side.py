"""The consumer's side of one exchange, in order (architecture, section 4; reference 1.5).

1  one moment: time and global configuration, taken once; an expired configuration stops here
2  the call becomes a request part; its bytes are what everybody signs, logs and hashes from now on
3  is the client ours, and is the caller its information system?
4  where is the provider?
5  sign
6  record, durable          -- nothing has left the building before this line
7  send, receive            -- once recorded, the exchange runs to its recorded end
8  verify: the provider's signature covers every part, and this is the answer to our request
9  record, durable          -- nothing is given out before this line
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gateway.core.digest import sha512
from gateway.core.errors import AuthenticationFailed, GatewayError, InconsistentResponse, MalformedMessage, PeerFault
from gateway.core.framing.transport import MessageKind
from gateway.core.messages.fault import parse_soap_fault
from gateway.core.messages.rest import RestResponse, build_request, parse_response, request_hash
from gateway.core.serverconf.admission import admit
from gateway.core.signing.verify import MessageDigests, SignerVerdicts, verify_message
from gateway.core.values import quick
from gateway.exchange.batching import SigningBatches
from gateway.exchange.blame import within
from gateway.exchange.observation import Watch
from gateway.exchange.ports import (
    ClientMessageLog,
    Clock,
    GlobalConf,
    Observer,
    Peer,
    PeerReply,
    ServerConfSource,
    Signer,
)
from gateway.exchange.routing import provider_servers
from gateway.exchange.signing import sign_request
from gateway.exchange.states import (
    AdmittedRequest,
    AuthenticResponse,
    Body,
    InformationSystem,
    LoggedRequest,
    LoggedResponse,
    Moment,
    ReceivedRequest,
    RoutedRequest,
    SignedParts,
)


@dataclass(frozen=True, slots=True)
class ClientSide:
    """The ports of the consumer's side. `new_id` gives a fresh UUIDv4 text."""

    clock: Clock
    globalconf: GlobalConf
    serverconf: ServerConfSource
    signer: Signer
    log: ClientMessageLog
    peer: Peer
    observer: Observer
    verdicts: SignerVerdicts
    batches: SigningBatches
    new_id: Callable[[], str]


@quick
@dataclass(frozen=True, slots=True)
class ClientCall:
    """An information system's call: `target` is the raw path and query, `headers` are Latin-1 decoded, in order."""

    verb: str
    target: str
    headers: Sequence[tuple[str, str]]
    body: Body | None
    system: InformationSystem


async def exchange_as_client(call: ClientCall, ports: ClientSide) -> LoggedResponse:
    """Run one exchange to its recorded end. Raises a GatewayError that `blame.fault_of(…, "client")` turns into the answer."""
    watch = Watch(ports.observer, "client")
    try:
        answer = await _exchange(call, ports, watch)
    except BaseException as e:
        watch.finished(e)
        raise
    watch.finished(None)
    return answer


async def _exchange(call: ClientCall, ports: ClientSide, watch: Watch) -> LoggedResponse:
    watch.stage("admit")
    moment = _moment(ports)  # 1
    received = _receive(call, moment, ports.new_id)  # 2
    watch.request, watch.request_bytes = received.request, _size(received.request.raw, received.body)
    admitted = _admit(received, call.system, ports)  # 3
    routed = RoutedRequest(admitted, provider_servers(received.request, moment.trust, moment.now))  # 4
    watch.stage("sign")
    signed = await sign_request(routed, ports.signer, ports.batches)  # 5
    watch.stage("log")
    logged = await ports.log.append_request(signed)  # 6
    watch.stage("send")
    reply = await ports.peer.send(logged)  # 7
    watch.stage("verify")
    authentic = _authenticate(logged, reply, _moment(ports), ports.verdicts)  # 8
    watch.status, watch.response_bytes = (
        authentic.response.status,
        _size(authentic.parts.part, authentic.parts.body),
    )
    watch.stage("log_response")
    return await ports.log.append_response(authentic)  # 9


def _moment(ports: ClientSide) -> Moment:
    moment = Moment(ports.clock(), ports.globalconf.current())
    moment.trust.ensure_current(moment.now)
    return moment


def _receive(call: ClientCall, moment: Moment, new_id: Callable[[], str]) -> ReceivedRequest:
    request = build_request(
        verb=call.verb,
        target=call.target,
        headers=call.headers,
        request_id=new_id(),
        message_id=f"{moment.trust.own_instance}-{new_id()}",
    )
    return ReceivedRequest(moment, request, call.body)


def _admit(received: ReceivedRequest, system: InformationSystem, ports: ClientSide) -> AdmittedRequest:
    conf = ports.serverconf.current()
    client = admit(conf, received.request.client, tls=system.tls, certificate=system.certificate)
    return AdmittedRequest(received, client)


def _size(part: bytes, body: Body | None) -> int:
    return len(part) + (0 if body is None else body.size)


def _authenticate(
    logged: LoggedRequest, reply: PeerReply, moment: Moment, verdicts: SignerVerdicts
) -> AuthenticResponse:
    """Steps 10-12 of reference 1.5: fault? parts there? signed by the provider's member over all parts? our answer?"""
    message = reply.message
    if message.fault is not None:
        fault = parse_soap_fault(message.fault)
        raise PeerFault(fault.code, fault.text, fault.detail)
    if message.kind is not MessageKind.REST:
        raise MalformedMessage("Response does not have a REST message", code="missing_rest")
    if message.signature is None:
        raise MalformedMessage("Response does not have a signature", code="missing_signature")
    try:
        response = parse_response(message.part)
    except MalformedMessage as e:
        raise within("service_failed", e) from e
    request = logged.signed.received.request
    provider = request.service.client
    try:
        signer = verify_message(
            MessageDigests(sha512(message.part), () if reply.body is None else (reply.body.digest,)),
            signature=message.signature,
            hash_chain_result=message.hash_chain_result,
            hash_chain=message.hash_chain,
            signer=provider,
            trust=moment.trust.trust(provider.instance, moment.now),
            at=moment.now,
            verdicts=verdicts,
        )
    except (AuthenticationFailed, MalformedMessage) as e:
        raise _as_signature_failure(e) from e
    _check_answers(logged, response)
    parts = SignedParts(message.part, reply.body, message.signature, message.hash_chain_result, message.hash_chain)
    return AuthenticResponse(logged, response, parts, signer, moment)


def _as_signature_failure(error: GatewayError) -> GatewayError:
    return within("signature_verification", error)


def _check_answers(logged: LoggedRequest, response: RestResponse) -> None:
    """A validly signed message of the provider may still be the answer to something else (a replayed or swapped response)."""
    request, body = logged.signed.received.request, logged.signed.received.body
    expected = request_hash(request.raw, None if body is None else body.digest)
    wrong = [
        name
        for name, same in (
            ("client", response.client == request.client),
            ("service", response.service == request.service),
            ("message id", response.message_id == request.message_id),
            ("request id", response.request_id == request.request_id),
            ("request hash", hmac.compare_digest(response.request_hash, expected)),
        )
        if not same
    ]
    if wrong:
        raise InconsistentResponse(f"Response is not the answer to this request: {', '.join(wrong)} differ")
