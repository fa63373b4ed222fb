"""Access records as they are found by a person and opened, for everybody who reads them: the one place that knows both forms.

A record is in clear, or sealed (`core/sealing/access.py`) and then found by its token. What was shredded is not found.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
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
