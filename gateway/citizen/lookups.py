"""Who read a ledger, told to the person concerned only; what citizens asked about their records, and when an answer is due."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal, TypeAlias, get_args
from uuid import UUID, uuid4

import asyncpg

from gateway.citizen.sessions import Session
from gateway.core.subjects.kinds import Person

InquiryKind: TypeAlias = Literal["why", "complain", "correct"]
INQUIRY_KINDS: tuple[InquiryKind, ...] = get_args(InquiryKind)
Reason: TypeAlias = Literal["unknown", "purpose", "excess", "proof", "other", ""]
REASONS: tuple[Reason, ...] = get_args(Reason)
MOST_WORDS = 4000
_MOST_SHOWN = 50
_SATURDAY = 5

_NEW_LOOKUP = """
INSERT INTO citizen_lookup (person_kind, person, time, by_kind, by_person, by_name, action, evidence)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
"""
_LOOKUPS = f"""
SELECT time, by_kind, by_person, by_name, action, evidence FROM citizen_lookup
WHERE person = $1 AND person_kind = $2 ORDER BY number DESC LIMIT {_MOST_SHOWN}
"""  # noqa: S608 - a constant of ours
_TRIED = "SELECT count(*) FROM citizen_lookup WHERE by_person = $1 AND by_kind = $2 AND action = $3 AND time > $4"
_NEW_INQUIRY = """
INSERT INTO citizen_inquiry (id, record_id, person_kind, person, by_kind, by_person, kind, reason, words, receiver, filed, due)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
"""
_INQUIRIES = """
SELECT id, kind, reason, words, receiver, filed, due FROM citizen_inquiry
WHERE record_id = $1 AND person = $2 AND person_kind = $3 ORDER BY filed
"""


@dataclass(frozen=True, slots=True)
class Lookup:
    """`by_name`: as the identity provider gave it; `evidence`: of a representation."""

    time: datetime
    by: Person
    by_name: str = field(repr=False)
    action: str
    evidence: str | None


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Days until an answer is due, by the law that the settings follow."""

    why_working_days: int
    complain_days: int
    correct_days: int

    def due(self, kind: InquiryKind, filed: datetime) -> datetime:
        """The end of the term; working days are Monday to Friday, public holidays count as the settings' days do not know them."""
        match kind:
            case "why":
                return _working_days(filed, self.why_working_days)
            case "complain":
                return filed + timedelta(days=self.complain_days)
            case "correct":
                return filed + timedelta(days=self.correct_days)


@dataclass(frozen=True, slots=True)
class Inquiry:
    id: UUID
    kind: InquiryKind
    reason: str
    words: str = field(repr=False)
    receiver: str
    filed: datetime
    due: datetime


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

    async def ask(self, session: Session, record_id: UUID, inquiry: Inquiry) -> None:
        about, by = session.subject, session.identity.person
        who = (about.kind, about.number, by.kind, by.number)
        told = (inquiry.kind, inquiry.reason, inquiry.words, inquiry.receiver, inquiry.filed, inquiry.due)
        await self._pool.execute(_NEW_INQUIRY, inquiry.id, record_id, *who, *told)

    async def inquiries(self, person: Person, record_id: UUID) -> Sequence[Inquiry]:
        return [
            Inquiry(*row.values()) for row in await self._pool.fetch(_INQUIRIES, record_id, person.number, person.kind)
        ]


def new_inquiry(
    kind: InquiryKind, reason: str, words: str, receiver: str, filed: datetime, deadlines: Deadlines
) -> Inquiry:
    return Inquiry(uuid4(), kind, reason, words, receiver, filed, deadlines.due(kind, filed))


def _working_days(start: datetime, days: int) -> datetime:
    end = start
    while days:
        end += timedelta(days=1)
        days -= end.weekday() < _SATURDAY
    return end
