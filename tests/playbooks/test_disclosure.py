"""The provider's side with a contract: whom a call is about, for what, and what stands in the records when something fails."""

from __future__ import annotations

import pytest

from gateway.core.disclosure.about import MOST_BYTES
from gateway.core.disclosure.contract import EndpointContract, Purpose, Sensitivity, path_template
from gateway.core.disclosure.leaf import check_opening, open_field
from gateway.core.disclosure.promise import promise_of
from gateway.core.disclosure.record import Field
from gateway.core.errors import EvidenceUnavailable, MalformedMessage, ReplayedRequest, ServiceUnavailable
from gateway.core.serverconf.model import BASE_ENDPOINT, AccessRight, Endpoint
from gateway.core.subjects import LOCATORS
from gateway.core.subjects.extract import SubjectRule
from gateway.exchange.disclosure import _content
from gateway.exchange.states import ServiceReply
from gateway.transport.spool import InlineBody
from tests.support.journal import Journal
from tests.support.log_states import PatternBody
from tests.support.simulator import DVC, TARGET, InstanceSimulator

AN, BINH, CHI = "999300000017", "999204000058", "999173000034"
THEIRS = "server.serverproxy"
KIND = "vn-personal-number"
ONE, TWO = Purpose("ONE", ("LAW-1",)), Purpose("TWO", ("LAW-1", "LAW-2"))
HOUSEHOLD = "/r1/VN/GOV/G01/dancu/person/v1/households/H1"
STATISTICS = "/r1/VN/GOV/G01/dancu/person/v1/statistics/2026"
VERIFY = "/r1/VN/GOV/G01/dancu/person/v1/verify"

START = ("time", "globalconf", "serverconf")
SIGNING = ("time", "globalconf", "credential", "sign", "log reply")
WHOLE = (*START, "room", "log request", "service", "log found", "release", *SIGNING)
DISK_FULL = EvidenceUnavailable("disk full")


def rule(locator: str, *args: str, in_answer: bool = False) -> SubjectRule:
    return SubjectRule(LOCATORS[locator](*args), KIND, in_answer)


def endpoint(
    call: str, *rules: SubjectRule, sensitivity: Sensitivity = "ordinary", purposes: tuple[Purpose, ...] = (ONE, TWO)
) -> EndpointContract:
    method, template = call.split(" ")
    about = ("identity",) if rules else ()
    return EndpointContract(method, path_template(template), about, purposes if rules else (), rules, sensitivity)


CONTRACT = (
    endpoint("GET /v1/persons/{id}", rule("path", "id")),
    endpoint("POST /v1/verify", rule("pointer", "/ids/*"), sensitivity="sensitive"),
    endpoint("GET /v1/households/{code}", rule("pointer", "/members/*/id", in_answer=True)),
    endpoint("GET /v1/kin/{id}", rule("path", "id"), rule("pointer", "/*", in_answer=True)),
    endpoint("GET /v1/statistics/**"),
)


@pytest.fixture
def sim() -> InstanceSimulator:
    simulator = InstanceSimulator()
    simulator.declare(*CONTRACT)
    simulator.allow(AccessRight(DVC, "person", BASE_ENDPOINT, ("ONE",)))
    return simulator


def journal_of(sim: InstanceSimulator) -> Journal:
    journal = Journal()
    sim.server_side = journal.server_side(sim.server_side)
    return journal


def records(sim: InstanceSimulator) -> list[tuple[str, str, str, str]]:
    """Person, outcome, purpose and legal basis, in the order of the series."""
    entries = [s.entry for s in sim.provider.log.entries]
    return [
        (e.person.number, e.fields[Field.OUTCOME], e.fields[Field.PURPOSE], e.fields[Field.LEGAL_BASIS])
        for e in entries
    ]


def answers(sim: InstanceSimulator, body: bytes, status: int = 200) -> None:
    sim.service.reply = ServiceReply(status, "OK", [("Content-Type", "application/json")], InlineBody(body))


GRANTED = (AN, "granted", "ONE", "LAW-1")


async def test_the_order_of_a_good_exchange(sim: InstanceSimulator) -> None:
    journal = journal_of(sim)
    assert await sim.outcome() == "ok"  # an unmodified client: the right supplies the purpose
    assert tuple(journal.calls) == WHOLE
    assert records(sim) == [GRANTED]


async def test_what_the_record_says(sim: InstanceSimulator) -> None:
    await sim.call(headers=(("X-Road-UserId", "nguyen.van.b"), ("X-Road-Issue", "HS-12")))
    (stored,) = sim.provider.log.entries
    request, _ = sim.provider.log.records
    fields = stored.entry.fields
    assert stored.message_number == request.number
    assert (fields[Field.CONSUMER], fields[Field.SERVICE]) == ("VN/GOV/G22/dvc", "VN/GOV/G01/dancu/person")
    assert (fields[Field.CASE], fields[Field.CATEGORIES], fields[Field.FOLLOWS]) == ("HS-12", "identity", "")
    assert fields[Field.OFFICIAL]
    assert "nguyen" not in "".join(fields)
    assert AN not in "".join(fields)
    for index in range(16):
        check_opening(stored.entry.leaf, open_field(stored.entry.seed, fields, index))


async def test_the_promise_is_signed_and_reaches_the_consumer(sim: InstanceSimulator) -> None:
    answers(sim, b"{}")
    sim.service.reply = ServiceReply(200, "OK", [("Access-Record", "forged")], None)
    response = await sim.call()
    promise = promise_of(response.authentic.response.headers)
    assert promise is not None
    assert promise.leaves == tuple(s.entry.leaf_hash for s in sim.provider.log.entries)
    assert b"forged" not in response.authentic.parts.part


async def test_the_purpose_that_the_consumer_states(sim: InstanceSimulator) -> None:
    sim.allow(AccessRight(DVC, "person", BASE_ENDPOINT))  # every purpose of the contract
    stated = (("Purpose-Code", "TWO"), ("Legal-Basis", "LAW-2"))
    assert await sim.outcome(headers=stated) == "ok"
    assert records(sim) == [(AN, "granted", "TWO", "LAW-2")]


# --- refusals are records too ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "claimed"),
    [
        ((("Purpose-Code", "TWO"), ("Legal-Basis", "LAW-2")), ("TWO", "LAW-2")),  # of the contract, not of the right
        ((("Purpose-Code", "THREE"),), ("", "")),
        ((("Purpose-Code", "ONE"), ("Legal-Basis", "LAW-2")), ("ONE", "")),
    ],
)
async def test_a_purpose_that_is_not_allowed(
    sim: InstanceSimulator, headers: tuple[tuple[str, str], ...], claimed: tuple[str, str]
) -> None:
    journal = journal_of(sim)
    assert await sim.outcome(headers=headers) == f"{THEIRS}.access_denied"
    assert tuple(journal.calls) == (*START, "room", "log refusal")
    assert records(sim) == [(AN, "refused", *claimed)]
    assert [r.record.decision for r in sim.provider.log.records] == ["refused:access_denied"]


async def test_an_attempt_without_a_right_is_shown_to_the_citizen(sim: InstanceSimulator) -> None:
    assert await sim.outcome(client="VN/GOV/G15/hotich") == f"{THEIRS}.access_denied"
    ((person, outcome, *_),) = records(sim)
    assert (person, outcome) == (AN, "refused")
    assert sim.service.calls == []


async def test_two_rights_with_a_purpose_each(sim: InstanceSimulator) -> None:
    sim.allow(
        AccessRight(DVC, "person", BASE_ENDPOINT, ("ONE",)),
        AccessRight(DVC, "person", Endpoint("GET", "/v1/persons/*"), ("TWO",)),
    )
    assert await sim.outcome() == f"{THEIRS}.access_denied"  # which of the two?
    assert await sim.outcome(headers=(("Purpose-Code", "ONE"),)) == "ok"


# --- whom it is about -----------------------------------------------------------------------------------------------------

UNREADABLE = {
    "no number": ("GET", "/r1/VN/GOV/G01/dancu/person/v1/persons/me", None),
    "a number in other words": ("GET", f"/r1/VN/GOV/G01/dancu/person/v1/persons/{AN};v=1", None),
    "no body": ("POST", VERIFY, None),
    "no JSON": ("POST", VERIFY, b"ids"),
    "nobody": ("POST", VERIFY, b'{"ids":[]}'),
    "a key twice": ("POST", VERIFY, f'{{"ids":["{AN}"],"ids":["{BINH}"]}}'.encode()),
}


@pytest.mark.parametrize("case", UNREADABLE)
async def test_a_request_that_does_not_say_whom_it_is_about(sim: InstanceSimulator, case: str) -> None:
    verb, target, body = UNREADABLE[case]
    journal = journal_of(sim)
    assert await sim.outcome(verb, target, body=body) == f"{THEIRS}.invalid_request"
    assert tuple(journal.calls) == (*START, "log refusal")
    assert records(sim) == []
    assert sim.service.calls == []


@pytest.mark.parametrize("verb", ["HEAD", "DELETE"])
async def test_a_call_that_the_contract_does_not_know(sim: InstanceSimulator, verb: str) -> None:
    assert await sim.outcome(verb) == f"{THEIRS}.access_denied"
    assert sim.service.calls == []


async def test_several_persons_have_a_record_each(sim: InstanceSimulator) -> None:
    response = await sim.call("POST", VERIFY, body=f'{{"ids":["{AN}","{BINH}","{AN}"]}}'.encode())
    assert [r[0] for r in records(sim)] == [AN, BINH]
    one, other = (s.entry for s in sim.provider.log.entries)
    assert one.seed != other.seed
    assert one.record_id != other.record_id
    assert BINH not in "".join(one.fields)
    promise = promise_of(response.authentic.response.headers)
    assert promise is not None
    assert len(promise.leaves) == 2


async def test_a_large_body_is_read_where_it_lies_up_to_a_limit() -> None:
    assert await _content(PatternBody(300_000)) == PatternBody(300_000).whole()
    with pytest.raises(MalformedMessage):
        await _content(PatternBody(MOST_BYTES + 1))


async def test_an_endpoint_about_nobody(sim: InstanceSimulator) -> None:
    journal = journal_of(sim)
    response = await sim.call("GET", STATISTICS)
    assert tuple(journal.calls) == tuple(c for c in WHOLE if c != "room")
    assert records(sim) == []
    assert promise_of(response.authentic.response.headers) is None


# --- persons found in the answer ------------------------------------------------------------------------------------------


async def test_persons_found_in_the_answer(sim: InstanceSimulator) -> None:
    journal = journal_of(sim)
    answers(sim, f'{{"members":[{{"id":"{AN}"}},{{"id":"{BINH}"}}]}}'.encode())
    response = await sim.call("GET", HOUSEHOLD)
    assert tuple(journal.calls) == WHOLE
    assert records(sim) == [GRANTED, (BINH, "granted", "ONE", "LAW-1")]
    found = sim.provider.log.entries
    promise = promise_of(response.authentic.response.headers)
    assert promise is not None
    assert promise.leaves == tuple(s.entry.leaf_hash for s in found)
    assert {s.message_number for s in found} == {sim.provider.log.records[0].number}
    body = response.authentic.parts.body
    assert body is not None
    assert {s.entry.fields[Field.RESPONSE_HASH] for s in found} == {body.digest.value.hex()}


async def test_who_was_named_already_has_no_second_record(sim: InstanceSimulator) -> None:
    answers(sim, f'["{BINH}","{AN}","{CHI}"]'.encode())
    await sim.call("GET", f"/r1/VN/GOV/G01/dancu/person/v1/kin/{AN}")
    assert [r[0] for r in records(sim)] == [AN, BINH, CHI]


async def test_an_answer_without_data_names_nobody(sim: InstanceSimulator) -> None:
    answers(sim, b'{"title":"Not Found"}', status=404)
    assert await sim.outcome("GET", HOUSEHOLD) == "ok"
    assert records(sim) == []


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"members":[]}', b'{"members":[{"id":null}]}', b" " * (2 << 20)])
async def test_an_answer_in_which_persons_cannot_be_told_is_not_given_out(sim: InstanceSimulator, body: bytes) -> None:
    journal = journal_of(sim)
    answers(sim, body)
    assert await sim.outcome("GET", HOUSEHOLD) == f"{THEIRS}.invalid_response"
    assert tuple(journal.calls) == (*START, "room", "log request", "service", "log failure")
    assert sim.wire.answers == []


# --- each port failing ----------------------------------------------------------------------------------------------------

FAILED = (AN, "failed", "ONE", "LAW-1")
# which call fails, with what, what the consumer is told, which calls were made, which records stand when it failed afterwards
FAILURES = [
    ("room", EvidenceUnavailable("behind"), "logging_failed", WHOLE[:4], []),
    ("log request", DISK_FULL, "logging_failed", WHOLE[:5], [GRANTED]),
    ("log request", ReplayedRequest("again"), "replayed_request", WHOLE[:5], [GRANTED]),
    ("service", ServiceUnavailable("no"), "network_error", (*WHOLE[:6], "log failure"), [GRANTED, FAILED]),
    ("log found", DISK_FULL, "logging_failed", WHOLE[:7], [GRANTED]),
    ("release", EvidenceUnavailable("not in the log"), "logging_failed", WHOLE[:8], [GRANTED]),
    ("sign", DISK_FULL, "logging_failed", WHOLE[:12], [GRANTED]),
    ("log reply", DISK_FULL, "logging_failed", WHOLE, [GRANTED]),
]


@pytest.mark.parametrize("kept", [False, True], ids=["lost", "kept"])
@pytest.mark.parametrize(("call", "error", "told", "made", "stand"), FAILURES, ids=[f"{c[0]}-{c[2]}" for c in FAILURES])
async def test_each_port_failing(
    sim: InstanceSimulator,
    call: str,
    error: Exception,
    told: str,
    made: tuple[str, ...],
    stand: list[tuple[str, str, str, str]],
    kept: bool,
) -> None:
    journal = journal_of(sim)
    journal.fail(call, error, kept=kept)
    assert await sim.outcome() == f"{THEIRS}.{told}"
    assert tuple(journal.calls) == made
    assert sim.wire.answers == []
    assert records(sim) == (stand if kept or call != "log request" else [])


async def test_a_failure_follows_the_record_of_what_was_granted(sim: InstanceSimulator) -> None:
    journal = journal_of(sim)
    journal.fail("service", ServiceUnavailable("refused"))
    await sim.outcome()
    granted, failed = (s.entry for s in sim.provider.log.entries)
    assert failed.fields[Field.FOLLOWS] == str(granted.record_id)
    assert failed.person == granted.person


async def test_a_failure_that_cannot_be_recorded(sim: InstanceSimulator) -> None:
    journal = journal_of(sim)
    journal.fail("service", ServiceUnavailable("refused"))
    journal.fail("log failure", DISK_FULL)
    assert await sim.outcome() == f"{THEIRS}.logging_failed"


async def test_the_public_log_too_far_behind(sim: InstanceSimulator) -> None:
    """Nothing about persons is served, nothing recorded of it; what is about nobody goes on."""
    sim.disclosure.full = {"ordinary", "sensitive"}
    assert await sim.outcome() == f"{THEIRS}.logging_failed"
    assert sim.provider.log.records == []
    assert await sim.outcome("GET", STATISTICS) == "ok"


async def test_the_public_log_behind_on_a_server_that_degrades(sim: InstanceSimulator) -> None:
    sim.disclosure.full = {"sensitive"}
    assert await sim.outcome() == "ok"
    assert await sim.outcome("POST", VERIFY, body=f'{{"ids":["{AN}"]}}'.encode()) == f"{THEIRS}.logging_failed"


async def test_a_replay_adds_no_record(sim: InstanceSimulator) -> None:
    await sim.call()
    await sim.replay()
    assert records(sim) == [GRANTED]


async def test_the_path_is_nowhere_but_in_the_message(sim: InstanceSimulator) -> None:
    await sim.outcome("GET", TARGET)
    assert AN not in repr(sim.provider.seen.summaries)
    assert AN not in repr(sim.provider.log.entries)
