"""The provider's side with rules for content: a signed document by policy, the reason of a return; what is recorded of each."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from dataclasses import replace

import pytest
from cryptography.x509.oid import NameOID

from gateway.core.content.document import DocumentRule, FacilityPlace
from gateway.core.content.finding import Policy
from gateway.core.content.rules import EndpointRules, content_rules
from gateway.core.disclosure.contract import path_template
from gateway.core.errors import EvidenceUnavailable
from gateway.core.subjects.pointer import FromPointer
from gateway.core.subjects.xpath import FromXPath
from gateway.exchange.states import ServiceReply
from tests.support.documents import BAD, FACILITY, OLDEST, Bad, Documents, notice
from tests.support.journal import Journal
from tests.support.simulator import DANCU, InstanceSimulator
from tests.unit.core.content.test_returns import RULE as RETURNS
from tests.unit.core.content.test_returns import returned

THEIRS = "server.serverproxy"
SERVICE = "/r1/VN/GOV/G01/dancu/person"
NOTICES = f"{SERVICE}/v1/notices"
OUTCOME = f"{SERVICE}/v1/dossiers/HS-1/legs/birth/outcome"
START = ("time", "globalconf", "serverconf")
REFUSAL = (*START, "log refusal")
LARGEST = 1 << 18


@pytest.fixture(scope="module")
def world() -> Documents:
    return Documents()


@pytest.fixture
def sim(world: Documents) -> InstanceSimulator:
    simulator = InstanceSimulator()
    simulator.clock.now = world.now
    simulator.publish()
    simulator.refresh_ocsp()
    demand(simulator, world, Policy.BLOCK)
    return simulator


def demand(sim: InstanceSimulator, world: Documents, policy: Policy) -> None:
    facility = FacilityPlace(
        FromXPath("/n:notice/n:facility/@code", (("n", "urn:example:notice"),)),
        re.compile("[0-9]{5}"),
        NameOID.SERIAL_NUMBER,
    )
    document = DocumentRule(policy, None, world.trust, LARGEST, OLDEST, facility)
    rules = content_rules(
        (
            EndpointRules("POST", path_template("/v1/notices"), document),
            EndpointRules("POST", path_template("/v1/embedded"), replace(document, place=FromPointer("/document"))),
            EndpointRules("POST", path_template("/v1/dossiers/{dossier}/legs/{leg}/outcome"), None, RETURNS),
            EndpointRules("GET", path_template("/v1/notices/{id}")),
        )
    )
    sim.offer_service(replace(sim.provider.conf.clients[DANCU].services["person"], content=rules))


def journal_of(sim: InstanceSimulator) -> Journal:
    journal = Journal()
    sim.server_side = journal.server_side(sim.server_side)
    return journal


def found(sim: InstanceSimulator) -> list[tuple[int, str, str, str, str, bool]]:
    return [(n, f.rule, f.policy.value, f.cause, f.subject, f.refuse) for n, f in sim.provider.log.findings]


def decisions(sim: InstanceSimulator) -> list[str | None]:
    return [stored.record.decision for stored in sim.provider.log.records if stored.record.kind == "request"]


async def test_a_good_document_is_delivered_as_it_came(sim: InstanceSimulator, world: Documents) -> None:
    document = world.signed()
    response = await sim.call("POST", NOTICES, body=document)
    (call,) = sim.service.calls
    assert call.incoming.parts.body is not None
    assert call.incoming.parts.body.inline == document
    assert found(sim) == [(1, "document", "block", "good", FACILITY, False)]
    assert sim.provider.seen.summaries[0].findings == tuple(f for _, f in sim.provider.log.findings)
    assert b"Document-Check" not in response.authentic.parts.part


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD.keys())
async def test_blocked(sim: InstanceSimulator, world: Documents, bad: Bad) -> None:
    journal = journal_of(sim)
    code = f"invalid_document.{bad.cause.value}"
    assert await sim.outcome("POST", NOTICES, body=bad.make(world)) == f"{THEIRS}.{code}"
    assert tuple(journal.calls) == REFUSAL
    assert sim.service.calls == []
    assert decisions(sim) == [f"refused:{code}"]
    ((number, *facts),) = found(sim)
    assert (number, facts[1:3], facts[4]) == (1, ["block", bad.cause.value], True)


@pytest.mark.parametrize("bad", ["altered", "wrapped", "wrong-certificate", "expired", "unsigned", "external-entity"])
@pytest.mark.parametrize("policy", [Policy.OBSERVE, Policy.WARN])
async def test_tolerated(sim: InstanceSimulator, world: Documents, policy: Policy, bad: str) -> None:
    demand(sim, world, policy)
    sim.service.reply = ServiceReply(200, "OK", [("Document-Check", "fine, says the service")], None)
    response = await sim.call("POST", NOTICES, body=BAD[bad].make(world))
    assert len(sim.service.calls) == 1
    cause = BAD[bad].cause.value
    told = [value for name, value in response.authentic.response.headers if name == "Document-Check"]
    assert told == ([f"warn; cause={cause}"] if policy is Policy.WARN else [])
    assert [f[2:4] + f[5:] for f in found(sim)] == [(policy.value, cause, False)]


@pytest.mark.parametrize("policy", Policy)
async def test_a_document_that_is_too_large(sim: InstanceSimulator, world: Documents, policy: Policy) -> None:
    demand(sim, world, policy)
    blocked = policy is Policy.BLOCK
    told = f"{THEIRS}.invalid_document.too_large" if blocked else "ok"
    assert await sim.outcome("POST", NOTICES, body=b" " * (LARGEST + 1)) == told
    assert found(sim) == [(1, "document", policy.value, "too_large", "", blocked)]
    assert len(sim.service.calls) == (not blocked)


async def test_a_large_document_is_judged_beside_the_loop(sim: InstanceSimulator, world: Documents) -> None:
    document = world.signed(notice(extra=f"<scan>{'A' * 100_000}</scan>"))
    assert await sim.outcome("POST", NOTICES, body=document) == "ok"
    assert await sim.outcome("POST", NOTICES, body=document.replace(b"AAAA", b"AAAB", 1)) == (
        f"{THEIRS}.invalid_document.altered"
    )


async def test_a_document_inside_json(sim: InstanceSimulator, world: Documents) -> None:
    for document, told in ((world.signed(), "ok"), (notice().encode(), f"{THEIRS}.invalid_document.unsigned")):
        body = json.dumps({"document": b64encode(document).decode()}).encode()
        assert await sim.outcome("POST", f"{SERVICE}/v1/embedded", body=body) == told
    assert await sim.outcome("POST", f"{SERVICE}/v1/embedded") == f"{THEIRS}.invalid_document.malformed"


@pytest.mark.parametrize(
    ("body", "told", "subject"),
    [
        ({"outcome": "done"}, None, None),
        (returned(code="MISMATCH", legal_reference="LAW-1"), "good", "MISMATCH"),
        (returned(code="PAPER", legal_reference="LAW-1"), "unlawful_demand", "PAPER"),
        (returned(), "empty", ""),
        (returned(code="khác", legal_reference="LAW-1"), "unknown", ""),
        (returned(code="MISMATCH", legal_reference="LAW-9"), "legal_reference", "MISMATCH"),
    ],
)
async def test_returns(sim: InstanceSimulator, body: object, told: str | None, subject: str | None) -> None:
    refused = told not in (None, "good", "unlawful_demand")
    outcome = await sim.outcome("POST", OUTCOME, body=json.dumps(body).encode())
    assert outcome == (f"{THEIRS}.invalid_return_reason.{told}" if refused else "ok")
    assert len(sim.service.calls) == (not refused)
    assert found(sim) == ([] if told is None else [(1, "return", "block", told, subject, refused)])


async def test_an_endpoint_that_the_contract_does_not_know(sim: InstanceSimulator, world: Documents) -> None:
    """A trailing slash, which a service may overlook, does not lead around the gate."""
    assert await sim.outcome("POST", f"{NOTICES}/", body=BAD["unsigned"].make(world)) == f"{THEIRS}.access_denied"
    assert await sim.outcome("POST", f"{SERVICE}/v1/other", body=b"{}") == f"{THEIRS}.access_denied"
    assert await sim.outcome("GET", f"{NOTICES}/17") == "ok"
    assert found(sim) == []


async def test_who_has_no_right_is_not_examined(sim: InstanceSimulator, world: Documents) -> None:
    outcome = await sim.outcome("POST", NOTICES, body=notice().encode(), client="VN/GOV/G15/hotich")
    assert outcome == f"{THEIRS}.access_denied"
    assert found(sim) == []


async def test_a_replay_is_not_counted_twice(sim: InstanceSimulator, world: Documents) -> None:
    assert await sim.outcome("POST", NOTICES, body=world.signed()) == "ok"
    await sim.replay()
    assert len(found(sim)) == 1


async def test_no_record_no_count(sim: InstanceSimulator, world: Documents) -> None:
    journal = journal_of(sim)
    journal.fail("log refusal", EvidenceUnavailable("disk full"))
    assert await sim.outcome("POST", NOTICES, body=notice().encode()) == f"{THEIRS}.logging_failed"
    assert found(sim) == []
