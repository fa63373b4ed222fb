"""Access records as they are found by a person and opened, for everybody who reads them: the one place that knows both forms.

A record is in clear, or sealed (`core/sealing/access.py`) and then found by its token. What was shredded is not found: tokens die
with their key, so that nobody can tell any more whom it was about. What remains of it is told to everybody alike (`Destroyed`).
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import TypeAlias

import asyncpg

from gateway.core.disclosure.record import Field
from gateway.core.errors import MalformedMessage
from gateway.core.sealing.access import AccessKeys, OpenedAccess
from gateway.core.subjects.kinds import Person

About: TypeAlias = tuple[str, str, list[bytes]]
AccessKeySource: TypeAlias = Callable[[], Awaitable[AccessKeys]]
"""The keys of one log as they are now. EvidenceUnavailable when one does not open: without its records a list would be false."""

ABOUT = "(person = $1 AND person_kind = $2 OR token = ANY($3::bytea[]))"
"""Of one person; its parameters are those of `about`."""

COLUMNS = "record_id, time, leaf, fields, person_kind, person, seed, content, sealed_by"


_DESTROYED = """
SELECT member, day, destroyed, rule, accesses FROM data_key WHERE destroyed IS NOT NULL AND accesses > 0
ORDER BY member, day, destroyed
"""


@dataclass(frozen=True, slots=True)
class Destroyed:
    """Access records of one member whose data keys were destroyed at one time, of everybody together. `first`, `last`: days (UTC);
    `rule`: as its operator words it for citizens; None: none was stated."""

    member: str
    first: date
    last: date
    records: int
    at: datetime
    rule: str | None


async def destroyed(pool: asyncpg.Pool) -> tuple[Destroyed, ...]:
    """By member, oldest first; days that went together are one. DATABASE_ERRORS pass through."""
    found: list[Destroyed] = []
    for member, day, at, rule, records in await pool.fetch(_DESTROYED):
        known = found[-1] if found else None
        if known is not None and (known.member, known.at.date(), known.rule) == (member, at.date(), rule):
            found[-1] = replace(known, last=day, records=known.records + records, at=max(known.at, at))
        else:
            found.append(Destroyed(member, day, day, records, at, rule))
    return tuple(found)


async def nothing_sealed() -> AccessKeys:
    """The keys of a log in which nothing is or was sealed."""
    return AccessKeys()


def about(person: Person, keys: AccessKeys) -> About:
    return person.number, person.kind, keys.persons(person)


def open_row(row: asyncpg.Record, keys: AccessKeys) -> OpenedAccess:
    """A row with all of COLUMNS. MalformedMessage when it is damaged, or its key is not among these."""
    if row["sealed_by"] is not None:
        return keys.open(row["content"], row["record_id"], row["sealed_by"])
    texts = tuple(json.loads(row["fields"]))
    if len(texts) != len(Field):
        raise MalformedMessage("an access record has sixteen texts")
    return OpenedAccess(Person(row["person_kind"], row["person"]), texts, row["seed"])
