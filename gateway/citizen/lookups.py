"""Who read a ledger, told to the person concerned only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

import asyncpg

from gateway.citizen.sessions import Session
from gateway.core.subjects.kinds import Person

_MOST_SHOWN = 50

_NEW_LOOKUP = """
INSERT INTO citizen_lookup (person_kind, person, time, by_kind, by_person, by_name, action, evidence)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
"""
_LOOKUPS = f"""
SELECT time, by_kind, by_person, by_name, action, evidence FROM citizen_lookup
WHERE person = $1 AND person_kind = $2 ORDER BY number DESC LIMIT {_MOST_SHOWN}
"""  # noqa: S608 - a constant of ours
_TRIED = "SELECT count(*) FROM citizen_lookup WHERE by_person = $1 AND by_kind = $2 AND action = $3 AND time > $4"


@dataclass(frozen=True, slots=True)
class Lookup:
    """`by_name`: as the identity provider gave it; `evidence`: of a representation."""

    time: datetime
    by: Person
    by_name: str = field(repr=False)
    action: str
    evidence: str | None


class Lookups:
    """DATABASE_ERRORS pass through."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def note(self, session: Session, about: Person, action: str, now: datetime, evidence: str | None) -> None:
        by = session.identity
        who = (by.person.kind, by.person.number, by.name)
        await self._pool.execute(_NEW_LOOKUP, about.kind, about.number, now, *who, action, evidence)

    async def of(self, person: Person) -> Sequence[Lookup]:
        """The newest of them."""
        rows = await self._pool.fetch(_LOOKUPS, person.number, person.kind)
        return [
            Lookup(r["time"], Person(r["by_kind"], r["by_person"]), r["by_name"], r["action"], r["evidence"])
            for r in rows
        ]

    async def tried(self, session: Session, action: str, since: datetime) -> int:
        by = session.identity.person
        found: int = await self._pool.fetchval(_TRIED, by.number, by.kind, action, since)
        return found
