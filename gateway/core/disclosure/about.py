"""Whom a call is about, by the service's contract. What cannot be told is a denial: the service is not asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from gateway.core.disclosure.contract import EndpointContract, ServiceContract
from gateway.core.disclosure.purpose import StatedPurpose
from gateway.core.errors import MalformedMessage
from gateway.core.messages.rest import Headers, RestRequest
from gateway.core.serverconf.access import Denial
from gateway.core.serverconf.paths import path_segments
from gateway.core.subjects.extract import persons_in
from gateway.core.subjects.kinds import Person
from gateway.core.subjects.view import MessageView
from gateway.core.values import quick

MOST_BYTES = 1 << 20
"""Bodies above this are not looked into: a call or an answer whose persons stand in a larger one is refused."""

_UNREADABLE = "invalid_request"


@quick
@dataclass(frozen=True, slots=True)
class About:
    """`persons`: named in the request; more may be found in the answer."""

    endpoint: EndpointContract
    persons: tuple[Person, ...]


@quick
@dataclass(frozen=True, slots=True)
class Concern:
    """A granted call: whom it is about, and for what. `purpose`: None for an endpoint that is about nobody."""

    about: About
    purpose: StatedPurpose | None


Located: TypeAlias = tuple[EndpointContract, dict[str, str]]


def locate(contract: ServiceContract, request: RestRequest) -> Located | Denial:
    """The contract's endpoint of a call and its path parameters."""
    try:
        found = contract.find(request.verb, path_segments(request.service_path))
    except MalformedMessage as e:
        return Denial("access_denied", f"Request is not allowed: {e.safe_detail}")
    if found is None:
        return Denial("access_denied", "Request is not allowed: the service's contract has no such endpoint")
    return found


def needs_body(located: Located) -> bool:
    return any(rule.locator.needs_body for rule in located[0].rules(in_answer=False))


def about(located: Located, request: RestRequest, body: bytes | None) -> About | Denial:
    """`body`: the whole body, None when there is none; only looked at when `needs_body`."""
    endpoint, parameters = located
    view = MessageView(parameters, request.query, request.headers, body)
    try:
        return About(endpoint, persons_in(endpoint.rules(in_answer=False), view))
    except MalformedMessage as e:
        return Denial(_UNREADABLE, f"Whom the request is about cannot be told: {e.safe_detail}")


def persons_in_answer(known: About, status: int, headers: Headers, body: bytes | None) -> tuple[Person, ...]:
    """Persons found only in the answer. An answer other than 2xx gives no data. MalformedMessage when they cannot be told."""
    rules = known.endpoint.rules(in_answer=True)
    if not rules or not 200 <= status < 300:
        return ()
    found = persons_in(rules, MessageView({}, None, headers, body))
    return tuple(person for person in found if person not in known.persons)
