"""A parent reads a child's ledger. The evidence is the population register's own answer, got through the exchange like any other.

So the question is signed and recorded by both sides, and stands in the child's ledger as an access with the purpose of checking a
representation. Whoever is not the parent learns nothing: a number that does not exist, another's child and a grown-up child
give the same refusal.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date
from urllib.parse import quote

import aiohttp

from gateway.citizen.fetching import fetch
from gateway.citizen.sessions import Acting
from gateway.core.errors import AccessDenied, MalformedMessage, ServiceUnavailable
from gateway.core.subjects.kinds import Person, person

_MOST_BYTES = 256 * 1024
_NO_ANSWERS = (404, 422)  # the register knows no such person


@dataclass(frozen=True, slots=True)
class Register:
    """`url`: of the register's service `persons`, at a consumer's security server; `client`, `purpose`: how we ask there."""

    url: str
    client: str
    purpose: str
    minor_until: int


class Representation:
    def __init__(self, register: Register, http: aiohttp.ClientSession) -> None:
        self._register = register
        self._http = http

    async def of_child(self, parent: Person, number: str, today: date) -> Acting:
        """AccessDenied unless the register says that `parent` has this minor child. ServiceUnavailable when it cannot be asked."""
        try:
            child = person(parent.kind, number)
        except MalformedMessage as e:
            raise AccessDenied("no such relation") from e
        headers = {"X-Road-Client": self._register.client, "Purpose-Code": self._register.purpose}
        url = f"{self._register.url}/{quote(child.number)}"
        answer = await fetch(self._http, "GET", url, most=_MOST_BYTES, headers=headers)
        if answer.status in _NO_ANSWERS:
            raise AccessDenied("no such relation")
        if answer.status != 200 or "x-road-error" in answer.headers:
            raise ServiceUnavailable("the register cannot be asked now")
        return self._judged(parent, child, answer.body, answer.headers.get("x-road-id", ""), today)

    def _judged(self, parent: Person, child: Person, body: bytes, evidence: str, today: date) -> Acting:
        try:
            told = json.loads(body)
            born = date.fromisoformat(told["birth_date"])
            parents = {told["father_id"], told["mother_id"]}
            same, alive, name = told["id"] == child.number, told["death_date"] is None, str(told["full_name"])
        except (ValueError, KeyError, TypeError) as e:
            raise ServiceUnavailable("the register answers something else") from e
        if not (same and alive and parent.number in parents and age(born, today) < self._register.minor_until):
            raise AccessDenied("no such relation")
        return Acting(child, name, evidence)


def age(born: date, today: date) -> int:
    """In whole years."""
    return today.year - born.year - ((today.month, today.day) < (born.month, born.day))
