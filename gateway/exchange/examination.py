"""From what a client may call to what its content must be: the only maker of the state that stands for "examined".

Bodies are outside core; here they are read, up to the size that the rules of the endpoint set, and judged in a thread when they are
large, because canonicalising a document of megabytes would hold up every other exchange.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from gateway.core.content.finding import Finding
from gateway.core.content.rules import EndpointRules
from gateway.core.documents.revocation import KnownRevocations
from gateway.core.serverconf.paths import path_segments
from gateway.exchange.content import whole
from gateway.exchange.ports import Revocations
from gateway.exchange.states import AuthorizedRequest, ExaminedRequest

_IN_PASSING = 32 << 10  # bytes that are judged in about a millisecond
_CODES = {"document": "invalid_document", "return": "invalid_return_reason"}


@dataclass(frozen=True, slots=True)
class ContentRefused:
    """`code`, `reason`: what the consumer is told. `findings`: all of them, to be counted with the refusal."""

    code: str
    reason: str
    findings: tuple[Finding, ...] = ()


async def examine(request: AuthorizedRequest, revocations: Revocations) -> ExaminedRequest | ContentRefused:
    """By the rules that the contract of the service has for this endpoint. Nothing to look at for a metaservice.

    What nobody knows of a certificate somebody finds out afterwards; this message is judged by what is known now.
    """
    service = request.service
    if service is None or service.content is None:
        return ExaminedRequest(request, ())
    incoming = request.authentic.incoming
    rules = service.content.find(incoming.request.verb, path_segments(incoming.request.service_path))
    if rules is None:
        return ContentRefused("access_denied", "Request is not allowed: the service's contract has no such endpoint")
    findings = await _findings(rules, request, revocations.current())
    if wanted := [link for f in findings for link in f.wanted]:
        revocations.want(wanted)
    refused = next((f for f in findings if f.refuse), None)
    if refused is None:
        return ExaminedRequest(request, findings)
    return ContentRefused(f"{_CODES[refused.rule]}.{refused.cause}", refused.detail, findings)


async def _findings(rules: EndpointRules, request: AuthorizedRequest, known: KnownRevocations) -> tuple[Finding, ...]:
    incoming = request.authentic.incoming
    body, now = incoming.parts.body, incoming.moment.now
    size = 0 if body is None else body.size
    content = None if body is None or size > rules.most_bytes else await whole(body)
    if size <= _IN_PASSING or content is None:
        return rules.examine(content, size, now, known)
    return await asyncio.to_thread(rules.examine, content, size, now, known)
