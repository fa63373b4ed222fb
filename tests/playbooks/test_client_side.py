"""The consumer's side, call by call: what is done in which order, and what is left undone when a port fails."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from gateway.core.errors import (
    EvidenceUnavailable,
    GatewayError,
    KeyTokenError,
    MalformedMessage,
    PeerFault,
    PeerRejected,
    PeerUnavailable,
    TrustOutdated,
)
from gateway.core.framing.transport import (
    HASH_CHAIN,
    HASH_CHAIN_RESULT,
    REST_BODY,
    REST_RESPONSE,
    SIGNATURE,
    MessageKind,
    TransportMessage,
)
from gateway.core.serverconf.model import ClientStatus, ConnectionType
from gateway.core.signing.requests import KeyType
from gateway.exchange.blame import fault_of
from gateway.exchange.ports import PeerReply
from gateway.exchange.states import InformationSystem
from tests.support.journal import Journal
from tests.support.simulator import (
    DANCU,
    DVC,
    HOTICH,
    JUSTICE,
    POLICE,
    PORTAL,
    PROVIDER,
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
    read_body,
    reorder,
    repeat_part,
    substitute,
    tamper,
)

WHOLE = (
    *("time", "globalconf", "serverconf", "credential", "sign", "log request", "send"),
    *("time", "globalconf", "log response"),
)


@pytest.fixture
def sim() -> InstanceSimulator:
    return InstanceSimulator()


async def play(sim: InstanceSimulator, journal: Journal) -> str:
    sim.client_side = journal.client_side(sim.client_side)
    return await sim.outcome()


async def test_the_order_of_a_good_exchange(sim: InstanceSimulator) -> None:
    journal = Journal()
    assert await play(sim, journal) == "ok"
    assert tuple(journal.calls) == WHOLE


OURS = "server.clientproxy"
DISK_FULL = EvidenceUnavailable("disk full")

# (which call fails, with what, what the information system is told, how many calls were made)
FAILURES = [
    ("globalconf", TrustOutdated("none yet"), f"{OURS}.global_conf_outdated", 2),
    ("serverconf", RuntimeError("bug"), f"{OURS}.internal_error", 3),
    ("credential", KeyTokenError("no key"), f"{OURS}.cannot_sign", 4),
    ("sign", KeyTokenError("token gone"), f"{OURS}.cannot_sign", 5),
    ("log request", DISK_FULL, f"{OURS}.logging_failed", 6),  # nothing left the building
    ("send", PeerUnavailable("refused"), f"{OURS}.network_error", 7),  # the record stands, unanswered
    ("send", PeerRejected("not registered"), f"{OURS}.ssl_authentication_failed", 7),
    ("send", PeerFault("server.serverproxy.access_denied", "no"), "server.serverproxy.access_denied", 7),
    ("log response", DISK_FULL, f"{OURS}.logging_failed", 10),
]


@pytest.mark.parametrize("kept", [False, True], ids=["lost", "kept"])
@pytest.mark.parametrize(
    ("call", "error", "told", "made"), FAILURES, ids=[f"{c}-{type(e).__name__}" for c, e, _, _ in FAILURES]
)
async def test_each_port_failing(
    sim: InstanceSimulator, call: str, error: Exception, told: str, made: int, kept: bool
) -> None:
    journal = Journal()
    journal.fail(call, error, kept=kept)
    sim.client_side = journal.client_side(sim.client_side)
    with pytest.raises(type(error)) as raised:
        await sim.call()
    assert fault_of(raised.value, "client", "c").code == told
    assert tuple(journal.calls) == WHOLE[:made]
    assert bool(sim.wire.requests) == (made > 7 or (call == "send" and kept))


async def test_when_nothing_is_recorded_nothing_leaves(sim: InstanceSimulator) -> None:
    journal = Journal()
    journal.fail("log request", DISK_FULL, kept=True)  # even when the record made it to disk and only the news was lost
    assert await play(sim, journal) == f"{OURS}.logging_failed"
    assert sim.wire.requests == []
    assert sim.service.calls == []


async def test_the_clock_failing_fails_the_exchange_first(sim: InstanceSimulator) -> None:
    journal = Journal()
    journal.fail("time", RuntimeError("no clock"))
    sim.client_side = journal.client_side(sim.client_side)
    with pytest.raises(RuntimeError):
        await sim.call()
    assert journal.calls == ["time"]


# --- before anything is signed -------------------------------------------------------------------------------------

REFUSED = WHOLE[:3]  # time, globalconf, serverconf: nobody was asked to sign


async def refused(sim: InstanceSimulator, *args: str, **kwargs: object) -> tuple[str, tuple[str, ...]]:
    journal = Journal()
    sim.client_side = journal.client_side(sim.client_side)
    return await sim.outcome(*args, **kwargs), tuple(journal.calls)


@pytest.mark.parametrize(
    ("target", "client", "code", "calls"),
    [
        (TARGET, "VN/GOV/G01/dancu", "unknown_member", REFUSED),  # a client of the other server
        (TARGET, "VN/GOV/G22/nobody", "unknown_member", REFUSED),
        (TARGET, "VN/GOV", "invalid_client_identifier", WHOLE[:2]),
        ("/r1/VN/GOV/G01/nobody/person", "VN/GOV/G22/dvc", "unknown_member", REFUSED),
        ("/r1/XX/GOV/G01/dancu/person", "VN/GOV/G22/dvc", "internal_error", REFUSED),
        ("/r1/VN/GOV/G01", "VN/GOV/G22/dvc", "bad_request", WHOLE[:2]),
    ],
)
async def test_a_call_that_cannot_be_made(
    sim: InstanceSimulator, target: str, client: str, code: str, calls: tuple[str, ...]
) -> None:
    assert await refused(sim, "GET", target, client=client) == (f"{OURS}.{code}", calls)


async def test_an_expired_configuration_stops_everything(sim: InstanceSimulator) -> None:
    sim.expire()
    assert await refused(sim) == (f"{OURS}.global_conf_outdated", WHOLE[:2])


async def test_a_configuration_that_expires_while_the_service_works_stops_the_answer(sim: InstanceSimulator) -> None:
    journal = Journal()

    def slowly(parts: tuple[Part, ...]) -> tuple[Part, ...]:
        sim.expire()
        return parts

    sim.wire.hands_on_response.append(slowly)
    assert await play(sim, journal) == f"{OURS}.global_conf_outdated"
    assert tuple(journal.calls) == WHOLE[:9]  # no answer is recorded, none is given out


async def test_a_maintained_server_is_not_called(sim: InstanceSimulator) -> None:
    sim.change_server(sim.provider, maintenance="back at noon")
    assert await refused(sim) == (f"{OURS}.maintenance_mode", REFUSED)


async def test_a_server_without_address_is_nobody(sim: InstanceSimulator) -> None:
    sim.change_server(sim.provider, address=None)
    assert await refused(sim) == (f"{OURS}.unknown_member", REFUSED)


@pytest.mark.parametrize(
    ("server", "code"),
    [
        (str(PROVIDER), "ok"),
        ("VN/GOV/G01/ss2", f"{OURS}.invalid_security_server"),
        ("VN/GOV/G22/ss1", f"{OURS}.invalid_security_server"),  # exists, serves somebody else
    ],
)
async def test_a_wanted_server(sim: InstanceSimulator, server: str, code: str) -> None:
    assert await sim.outcome(headers=(("X-Road-Security-Server", server),)) == code


CERTIFICATE = b"information system"


@pytest.mark.parametrize(
    ("connection", "system", "code"),
    [
        (ConnectionType.HTTP, InformationSystem(tls=False, certificate=None), "ok"),
        (ConnectionType.HTTPS, InformationSystem(tls=True, certificate=None), "ok"),
        (ConnectionType.HTTPS, InformationSystem(tls=False, certificate=None), f"{OURS}.ssl_authentication_failed"),
        (ConnectionType.MUTUAL_TLS, InformationSystem(tls=True, certificate=CERTIFICATE), "ok"),
        (ConnectionType.MUTUAL_TLS, InformationSystem(tls=True, certificate=None), f"{OURS}.ssl_authentication_failed"),
        (ConnectionType.MUTUAL_TLS, InformationSystem(tls=True, certificate=b"?"), f"{OURS}.ssl_authentication_failed"),
        (
            ConnectionType.MUTUAL_TLS,
            InformationSystem(tls=False, certificate=None),
            f"{OURS}.ssl_authentication_failed",
        ),
    ],
)
async def test_the_information_system(
    sim: InstanceSimulator, connection: ConnectionType, system: InformationSystem, code: str
) -> None:
    change_client(sim, connection=connection, certificates=(CERTIFICATE,))
    assert await sim.outcome(system=system) == code


async def test_a_disabled_client_may_not_call(sim: InstanceSimulator) -> None:
    change_client(sim, status=ClientStatus.DISABLED)
    assert await refused(sim) == (f"{OURS}.unknown_member", REFUSED)


def change_client(sim: InstanceSimulator, **changes: object) -> None:
    conf = sim.consumer.conf
    client = replace(conf.clients[DVC], **changes)  # type: ignore[arg-type]
    sim.consumer.conf = replace(conf, clients={**conf.clients, DVC: client})


# --- the provider's server -------------------------------------------------------------------------------------------


async def test_nothing_is_sent_to_a_server_with_a_revoked_certificate(sim: InstanceSimulator) -> None:
    sim.revoke(sim.provider.auth)
    assert await sim.outcome() == f"{OURS}.ssl_authentication_failed"
    assert sim.wire.requests == []


async def test_nothing_is_sent_to_an_unregistered_server(sim: InstanceSimulator) -> None:
    sim.unregister(sim.provider)
    assert await sim.outcome() == f"{OURS}.ssl_authentication_failed"
    assert sim.wire.requests == []


async def test_nothing_is_sent_to_a_server_whose_ocsp_answer_is_old(sim: InstanceSimulator) -> None:
    sim.stale_ocsp()
    assert await sim.outcome() == f"{OURS}.ssl_authentication_failed"
    assert sim.wire.requests == []


async def test_nothing_is_sent_to_the_server_of_somebody_else(sim: InstanceSimulator) -> None:
    sim.wire.provider = sim.consumer.end  # registered, good, and not a server of DANCU
    assert await sim.outcome() == f"{OURS}.ssl_authentication_failed"
    assert sim.wire.requests == []


async def test_a_renewed_certificate_is_taken(sim: InstanceSimulator) -> None:
    assert await sim.outcome() == "ok"
    sim.rotate_auth(sim.provider)
    sim.rotate(sim.provider, POLICE)
    sim.rotate(sim.consumer, PORTAL)
    assert await sim.outcome() == "ok"


async def test_time_passes_and_exchanges_go_on(sim: InstanceSimulator) -> None:
    for _ in range(3):
        assert await sim.outcome() == "ok"
        sim.advance(timedelta(hours=3))


async def test_an_older_configuration_changes_nothing(sim: InstanceSimulator) -> None:
    sim.advance(timedelta(minutes=1))
    before = sim.consumer.current().fingerprint
    with pytest.raises(TrustOutdated):
        sim.rollback(sim.consumer)
    assert sim.consumer.current().fingerprint == before


# --- the answer --------------------------------------------------------------------------------------------------------

VERIFICATION = f"{OURS}.signature_verification"
CHAIN = f"{VERIFICATION}.malformed_signature"
FRAMING = f"{OURS}.service_failed"

# (what is done to the answer, what the information system is told)
ATTACKS_ON_THE_ANSWER: dict[str, tuple[Hand, str]] = {
    "a byte of the status": (tamper(REST_RESPONSE, 2), f"{CHAIN}.invalid_hash_chain"),
    "a byte of a header": (
        substitute(REST_RESPONSE, b"application/json", b"application/jsom"),
        f"{CHAIN}.invalid_hash_chain",
    ),
    "a byte of the body": (tamper(REST_BODY, 3), f"{CHAIN}.invalid_hash_chain"),
    "a byte more body": (put(REST_BODY, b'{"name":"Tr\xe1\xba\xa7n"} '), f"{CHAIN}.invalid_hash_chain"),
    "an empty body": (put(REST_BODY, b""), f"{CHAIN}.invalid_hash_chain"),
    "no body": (drop_part(REST_BODY), f"{CHAIN}.invalid_reference"),
    "a byte of the chain": (substitute(HASH_CHAIN, b"/attachment1", b"/attachment2"), f"{CHAIN}.invalid_reference"),
    "a byte of the result": (tamper(HASH_CHAIN_RESULT, -1), f"{CHAIN}.malformed_hash_chain"),
    "white space after the result": (extend(HASH_CHAIN_RESULT, b" "), f"{VERIFICATION}.invalid_signature_value"),
    "no chain": (drop_part(HASH_CHAIN, HASH_CHAIN_RESULT), CHAIN),
    "half a chain": (drop_part(HASH_CHAIN), f"{FRAMING}.invalid_content_type"),
    "no signature": (drop_part(SIGNATURE), f"{FRAMING}.missing_signature"),
    "no message": (drop_part(REST_RESPONSE), f"{FRAMING}.invalid_content_type"),
    "the body first": (reorder(REST_RESPONSE, REST_BODY), f"{FRAMING}.invalid_content_type"),
    "the signature first": (reorder(REST_RESPONSE, SIGNATURE), f"{FRAMING}.invalid_content_type"),
    "two bodies": (repeat_part(REST_BODY), f"{FRAMING}.invalid_content_type"),
    "two messages": (repeat_part(REST_RESPONSE), f"{FRAMING}.invalid_content_type"),
    "two signatures": (repeat_part(SIGNATURE), f"{FRAMING}.invalid_message"),
    "an unknown part": (add_part(Part("text/plain", b"x"), before=SIGNATURE), f"{FRAMING}.invalid_content_type"),
    "a part after the signature": (append_part(Part(REST_BODY, b"x")), f"{FRAMING}.invalid_message"),
    "no signature at all in it": (put(SIGNATURE, b""), VERIFICATION),
    "a signature that is no XML": (put(SIGNATURE, b"<xml"), VERIFICATION),
    "a document type": (
        substitute(SIGNATURE, b"<asic:XAdES", b'<!DOCTYPE x [<!ENTITY y "z">]><asic:XAdES'),
        VERIFICATION,
    ),
}


@pytest.mark.parametrize("attack", ATTACKS_ON_THE_ANSWER)
async def test_an_attacked_answer_is_neither_recorded_nor_given_out(sim: InstanceSimulator, attack: str) -> None:
    hand, code = ATTACKS_ON_THE_ANSWER[attack]
    sim.wire.hands_on_response.append(hand)
    journal = Journal()
    told = await play(sim, journal)
    assert told == code or (code == VERIFICATION and told.startswith(f"{code}.")), told
    assert "log response" not in journal.calls


def uncovered(sim: InstanceSimulator) -> None:
    """The provider signs an answer without a body; a body joins it on the way (X-Road accepts this; reference 4.4, gap)."""
    sim.service.reply = replace(sim.service.reply, body=None)
    sim.wire.hands_on_response.append(add_part(Part(REST_BODY, b'{"name":"forged"}'), before=SIGNATURE))


async def test_a_body_that_no_signature_covers(sim: InstanceSimulator) -> None:
    uncovered(sim)
    told = await sim.outcome()
    assert told.startswith(f"{VERIFICATION}."), told


async def test_an_answer_that_another_member_signed(sim: InstanceSimulator) -> None:
    sim.provider.signing[POLICE] = sim.consumer.signing[JUSTICE]
    assert await sim.outcome() == f"{VERIFICATION}.incorrect_certificate"


async def test_an_answer_signed_with_the_tls_certificate(sim: InstanceSimulator) -> None:
    sim.provider.signing[POLICE] = sim.provider.auth
    assert await sim.outcome() == f"{CHAIN}"


async def test_an_answer_of_a_ca_that_nobody_approved(sim: InstanceSimulator) -> None:
    sim.provider.signing[POLICE] = sim.issue_signing(POLICE, PROVIDER, sim.foreign_ca())
    told = await sim.outcome()
    assert told == f"{VERIFICATION}.cannot_create_cert_path", told


async def test_an_answer_of_a_ca_for_authentication_only(sim: InstanceSimulator) -> None:
    (ca,) = sim.shared.approved_cas
    sim.change(approved_cas=(replace(ca, authentication_only=True),))
    told = await sim.outcome()  # the provider, which asks first, refuses the request for the same reason
    assert told.startswith("server.serverproxy.signature_verification."), told


async def test_an_answer_signed_with_a_revoked_certificate(sim: InstanceSimulator) -> None:
    sim.revoke(sim.provider.signing[POLICE])
    assert await sim.outcome() == f"{VERIFICATION}.invalid_cert_path.cert_validation"


async def test_an_answer_with_an_old_ocsp_value(sim: InstanceSimulator) -> None:
    serial = sim.provider.signing[POLICE].certificate.serial_number
    old = sim.provider.ocsp_answers[serial]
    sim.advance(timedelta(hours=2))
    sim.provider.ocsp_answers[serial] = old
    assert await sim.outcome() == f"{VERIFICATION}.invalid_cert_path.incorrect_validation_info"


async def test_a_revocation_shows_when_the_old_answer_ends(sim: InstanceSimulator) -> None:
    """Where its authority cannot be asked: an OCSP answer lives as long as the instance allows (reference 4.6)."""
    sim.revoke(sim.provider.signing[POLICE], refresh=False)
    assert await sim.outcome() == "ok"
    sim.advance(timedelta(hours=2))
    assert await sim.outcome() == f"{VERIFICATION}.invalid_cert_path.cert_validation"


async def test_a_revocation_shows_at_once_when_we_were_told_ourselves(sim: InstanceSimulator) -> None:
    await sim.call()
    sim.consumer.revoked.add(der(sim.provider.signing[POLICE].certificate))
    assert await sim.outcome() == f"{VERIFICATION}.invalid_cert_path.cert_validation"
    sim.consumer.revoked.lift(der(sim.provider.signing[POLICE].certificate))
    assert await sim.outcome() == "ok"
    sim.consumer.revoked.add(der(sim.provider.auth.certificate))
    assert await sim.outcome() == f"{OURS}.ssl_authentication_failed"


# --- validly signed, and not the answer to this request ----------------------------------------------------------------


async def test_yesterdays_answer(sim: InstanceSimulator) -> None:
    await sim.call()
    (yesterday,) = sim.wire.answers
    sim.wire.hands_on_response.append(lambda _: yesterday)
    assert await sim.outcome() == f"{OURS}.inconsistent_response"


async def test_the_answer_to_somebody_elses_request(sim: InstanceSimulator) -> None:
    """Two questions at once; the network swaps the answers."""
    await sim.call(target="/r1/VN/GOV/G01/dancu/person/v1/persons/999300000025")
    (other,) = sim.wire.answers
    sim.wire.hands_on_response.append(lambda _: other)
    assert await sim.outcome() == f"{OURS}.inconsistent_response"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("client", HOTICH),
        ("service", None),
        ("message_id", "VN-other"),
        ("request_id", "other"),
        ("request_hash", bytes(64)),
    ],
)
async def test_a_provider_that_answers_something_else(
    sim: InstanceSimulator, monkeypatch: pytest.MonkeyPatch, field: str, value: object
) -> None:
    """A provider's server that signs what it should not: everything verifies, one of the five bonds is wrong."""
    from gateway.core.messages import rest
    from gateway.exchange import server_side

    def lying(request: rest.RestRequest, **kwargs: object) -> rest.RestResponse:
        if field == "request_hash":
            kwargs["request_hash"] = value
        elif field == "service":
            request = replace(request, service=replace(request.service, service_code="persons"))
        else:
            request = replace(request, **{field: value})  # type: ignore[arg-type]
        return rest.build_response(request, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(server_side, "build_response", lying)
    journal = Journal()
    assert await play(sim, journal) == f"{OURS}.inconsistent_response"
    assert "log response" not in journal.calls


async def test_the_answer_says_which_bond_is_wrong(sim: InstanceSimulator) -> None:
    await sim.call(body=b"one", verb="POST")
    (first,) = sim.wire.answers
    sim.wire.hands_on_response.append(lambda _: first)
    with pytest.raises(GatewayError) as refused_:
        await sim.call(body=b"two", verb="POST")
    assert "message id, request id, request hash differ" in refused_.value.safe_detail


# --- a peer that says something that is no answer ------------------------------------------------------------------------

NO_ANSWER = TransportMessage(MessageKind.REST, (), b"", (), 0, None, None, None, None)


class Saying:
    """A Peer port that answers with whatever it was given."""

    def __init__(self, message: TransportMessage) -> None:
        self._message = message

    async def send(self, request: object) -> PeerReply:
        return PeerReply(self._message, None)


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (replace(NO_ANSWER, kind=MessageKind.SOAP, signature=b"x"), f"{OURS}.missing_rest"),
        (NO_ANSWER, f"{OURS}.missing_signature"),
        (replace(NO_ANSWER, signature=b"x", part=b"nonsense"), f"{OURS}.service_failed.invalid_rest"),
        (replace(NO_ANSWER, kind=MessageKind.FAULT, fault=b"<x/>"), f"{OURS}.invalid_soap"),
        (replace(NO_ANSWER, kind=MessageKind.FAULT, fault=b"<x"), f"{OURS}.invalid_xml"),
    ],
)
async def test_no_answer(sim: InstanceSimulator, message: TransportMessage, code: str) -> None:
    sim.client_side = replace(sim.client_side, peer=Saying(message))
    assert await sim.outcome() == code


# --- what a good exchange establishes -------------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE"])
@pytest.mark.parametrize("body", [None, b"{}", b"x" * 10_000], ids=["none", "small", "spooled"])
async def test_what_was_asked_is_what_is_answered(sim: InstanceSimulator, verb: str, body: bytes | None) -> None:
    logged = await sim.call(verb, TARGET + "?a=b%20c", body=body)
    answer = logged.authentic
    assert answer.signer.member == POLICE
    assert (answer.response.status, read_body(answer.parts.body)) == (200, b'{"name":"Tr\xe1\xba\xa7n"}')
    (served,) = sim.service.calls
    assert served.incoming.request == answer.request.signed.received.request
    assert served.authorized.authentic.peer == sim.consumer.id
    assert served.authorized.authentic.signer.member == PORTAL


@pytest.mark.slow
@pytest.mark.parametrize("key_type", [KeyType.RSA_2048, KeyType.EC_P384])
async def test_other_kinds_of_keys(key_type: KeyType) -> None:
    sim = InstanceSimulator(key_type=key_type)
    assert await sim.outcome("POST", body=b"{}") == "ok"
    sim.wire.hands_on_response.append(tamper(REST_BODY, 1))
    assert await sim.outcome("POST", body=b"{}") == f"{CHAIN}.invalid_hash_chain"


async def test_the_observer_hears_of_each_exchange_once(sim: InstanceSimulator) -> None:
    await sim.call()
    sim.expire()
    await sim.outcome()
    summaries = sim.consumer.seen.summaries
    assert [(s.side, s.outcome, s.status) for s in summaries] == [
        ("client", "ok", 200),
        ("client", "global_conf_outdated", None),
    ]
    assert (summaries[0].client, summaries[0].service) == (str(DVC), f"{DANCU}/person")
    assert [[stage for stage, _ in s.stages] for s in summaries] == [
        ["admit", "sign", "log", "send", "verify", "log_response"],
        ["admit"],
    ]
    assert all(seconds >= 0 for s in summaries for _, seconds in s.stages)


async def test_a_second_exchange_checks_no_certificate_again(sim: InstanceSimulator) -> None:
    """Verdicts are remembered, messages are not."""
    for _ in range(3):
        await sim.call()
    for verdicts in (sim.consumer.signer_verdicts, sim.provider.signer_verdicts):
        assert (verdicts.misses, verdicts.hits) == (1, 2)
    for peers in (sim.consumer.peer_verdicts, sim.provider.peer_verdicts):
        assert (peers.misses, peers.hits) == (1, 2)


async def test_a_malformed_call_is_refused_before_the_first_port_that_acts(sim: InstanceSimulator) -> None:
    with pytest.raises(MalformedMessage):
        await sim.call("FETCH")
    assert sim.wire.requests == []
