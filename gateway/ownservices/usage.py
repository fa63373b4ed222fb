"""findUsage, usagePeriod, heartbeat: who asked one provider for data about one person, as national portals ask it.

The answer comes out of the access records that this server made in its own exchanges, of the provider that was asked (a tracker
serves one register). Being asked is an access too and has its record before the answer is made. So that nobody is shown their own
reading, page after page, a list leaves out what the very person it is about asked here through the same portal; whoever else
asked, an official or a representative, stands in it.

Records that arrive meanwhile move an offset: a portal that names `periodEnd` gets pages that fit together.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal, TypeAlias

import asyncpg

from gateway.core.disclosure.record import Field, official_pseudonym, print_time
from gateway.core.errors import MalformedMessage, ServiceUnavailable
from gateway.core.messages.rest import header
from gateway.core.sealing.access import AccessKeys
from gateway.core.subjects.kinds import Person
from gateway.exchange.ports import BodySink
from gateway.exchange.states import DispatchableRequest, Moment
from gateway.ownservices.usagequery import UsageQuery, parse_usage_query
from gateway.storage.accessrecords import ABOUT, AccessKeySource, about, nothing_sealed
from gateway.storage.failures import DATABASE_ERRORS

USAGE = "gateway:findUsage"
Language: TypeAlias = Literal["vi", "en"]
Words = Mapping[str, Mapping[Language, str]]

_ALWAYS = (datetime(1900, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC))
_MILLISECOND = timedelta(milliseconds=1)
_AT_A_TIME = 500
_OUTCOMES: Words = {
    "granted": {"vi": "", "en": ""},
    "refused": {"vi": " (bị từ chối)", "en": " (refused)"},
    "failed": {"vi": " (không thành công)", "en": " (failed)"},
}
_NO_PURPOSE: Mapping[Language, str] = {"vi": "Không nêu mục đích", "en": "No purpose stated"}

_WHICH = f"""
FROM access_record WHERE {ABOUT} AND server = $4 AND starts_with(fields->>{Field.SERVICE:d}, $5)
  AND time >= $6 AND time < $7
  AND NOT (fields->>{Field.SERVICE:d} = $8 AND fields->>{Field.CONSUMER:d} = $9 AND fields->>{Field.OFFICIAL:d} = ANY($10))
"""
_COUNT = f"SELECT count(*) {_WHICH}"
_ROWS = f"""
SELECT fields->>{Field.TIME:d} AS time, fields->>{Field.CONSUMER:d} AS consumer, fields->>{Field.PURPOSE:d} AS purpose,
       fields->>{Field.OUTCOME:d} AS outcome
{_WHICH} ORDER BY time DESC, record_id DESC OFFSET $11 LIMIT $12
"""
_FIRST = "SELECT time FROM access_record WHERE server = $1 ORDER BY number LIMIT 1"


@dataclass(frozen=True, slots=True)
class FindUsage:
    """`purposes`: words of the codes that this server's contracts use; `official_key`: as the exchange makes pseudonyms; `keys`: of
    sealed access records."""

    pool: asyncpg.Pool
    server: str
    purposes: Words
    official_key: bytes
    keys: AccessKeySource = nothing_sealed

    async def answer(self, request: DispatchableRequest, body: BodySink) -> int:
        concern = request.authorized.concern
        match None if concern is None else concern.about.endpoint.template.text:
            case "/v2/findUsage":
                await self._find(request, body)
            case "/v2/usagePeriod":
                body.write(_json({"periodStart": print_time(await self._first() or request.incoming.moment.now)}))
            case "/v2/heartbeat":
                body.write(_json(await self._heartbeat()))
            case _:
                raise ServiceUnavailable("The contract of this service is not its own", code="internal_error")
        return 200

    async def _first(self) -> datetime | None:
        """The oldest record that is kept."""
        found: datetime | None = await self.pool.fetchval(_FIRST, self.server)
        return found

    async def _heartbeat(self) -> Mapping[str, str]:
        try:
            await self._first()
        except DATABASE_ERRORS:
            return {"status": "FAIL", "message": "The records cannot be read now"}
        return {"status": "OK", "message": "The records can be read"}

    async def _find(self, request: DispatchableRequest, body: BodySink) -> None:
        rest = request.incoming.request
        asked = parse_usage_query(rest.query)
        user = (header(rest.headers, "X-Road-UserId") or "").strip(" \t")
        if not user:
            raise MalformedMessage("the header X-Road-UserId says who asks")
        known = _names(request.incoming.moment)
        language = _language(header(rest.headers, "Accept-Language") or "")
        values = self._values(request, _only_person(request), asked, await self.keys())
        async with (
            self.pool.acquire() as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            body.write(b'{"totalUsages":%d,"usages":[' % await connection.fetchval(_COUNT, *values))
            between = b""
            rows = connection.cursor(_ROWS, *values, asked.offset, asked.limit, prefetch=_AT_A_TIME)
            async for row in rows:
                body.write(between + _json(self._usage(row, known, language)))
                between = b","
            body.write(b"]}")

    def _values(
        self, request: DispatchableRequest, person: Person, asked: UsageQuery, keys: AccessKeys
    ) -> tuple[object, ...]:
        rest = request.incoming.request
        since, until = asked.since or _ALWAYS[0], asked.until or _ALWAYS[1]
        # Records have microseconds and show milliseconds: who names the moment of one of them means that one too.
        period = (since, min(until, _ALWAYS[1] - _MILLISECOND) + _MILLISECOND)
        spellings = (person.number, rest.client.instance + person.number)
        own = [official_pseudonym(self.official_key, rest.client, user) for user in spellings]
        provider = f"{rest.service.client}/"
        which = (*about(person, keys), self.server, provider, *period)
        return (*which, str(rest.service), str(rest.client), keys.officials(own))

    def _usage(self, row: asyncpg.Record, known: Mapping[str, str], language: Language) -> Mapping[str, str]:
        purpose, consumer = row["purpose"], row["consumer"]
        pieces = consumer.split("/")
        member, code = "/".join(pieces[:3]), pieces[2]
        words = self.purposes.get(purpose, {}).get(language, purpose) if purpose else _NO_PURPOSE[language]
        named = {"receiverName": known[member]} if member in known else {}
        return {
            "logtime": row["time"],
            "action": words + _OUTCOMES[row["outcome"]][language],
            "receiverCode": code,
            **named,
            "receiverSystem": known.get(consumer) or pieces[-1],
        }


def _only_person(request: DispatchableRequest) -> Person:
    """As the exchange recorded it. The contract's rule must have found exactly one."""
    concern = request.authorized.concern
    persons = () if concern is None else concern.about.persons
    if len(persons) != 1:
        raise MalformedMessage("'userCode' names one person")
    return persons[0]


def _names(moment: Moment) -> dict[str, str]:
    """Of members, and of their subsystems that have one, in the global configuration of the exchange."""
    found: dict[str, str] = {}
    for shared in moment.trust.instances.values():
        for member in shared.members:
            found[str(member.id)] = member.name
            found |= {f"{member.id}/{s.code}": s.name for s in member.subsystems if s.name}
    return found


def _language(accepted: str) -> Language:
    """English for who asks for it first; otherwise Vietnamese."""
    return "en" if accepted.strip().lower().startswith("en") else "vi"


def _json(value: Mapping[str, str]) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
