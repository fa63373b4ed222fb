"""What people ask about their records, until when an answer is due, and what became of it.

    filed -> (delivered) -> answered        overdue: the term ended first

An inquiry and its place in the outbox are one transaction; nothing of it is ever changed, each step adds a row.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal, TypeAlias, get_args
from uuid import UUID, uuid4

import asyncpg

from gateway.citizen.records import StoredRecord
from gateway.citizen.sessions import Session
from gateway.core.disclosure.record import Field, print_time
from gateway.core.merkle.hashing import leaf_hash
from gateway.core.merkle.text import print_base64
from gateway.core.subjects.kinds import Person
from gateway.core.workingdays import WorkingDays
from gateway.pages.words import LOCAL

InquiryKind: TypeAlias = Literal["why", "complain", "correct"]
INQUIRY_KINDS: tuple[InquiryKind, ...] = get_args(InquiryKind)
Reason: TypeAlias = Literal["unknown", "purpose", "excess", "proof", "other", ""]
REASONS: tuple[Reason, ...] = get_args(Reason)
MOST_WORDS = 4000
State: TypeAlias = Literal["filed", "delivered", "answered"]
_MOST_SHOWN = 20
_TOLD = ("RECORD", "TIME", "CONSUMER", "SERVICE", "PURPOSE", "LEGAL_BASIS", "CASE", "REQUEST_HASH")

_NEW_INQUIRY = """
INSERT INTO citizen_inquiry (id, record_id, person_kind, person, by_kind, by_person, kind, reason, words, receiver, filed, due)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
"""
_TO_DELIVER = "INSERT INTO citizen_outbox (inquiry, client, content) VALUES ($1, $2, $3)"
_INQUIRIES = """
SELECT i.id, i.record_id, i.kind, i.reason, i.words, i.receiver, i.filed, i.due, d.time AS delivered, a.time AS answered, a.learnt,
       a.words AS answer
FROM citizen_inquiry i LEFT JOIN citizen_delivery d ON d.inquiry = i.id LEFT JOIN citizen_answer a ON a.inquiry = i.id
WHERE i.person = $1 AND i.person_kind = $2 AND ($3::uuid IS NULL OR i.record_id = $3)
ORDER BY i.filed DESC LIMIT $4
"""


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Days until an answer is due, by the law that the settings follow."""

    why_working_days: int
    complain_days: int
    correct_days: int
    calendar: WorkingDays = field(repr=False)

    def due(self, kind: InquiryKind, filed: datetime) -> datetime:
        """The end of the term; working days are those of the calendar, in local time."""
        match kind:
            case "why":
                return self.calendar.after(filed.astimezone(LOCAL), self.why_working_days)
            case "complain":
                return filed + timedelta(days=self.complain_days)
            case "correct":
                return filed + timedelta(days=self.correct_days)


@dataclass(frozen=True, slots=True)
class Inquiry:
    """`receiver`: a member; `answered`: when the agency answered, as it signed; `learnt`: when that came here."""

    id: UUID
    record_id: UUID
    kind: InquiryKind
    reason: str
    words: str = field(repr=False)
    receiver: str
    filed: datetime
    due: datetime
    delivered: datetime | None = None
    answered: datetime | None = None
    learnt: datetime | None = None
    answer: str | None = field(default=None, repr=False)

    @property
    def state(self) -> State:
        if self.answered is not None:
            return "answered"
        return "filed" if self.delivered is None else "delivered"

    def overdue(self, now: datetime) -> bool:
        """The clock stops with the answer."""
        return (self.answered or now) > self.due


class Inquiries:
    """DATABASE_ERRORS pass through."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def ask(self, session: Session, inquiry: Inquiry, client: str, content: str) -> None:
        """Durable on return, and in the outbox for the server of `client`."""
        about, by = session.subject, session.identity.person
        who = (about.kind, about.number, by.kind, by.number)
        told = (inquiry.kind, inquiry.reason, inquiry.words, inquiry.receiver, inquiry.filed, inquiry.due)
        async with self._pool.acquire() as connection, connection.transaction():
            await connection.execute(_NEW_INQUIRY, inquiry.id, inquiry.record_id, *who, *told)
            await connection.execute(_TO_DELIVER, inquiry.id, client, content)

    async def about(self, person: Person, record_id: UUID) -> Sequence[Inquiry]:
        """Of one record, newest first."""
        return await self._find(person, record_id, None)

    async def newest(self, person: Person) -> Sequence[Inquiry]:
        return await self._find(person, None, _MOST_SHOWN)

    async def _find(self, person: Person, record_id: UUID | None, limit: int | None) -> Sequence[Inquiry]:
        rows = await self._pool.fetch(_INQUIRIES, person.number, person.kind, record_id, limit)
        return [Inquiry(*row.values()) for row in rows]


def new_inquiry(
    kind: InquiryKind, reason: str, words: str, record: StoredRecord, receiver: str, filed: datetime, due: datetime
) -> Inquiry:
    return Inquiry(uuid4(), record.record_id, kind, reason, words, receiver, filed, due)


def content_of(inquiry: Inquiry, record: StoredRecord, session: Session) -> str:
    """What the agency gets, JSON: enough to find the exchange in its own message log, and to know who asks."""
    person = session.subject
    value = {
        "id": str(inquiry.id),
        "kind": inquiry.kind,
        "reason": inquiry.reason,
        "words": inquiry.words,
        "filed": print_time(inquiry.filed),
        "due": print_time(inquiry.due),
        "person": {"kind": person.kind, "number": person.number},
        "asked_by": "self" if session.acting is None else "representative",
        "record": {
            **{name.lower(): record.fields[Field[name]] for name in _TOLD},
            "leaf_hash": print_base64(leaf_hash(record.leaf)),
        },
    }
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
