"""The provider's side, call by call: what is done in which order, and what is left undone when a port fails."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from gateway.core.errors import (
    EvidenceUnavailable,
    KeyTokenError,
    ReplayedRequest,
    ServiceUnavailable,
    TrustOutdated,
)
from gateway.core.framing.transport import (
    HASH_CHAIN,
    HASH_CHAIN_RESULT,
    OCSP,
    REST_BODY,
    REST_REQUEST,
    SIGNATURE,
)
from gateway.core.messages.fault import parse_soap_fault
from gateway.core.serverconf.model import AccessRight, ClientStatus, Endpoint, Service, ServiceKind
from gateway.exchange.states import ServiceReply
from tests.support.journal import Journal
from tests.support.simulator import (
    CONSUMER,
    DANCU,
    DVC,
    HOTICH,
    JUSTICE,
    PORTAL,
    TARGET,
    InstanceSimulator,
    der,
)
from tests.support.wire import (
    Hand,
    Part,
    add_part,
    append_part,
    drop_part,
    extend,
    put,
    reorder,
    repeat_part,
    split,
    substitute,
    tamper,
)

START = ("time", "globalconf", "serverconf")
BEFORE_SIGNING = (*START, "log request", "service", "log found", "release")
WHOLE = (*BEFORE_SIGNING, "time", "globalconf", "credential", "sign", "log reply")
THEIRS = "server.serverproxy"
DISK_FULL = EvidenceUnavailable("disk full")


@pytest.fixture
def sim() -> InstanceSimulator:
    return InstanceSimulator()


def journal_of(sim: InstanceSimulator) -> Journal:
    journal = Journal()
    sim.server_side = journal.server_side(sim.server_side)
    return journal


async def test_the_order_of_a_good_exchange(sim: InstanceSimulator) -> None:
    journal = journal_of(sim)
    assert await sim.outcome() == "ok"
    assert tuple(journal.calls) == WHOLE


# (which call fails, with what, what the consumer is told, which calls were made)
FAILURES = [
    ("globalconf", TrustOutdated("none yet"), "global_conf_outdated", WHOLE[:2]),
    ("log request", DISK_FULL, "logging_failed", WHOLE[:4]),  # the service was not called
    ("log request", ReplayedRequest("again"), "replayed_request", WHOLE[:4]),
    # the record stands: somebody asked; and it gave nothing
    ("service", ServiceUnavailable("refused"), "network_error", (*WHOLE[:5], "log failure")),
    ("log found", DISK_FULL, "logging_failed", WHOLE[:6]),
    ("release", EvidenceUnavailable("not in the log"), "logging_failed", WHOLE[:7]),  # nothing is signed
    ("credential", KeyTokenError("no key"), "cannot_sign", WHOLE[:10]),
    ("sign", KeyTokenError("token gone"), "cannot_sign", WHOLE[:11]),
    ("log reply", DISK_FULL, "logging_failed", WHOLE[:12]),  # the signature exists and did not leave
]


@pytest.mark.parametrize("kept", [False, True], ids=["lost", "kept"])
@pytest.mark.parametrize(
    ("call", "error", "told", "made"), FAILURES, ids=[f"{c}-{type(e).__name__}" for c, e, _, _ in FAILURES]
)
async def test_each_port_failing(
    sim: InstanceSimulator, call: str, error: Exception, told: str, made: tuple[str, ...], kept: bool
) -> None:
    journal = journal_of(sim)
    journal.fail(call, error, kept=kept)
    assert await sim.outcome() == f"{THEIRS}.{told}"
    assert tuple(journal.calls) == made
    assert sim.wire.answers == []
    assert len(sim.service.calls) == ("service" in made and (call != "service" or kept))


async def test_an_error_outside_the_family_says_nothing_of_itself(sim: InstanceSimulator) -> None:
    from gateway.exchange.blame import fault_of

    fault = fault_of(RuntimeError("SELECT * FROM persons"), "server", "c0ffee")
    assert (fault.code, fault.text, fault.detail) == (f"{THEIRS}.internal_error", "Internal error", "c0ffee")


# --- who may ask what ---------------------------------------------------------------------------------------------------

REFUSAL = (*START, "log refusal")


async def refused(sim: InstanceSimulator, *args: str, **kwargs: object) -> tuple[str, tuple[str, ...]]:
    journal = journal_of(sim)
    told = await sim.outcome(*args, **kwargs)
    assert sim.service.calls == []
    return told, tuple(journal.calls)


async def test_a_refusal_is_recorded(sim: InstanceSimulator) -> None:
    assert await refused(sim, client="VN/GOV/G15/hotich") == (f"{THEIRS}.access_denied", REFUSAL)


async def test_a_refusal_that_cannot_be_recorded_is_a_failure(sim: InstanceSimulator) -> None:
    journal = journal_of(sim)
    journal.fail("log refusal", DISK_FULL)
    assert await sim.outcome(client="VN/GOV/G15/hotich") == f"{THEIRS}.logging_failed"
    assert tuple(journal.calls) == REFUSAL


async def test_no_rights_no_service(sim: InstanceSimulator) -> None:
    sim.allow()
    assert await refused(sim) == (f"{THEIRS}.access_denied", REFUSAL)


async def test_a_right_of_the_member_is_not_one_of_its_subsystem(sim: InstanceSimulator) -> None:
    sim.allow(AccessRight(PORTAL, "person", Endpoint("*", "**")))
    assert await refused(sim) == (f"{THEIRS}.access_denied", REFUSAL)


@pytest.mark.parametrize(
    ("verb", "path", "code"),
    [
        ("GET", "/v1/persons/999300000017", "ok"),
        ("POST", "/v1/persons/999300000017", f"{THEIRS}.access_denied"),
        ("GET", "/v1/persons/999300000017/parents", f"{THEIRS}.access_denied"),
        ("GET", "/v1/persons/../households", f"{THEIRS}.access_denied"),
        ("GET", "/v1/persons/a%2Fb", f"{THEIRS}.access_denied"),
    ],
)
async def test_a_right_to_an_endpoint(sim: InstanceSimulator, verb: str, path: str, code: str) -> None:
    sim.allow(AccessRight(DVC, "person", Endpoint("GET", "/v1/persons/*")))
    assert await sim.outcome(verb, f"/r1/VN/GOV/G01/dancu/person{path}") == code


async def test_an_unknown_service(sim: InstanceSimulator) -> None:
    told = await refused(sim, "GET", "/r1/VN/GOV/G01/dancu/nothing")
    assert told == (f"{THEIRS}.unknown_service", REFUSAL)


async def test_a_disabled_service(sim: InstanceSimulator) -> None:
    sim.offer_service(Service("person", ServiceKind.REST, "http://127.0.0.1:1/", disabled_notice="until Monday"))
    assert await refused(sim) == (f"{THEIRS}.service_disabled", REFUSAL)


async def test_a_metaservice_needs_no_right_and_is_recorded(sim: InstanceSimulator) -> None:
    sim.allow()
    journal = journal_of(sim)
    assert await sim.outcome("GET", "/r1/VN/GOV/G01/dancu/listMethods") == "ok"
    assert tuple(journal.calls) == WHOLE
    (call,) = sim.service.calls
    assert (call.authorized.service, call.authorized.grant.rule) == (None, "metaservice")


async def test_only_get_is_a_metaservice(sim: InstanceSimulator) -> None:
    told = await refused(sim, "POST", "/r1/VN/GOV/G01/dancu/listMethods")
    assert told == (f"{THEIRS}.unknown_service", REFUSAL)


# --- who is at the other end ---------------------------------------------------------------------------------------------


async def test_a_provider_that_is_not_registered_here_has_no_key_to_answer_with(sim: InstanceSimulator) -> None:
    conf = sim.provider.conf
    client = replace(conf.clients[DANCU], status=ClientStatus.DISABLED)
    sim.provider.conf = replace(conf, clients={DANCU: client})
    assert await refused(sim) == (f"{THEIRS}.service_failed.unknown_member", START)


async def test_a_request_signed_with_a_revoked_certificate(sim: InstanceSimulator) -> None:
    sim.revoke(sim.consumer.signing[PORTAL])
    assert await refused(sim) == (f"{THEIRS}.signature_verification.invalid_cert_path.cert_validation", START)


async def test_a_good_answer_does_not_help_a_signer_of_whom_we_were_told_ourselves(sim: InstanceSimulator) -> None:
    sim.provider.revoked.add(der(sim.consumer.signing[PORTAL].certificate))
    assert await refused(sim) == (f"{THEIRS}.signature_verification.invalid_cert_path.cert_validation", START)


async def test_nor_a_server_of_which_we_were(sim: InstanceSimulator) -> None:
    sim.provider.revoked.add(der(sim.consumer.auth.certificate))
    assert await refused(sim) == (PEER, START)


async def test_an_ocsp_answer_of_somebody_not_entitled(sim: InstanceSimulator) -> None:
    signing = sim.consumer.signing[PORTAL]
    sim.consumer.ocsp_answers[signing.certificate.serial_number] = sim.forged_ocsp(signing)
    told = await refused(sim)
    assert told == (f"{THEIRS}.signature_verification.invalid_cert_path.incorrect_validation_info", START)


async def test_the_ocsp_answer_for_another_certificate(sim: InstanceSimulator) -> None:
    signing, other = sim.consumer.signing[PORTAL], sim.consumer.signing[JUSTICE]
    sim.consumer.ocsp_answers[signing.certificate.serial_number] = sim.ocsp_answer(other.certificate)
    told = await refused(sim)
    assert told == (f"{THEIRS}.signature_verification.invalid_cert_path.cert_validation", START)


PEER = f"{THEIRS}.service_failed.ssl_authentication_failed"


async def test_a_server_with_a_revoked_certificate(sim: InstanceSimulator) -> None:
    sim.revoke(sim.consumer.auth)
    assert await refused(sim) == (PEER, START)


async def test_an_unregistered_server(sim: InstanceSimulator) -> None:
    sim.unregister(sim.consumer)
    assert await refused(sim) == (PEER, START)


async def test_a_server_that_shows_no_certificate(sim: InstanceSimulator) -> None:
    sim.wire.consumer = replace(sim.wire.consumer, chain=lambda: ())
    assert await refused(sim) == (PEER, START)


async def test_the_server_of_somebody_else(sim: InstanceSimulator) -> None:
    sim.wire.consumer = sim.provider.end  # registered, good, and not a server of DVC
    assert await refused(sim) == (PEER, START)


async def test_a_server_of_a_ca_that_nobody_approved(sim: InstanceSimulator) -> None:
    forged = sim.issue_auth(CONSUMER, sim.foreign_ca())
    sim.wire.consumer = replace(sim.wire.consumer, chain=lambda: (der(forged.certificate),))
    assert await refused(sim) == (PEER, START)


async def test_a_signing_certificate_is_no_server(sim: InstanceSimulator) -> None:
    shown = sim.consumer.signing[PORTAL]
    sim.wire.consumer = replace(sim.wire.consumer, chain=lambda: (der(shown.certificate),))
    assert await refused(sim) == (PEER, START)


async def test_an_expired_configuration_stops_everything(sim: InstanceSimulator) -> None:
    await sim.call()
    last = sim.wire.requests[-1]
    sim.expire()
    journal = journal_of(sim)
    reply = await sim.wire.deliver(last)
    assert parse_soap_fault(reply.message.fault or b"").code == f"{THEIRS}.global_conf_outdated"
    assert tuple(journal.calls) == START[:2]


# --- attacks on the message -------------------------------------------------------------------------------------------------

VERIFICATION = f"{THEIRS}.signature_verification"
CHAIN = f"{VERIFICATION}.malformed_signature"
FRAMING = f"{THEIRS}.service_failed"
BODY = b'{"citizen":"999300000017"}'

# what is done to a request with a body -> what the consumer is told (True: any code below it)
ATTACKS: dict[str, tuple[Hand, str]] = {
    "a byte of the path": (substitute(REST_REQUEST, b"persons", b"persona"), f"{CHAIN}.invalid_hash_chain"),
    "a byte of the query": (substitute(REST_REQUEST, b"a=1", b"a=2"), f"{CHAIN}.invalid_hash_chain"),
    "another verb": (substitute(REST_REQUEST, b"POST\r\n", b"PUT\r\n"), f"{CHAIN}.invalid_hash_chain"),
    "another user": (
        substitute(REST_REQUEST, b"X-Road-UserId:one", b"X-Road-UserId:two"),
        f"{CHAIN}.invalid_hash_chain",
    ),
    "a header more": (
        substitute(REST_REQUEST, b"X-Road-UserId:", b"X-Admin:1\r\nX-Road-UserId:"),
        f"{CHAIN}.invalid_hash_chain",
    ),
    "another client": (substitute(REST_REQUEST, b"G22/dvc", b"G15/hotich"), f"{CHAIN}.invalid_hash_chain"),
    "a byte of the body": (tamper(REST_BODY, 3), f"{CHAIN}.invalid_hash_chain"),
    "a byte more body": (put(REST_BODY, BODY + b" "), f"{CHAIN}.invalid_hash_chain"),
    "an empty body": (put(REST_BODY, b""), f"{CHAIN}.invalid_hash_chain"),
    "no body": (drop_part(REST_BODY), f"{CHAIN}.invalid_reference"),
    "a byte of the chain": (substitute(HASH_CHAIN, b"/attachment1", b"/attachment2"), f"{CHAIN}.invalid_reference"),
    "a byte of the result": (tamper(HASH_CHAIN_RESULT, -1), f"{CHAIN}.malformed_hash_chain"),
    "white space after the result": (extend(HASH_CHAIN_RESULT, b" "), f"{VERIFICATION}.invalid_signature_value"),
    "no chain": (drop_part(HASH_CHAIN, HASH_CHAIN_RESULT), CHAIN),
    "half a chain": (drop_part(HASH_CHAIN_RESULT), f"{FRAMING}.invalid_content_type"),
    "no signature": (drop_part(SIGNATURE), f"{FRAMING}.missing_signature"),
    "no message": (drop_part(REST_REQUEST), f"{FRAMING}.invalid_content_type"),
    "the body first": (reorder(REST_REQUEST, REST_BODY), f"{FRAMING}.invalid_content_type"),
    "chain before body": (reorder(REST_BODY, HASH_CHAIN), f"{FRAMING}.invalid_content_type"),
    "OCSP after the message": (reorder(OCSP, REST_REQUEST), f"{FRAMING}.invalid_content_type"),
    "two bodies": (repeat_part(REST_BODY), f"{FRAMING}.invalid_content_type"),
    "two messages": (repeat_part(REST_REQUEST), f"{FRAMING}.invalid_content_type"),
    "two signatures": (repeat_part(SIGNATURE), f"{FRAMING}.invalid_message"),
    "an unknown part": (add_part(Part("text/plain", b"x"), before=SIGNATURE), f"{FRAMING}.invalid_content_type"),
    "a part after the signature": (append_part(Part(REST_BODY, b"x")), f"{FRAMING}.invalid_message"),
    "a fault in a request": (put(SIGNATURE, b"<x/>"), VERIFICATION),
    "no OCSP answer": (drop_part(OCSP), PEER),
    "an OCSP answer that is none": (put(OCSP, b"good"), PEER),
    "a line feed instead of CR LF": (substitute(REST_REQUEST, b"\r\n", b"\n"), f"{FRAMING}.invalid_rest"),
    "a blank line": (
        substitute(REST_REQUEST, b"x-road-request-id", b"\r\nx-road-request-id"),
        f"{FRAMING}.invalid_rest",
    ),
}


@pytest.mark.parametrize("attack", ATTACKS)
async def test_an_attacked_request_is_neither_recorded_nor_served(sim: InstanceSimulator, attack: str) -> None:
    hand, code = ATTACKS[attack]
    sim.wire.hands_on_request.append(hand)
    told, calls = await refused(sim, "POST", TARGET + "?a=1", body=BODY, headers=(("X-Road-UserId", "one"),))
    assert told == code or (code == VERIFICATION and told.startswith(f"{code}.")), told
    assert not {"log request", "log refusal"} & set(calls)


async def test_the_same_request_unharmed_is_served(sim: InstanceSimulator) -> None:
    """Otherwise the table above would prove nothing."""
    sim.wire.hands_on_request.append(lambda parts: parts)
    assert await sim.outcome("POST", TARGET + "?a=1", body=BODY, headers=(("X-Road-UserId", "one"),)) == "ok"


@pytest.mark.parametrize(("content_type", "step"), [(REST_REQUEST, 7), (SIGNATURE, 53)])
async def test_a_changed_byte_anywhere(sim: InstanceSimulator, content_type: str, step: int) -> None:
    """Whatever the byte was, the request is not served."""
    await sim.call()
    (sent,) = sim.wire.requests
    length = next(len(p.data) for p in split(sent.content_type, sent.data) if p.content_type == content_type)
    for index in range(0, length, step):
        sim.wire.hands_on_request[:] = [tamper(content_type, index)]
        assert await sim.outcome() != "ok", f"{content_type}[{index}]"
    assert len(sim.service.calls) == 1


async def test_a_body_that_no_signature_covers(sim: InstanceSimulator) -> None:
    """A signature over the message alone, and a body beside it: X-Road accepts this (reference 4.4, gap)."""
    sim.wire.hands_on_request.append(add_part(Part(REST_BODY, BODY), before=SIGNATURE))
    told, calls = await refused(sim)
    assert told.startswith(f"{VERIFICATION}."), told
    assert calls == START


async def test_the_chain_of_another_message(sim: InstanceSimulator) -> None:
    await sim.call("POST", body=b"other")
    (sent,) = sim.wire.requests
    other = {p.content_type: p for p in split(sent.content_type, sent.data)}
    sim.service.calls.clear()
    for kind in (HASH_CHAIN_RESULT, HASH_CHAIN, SIGNATURE):
        sim.wire.hands_on_request.append(put(kind, other[kind].data))
    told, _ = await refused(sim, "POST", body=BODY)
    assert told == f"{CHAIN}.invalid_hash_chain"


async def test_a_request_that_another_member_signed(sim: InstanceSimulator) -> None:
    """The neighbour on the same security server."""
    sim.consumer.signing[PORTAL] = sim.consumer.signing[JUSTICE]
    assert await refused(sim) == (f"{VERIFICATION}.incorrect_certificate", START)


async def test_a_request_signed_with_the_tls_certificate(sim: InstanceSimulator) -> None:
    sim.consumer.signing[PORTAL] = sim.consumer.auth
    assert await refused(sim) == (CHAIN, START)


async def test_a_request_signed_under_a_ca_that_nobody_approved(sim: InstanceSimulator) -> None:
    sim.consumer.signing[PORTAL] = sim.issue_signing(PORTAL, CONSUMER, sim.foreign_ca())
    assert await refused(sim) == (f"{VERIFICATION}.cannot_create_cert_path", START)


async def test_another_request_id_outside_than_inside(sim: InstanceSimulator) -> None:
    """The claim is keyed by the signed id; a header that differs is somebody trying to choose the key."""
    sim.wire.request_id = "another"
    assert await refused(sim) == (f"{THEIRS}.invalid_request", START[:2])


# --- replay ---------------------------------------------------------------------------------------------------------------


async def test_the_same_bytes_again(sim: InstanceSimulator) -> None:
    await sim.call("POST", body=BODY)
    journal = journal_of(sim)
    reply = await sim.replay()
    assert parse_soap_fault(reply.message.fault or b"").code == f"{THEIRS}.replayed_request"
    assert len(sim.service.calls) == 1
    assert tuple(journal.calls) == (*START, "log request")


async def test_a_refused_request_again(sim: InstanceSimulator) -> None:
    """Not even after the right was given."""
    await sim.outcome(client="VN/GOV/G15/hotich")
    sim.allow(AccessRight(HOTICH, "person", Endpoint("*", "**")))
    reply = await sim.replay()
    assert parse_soap_fault(reply.message.fault or b"").code == f"{THEIRS}.replayed_request"
    assert sim.service.calls == []


async def test_a_forged_message_does_not_use_up_an_id(sim: InstanceSimulator) -> None:
    sim.wire.hands_on_request.append(tamper(REST_BODY, 0))
    assert await sim.outcome("POST", body=BODY) == f"{CHAIN}.invalid_hash_chain"
    sim.wire.hands_on_request.clear()
    forged = sim.wire.requests[-1]
    true = replace(forged, data=forged.data.replace(tampered(BODY), BODY))
    assert true.data != forged.data
    reply = await sim.wire.deliver(true)
    assert reply.message.fault is None
    assert len(sim.service.calls) == 1


def tampered(body: bytes) -> bytes:
    return bytes((body[0] ^ 1,)) + body[1:]


async def test_the_same_x_road_id_twice_is_no_replay(sim: InstanceSimulator) -> None:
    """Information systems repeat X-Road-Id; the request id is ours and fresh."""
    for _ in range(2):
        assert await sim.outcome(headers=(("X-Road-Id", "42"),)) == "ok"


async def test_a_request_that_failed_at_the_service_is_not_served_again(sim: InstanceSimulator) -> None:
    journal = journal_of(sim)
    journal.fail("service", ServiceUnavailable("refused"))
    await sim.outcome()
    reply = await sim.replay()
    assert parse_soap_fault(reply.message.fault or b"").code == f"{THEIRS}.replayed_request"


# --- the answer ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "reply",
    [
        ServiceReply(99, "OK", [], None),
        ServiceReply(200, "OK\r\nX-Injected: 1", [], None),
        ServiceReply(200, "OK", [("X-Injected", "a\r\nb: c")], None),
        ServiceReply(200, "OK", [("bad name", "x")], None),
    ],
)
async def test_an_answer_that_no_message_can_carry(sim: InstanceSimulator, reply: ServiceReply) -> None:
    sim.service.reply = reply
    journal = journal_of(sim)
    assert await sim.outcome() == f"{THEIRS}.invalid_response"
    assert "sign" not in journal.calls


@pytest.mark.parametrize("status", [200, 204, 302, 404, 500])
async def test_every_status_of_the_service_is_an_answer(sim: InstanceSimulator, status: int) -> None:
    sim.service.reply = ServiceReply(status, "", [("X-Own", "1")], None)
    answer = (await sim.call()).authentic
    assert (answer.response.status, answer.parts.body) == (status, None)


async def test_a_service_that_takes_until_the_configuration_has_expired(sim: InstanceSimulator) -> None:
    """The answer is judged by the time at which it is given."""
    service = sim.service

    class Slow:
        async def call(self, request: object) -> ServiceReply:
            sim.expire()
            return service.reply

    sim.server_side = replace(sim.server_side, service=Slow())
    journal = journal_of(sim)
    await sim.outcome()
    assert tuple(journal.calls) == WHOLE[:9]
    assert sim.wire.answers == []


async def test_the_observer_hears_of_each_exchange_once(sim: InstanceSimulator) -> None:
    await sim.call()
    await sim.outcome(client="VN/GOV/G15/hotich")
    seen = sim.provider.seen
    assert [(s.outcome, s.client, s.status) for s in seen.summaries] == [
        ("ok", str(DVC), 200),
        ("access_denied", str(HOTICH), None),
    ]
    assert [[stage for stage, _ in s.stages] for s in seen.summaries] == [
        ["receive", "verify", "decide", "log", "service", "disclose", "sign", "log_response"],
        ["receive", "verify", "decide", "log"],
    ]


async def test_a_verdict_does_not_outlive_its_ocsp_answer(sim: InstanceSimulator) -> None:
    assert await sim.outcome() == "ok"
    sim.clock.now += timedelta(hours=1, seconds=1)
    sim.publish()
    sim.consumer.fetch_ocsp()
    assert await sim.outcome() == "server.clientproxy.ssl_authentication_failed"  # the provider kept its old answer
    sim.provider.fetch_ocsp()
    assert await sim.outcome() == "ok"
    assert sim.provider.signer_verdicts.misses == 2
