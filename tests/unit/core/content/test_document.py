"""The rule of one endpoint: where the document stands, whose it is, what the policy makes of it."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from dataclasses import replace

import pytest
from cryptography.x509.oid import NameOID

from gateway.core.content.document import DocumentRule, FacilityPlace
from gateway.core.content.finding import Policy
from gateway.core.content.rules import MOST_RETURN_BYTES, EndpointRules, content_rules
from gateway.core.disclosure.contract import path_template
from gateway.core.documents.revocation import KnownRevocations
from gateway.core.subjects.pointer import FromPointer
from gateway.core.subjects.xpath import FromXPath
from tests.support.documents import FACILITY, OLDEST, OTHER_FACILITY, Documents, notice
from tests.unit.core.content.test_returns import RULE as RETURNS

KNOWN = KnownRevocations()
PLACE = FacilityPlace(
    FromXPath("/n:notice/n:facility/@code", (("n", "urn:example:notice"),)),
    re.compile("[0-9]{5}"),
    NameOID.SERIAL_NUMBER,
)


@pytest.fixture(scope="module")
def world() -> Documents:
    return Documents()


@pytest.fixture(scope="module")
def rule(world: Documents) -> DocumentRule:
    return DocumentRule(Policy.BLOCK, None, world.trust, 1 << 20, OLDEST, PLACE)


def outcome(rule: DocumentRule, world: Documents, body: bytes | None) -> tuple[str, str]:
    found = rule.examine(body, world.now, KNOWN)
    assert (found.rule, found.policy, found.refuse) == ("document", Policy.BLOCK, found.cause != "good")
    return found.cause, found.subject


def test_the_body_is_the_document(world: Documents, rule: DocumentRule) -> None:
    assert outcome(rule, world, world.signed()) == ("good", FACILITY)
    assert outcome(rule, world, notice().encode()) == ("unsigned", FACILITY)
    assert outcome(rule, world, None) == outcome(rule, world, b"") == ("unsigned", "")


def test_a_facility_signs_for_itself(world: Documents, rule: DocumentRule) -> None:
    for_another = world.signed(notice(OTHER_FACILITY))
    assert outcome(rule, world, for_another) == ("untrusted", OTHER_FACILITY)
    anybody = replace(rule, facility=replace(PLACE, attribute=None))
    assert outcome(anybody, world, for_another) == ("good", OTHER_FACILITY)
    assert outcome(replace(rule, facility=None), world, for_another) == ("good", "")


@pytest.mark.parametrize("code", ["999300000017", "", "Trần Văn An", "9990"])
def test_what_is_no_facility_code_is_not_kept(world: Documents, rule: DocumentRule, code: str) -> None:
    assert outcome(rule, world, notice(code).encode()) == ("unsigned", "")
    assert outcome(rule, world, world.signed(notice(code))) == ("untrusted", "")


def test_two_facilities_are_none(world: Documents, rule: DocumentRule) -> None:
    document = notice(extra='<facility code="99902"/>')
    assert outcome(rule, world, world.signed(document)) == ("untrusted", "")


def test_base64_in_json(world: Documents, rule: DocumentRule) -> None:
    inside = replace(rule, place=FromPointer("/notice/document"))

    def body(text: object) -> bytes:
        return json.dumps({"notice": {"document": text}}).encode()

    encoded = b64encode(world.signed()).decode()
    assert outcome(inside, world, body(encoded)) == ("good", FACILITY)
    assert outcome(inside, world, body("\r\n".join(re.findall(".{1,64}", encoded)))) == ("good", FACILITY)
    assert outcome(inside, world, body(None)) == outcome(inside, world, b"{}") == ("unsigned", "")
    for unreadable in (body("<notice/>"), body(encoded[:-1]), body(7), b'{"notice": {', None):
        assert outcome(inside, world, unreadable) == ("malformed", "")


def test_base64_in_xml(world: Documents, rule: DocumentRule) -> None:
    inside = replace(rule, place=FromXPath("/letter/document"))
    encoded = b64encode(world.signed())
    assert outcome(inside, world, b"<letter><document>" + encoded + b"</document></letter>") == ("good", FACILITY)
    assert outcome(inside, world, b"<letter/>") == ("unsigned", "")
    assert outcome(inside, world, encoded) == ("malformed", "")


def test_sizes(world: Documents, rule: DocumentRule) -> None:
    document = world.signed()
    small = replace(rule, largest=len(document) - 1)
    assert outcome(small, world, document) == ("too_large", "")
    inside = replace(small, place=FromPointer("/d"))
    assert outcome(inside, world, json.dumps({"d": b64encode(document).decode()}).encode()) == ("too_large", "")
    endpoint = EndpointRules("POST", path_template("/v1/notices"), small)
    (found,) = endpoint.examine(None, 100 << 20, world.now, KNOWN)  # never read
    assert (found.cause, found.refuse) == ("too_large", True)


def test_both_rules_of_an_endpoint(world: Documents, rule: DocumentRule) -> None:
    endpoint = EndpointRules("POST", path_template("/v1/x"), rule, RETURNS)
    assert endpoint.most_bytes == MOST_RETURN_BYTES == rule.most_bytes
    assert [f.cause for f in endpoint.examine(world.signed(), 10, world.now, KNOWN)] == ["good", "unreadable"]
    large = EndpointRules("POST", path_template("/v1/x"), replace(rule, largest=8 << 20), RETURNS)
    assert [f.cause for f in large.examine(world.signed(), 2 << 20, world.now, KNOWN)] == ["good", "unreadable"]


def test_which_endpoint(rule: DocumentRule) -> None:
    anything = EndpointRules("POST", path_template("/v1/**"))
    exact = EndpointRules("POST", path_template("/v1/notices"), rule)
    rules = content_rules((anything, exact))
    assert rules is not None
    assert rules.find("POST", ("v1", "notices")) is exact
    assert rules.find("POST", ("v1", "notices", "")) is anything
    assert rules.find("PUT", ("v1", "notices")) is None
    assert content_rules((anything,)) is None
