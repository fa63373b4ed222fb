"""What is read for the rules of an endpoint, and what is not."""

from __future__ import annotations

from datetime import timedelta

import pytest

from gateway.core.content.document import DocumentRule
from gateway.core.content.finding import Policy
from gateway.core.content.rules import EndpointRules, content_rules
from gateway.core.disclosure.contract import path_template
from gateway.core.documents.revocation import RevocationRule, Source
from gateway.core.documents.verify import trust_list
from gateway.core.serverconf.access import Grant
from gateway.core.serverconf.model import Service, ServiceKind
from gateway.exchange.examination import ContentRefused, examine
from gateway.exchange.states import AuthorizedRequest, ExaminedRequest
from gateway.transport.spool import Spool
from tests.support.documents import OLDEST, Documents
from tests.support.log_states import NOW, PatternBody, authentic_request
from tests.support.revocations import KnownToTest


def authorized(policy: Policy, body: PatternBody) -> AuthorizedRequest:
    rule = DocumentRule(policy, None, trust_list([]), 4 << 20, timedelta(days=30))
    content = content_rules((EndpointRules("POST", path_template("/v1/persons"), rule),))
    service = Service("person", ServiceKind.REST, "http://127.0.0.1:1/", content=content)
    return AuthorizedRequest(authentic_request(body=body), service, Grant("test"), None)


@pytest.mark.parametrize("policy", Policy)
async def test_100_megabytes_are_judged_by_their_size(policy: Policy) -> None:
    body = PatternBody(100 << 20)
    result = await examine(authorized(policy, body), KnownToTest())
    assert body.readings == 0
    assert [(f.cause, f.refuse) for f in result.findings] == [("too_large", policy is Policy.BLOCK)]
    assert isinstance(result, ContentRefused if policy is Policy.BLOCK else ExaminedRequest)


async def test_a_spooled_body_is_read_once() -> None:
    body = PatternBody(300_000)
    result = await examine(authorized(Policy.BLOCK, body), KnownToTest())
    assert body.readings == 1
    assert isinstance(result, ContentRefused)
    assert (result.code, result.findings[0].cause) == ("invalid_document.malformed", "malformed")


async def test_a_service_without_rules_is_not_looked_into() -> None:
    body = PatternBody(300_000)
    service = Service("person", ServiceKind.REST, "http://127.0.0.1:1/")
    result = await examine(AuthorizedRequest(authentic_request(body=body), service, Grant("test"), None), KnownToTest())
    assert isinstance(result, ExaminedRequest)
    assert (result.findings, body.readings) == ((), 0)


async def test_what_nobody_knows_is_found_out_afterwards() -> None:
    """The message goes by what is known now; the next one by what was learnt from it."""
    world, asked = Documents(), KnownToTest()
    revocation = RevocationRule(Source.OCSP, timedelta(days=1))
    rule = DocumentRule(Policy.BLOCK, None, world.trust, 1 << 20, OLDEST, revocation=revocation, unknown=Policy.WARN)
    content = content_rules((EndpointRules("POST", path_template("/v1/persons"), rule),))
    service = Service("person", ServiceKind.REST, "http://127.0.0.1:1/", content=content)
    body = Spool(above=1 << 20, limit=1 << 20)
    body.write(world.signed(time=NOW))
    request = AuthorizedRequest(authentic_request(body=body.finish()), service, Grant("test"), None)
    result = await examine(request, asked)
    assert isinstance(result, ExaminedRequest)
    assert [(f.cause, f.policy) for f in result.findings] == [("status_unknown", Policy.WARN)]
    assert asked.wanted == [(world.signer.certificate, world.pki.ca.certificate)]
