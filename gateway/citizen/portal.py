"""What the API and the pages do alike: each function is one thing that a person can ask for. No HTTP here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from gateway.citizen.forms import is_storable
from gateway.citizen.inquiries import (
    INQUIRY_KINDS,
    MOST_WORDS,
    REASONS,
    Deadlines,
    Inquiries,
    Inquiry,
    InquiryKind,
    content_of,
    new_inquiry,
)
from gateway.citizen.lookups import Lookups
from gateway.citizen.proofs import PublicLog, Receipt
from gateway.citizen.records import Filter, Page, RecordStore, StoredRecord
from gateway.citizen.representation import Representation
from gateway.citizen.sessions import Acting, Session, Sessions
from gateway.citizen.views import Dictionary, Overview, member_of, overview
from gateway.core.disclosure.record import Field
from gateway.core.errors import AccessDenied, MalformedMessage, ServiceUnavailable, UnknownSubject
from gateway.pages.words import LOCAL

ATTEMPT = "represent"
_WINDOW = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Portal:
    """`attempts`: how many representations one person may ask for in an hour; `policy`: whom to believe, as a file;
    `max_delay_hours`: that a record may take into the public log; `filed`: tells whoever delivers inquiries that there is one."""

    records: RecordStore
    lookups: Lookups
    asked: Inquiries
    filed: Callable[[], None]
    sessions: Sessions
    log: PublicLog
    words: Dictionary
    deadlines: Deadlines
    representation: Representation | None
    attempts: int
    policy: bytes
    max_delay_hours: int
    clock: Callable[[], datetime]

    async def page(self, session: Session, wanted: Filter, cursor: str | None, limit: int) -> Page:
        return await self.records.page(session.subject, wanted, cursor, limit)

    async def overview(self, session: Session) -> Overview:
        return overview(await self.records.counts(session.subject))

    async def record(self, session: Session, text: str) -> StoredRecord:
        """UnknownSubject, the same whether there is no such record, it is somebody else's, or `text` is no id."""
        try:
            record_id = UUID(text)
        except ValueError:
            record_id = UUID(int=0)
        found = await self.records.find(session.subject, record_id)
        if found is None:
            raise UnknownSubject("no such record")
        return found

    async def receipt(self, record: StoredRecord) -> Receipt | None:
        """ServiceUnavailable also when the policy names no log of the record's year: nothing is known of it then."""
        if self.log.origin(year_of(record)) is None:
            raise ServiceUnavailable("no log of that year is known")
        return await self.log.receipt(year_of(record), record.leaf)

    def is_overdue(self, record: StoredRecord) -> bool:
        """Whether the time that a record may take into the log is over, by the record's own words."""
        return abs(self.clock() - record.said) >= timedelta(hours=self.max_delay_hours)

    async def inquiries(self, session: Session, record: StoredRecord) -> tuple[Inquiry, ...]:
        return tuple(await self.asked.about(session.subject, record.record_id))

    async def ask(self, session: Session, record: StoredRecord, kind: str, reason: str, words: str) -> Inquiry:
        """MalformedMessage for a kind or reason that is none, too many words, or none where they are needed."""
        chosen: InquiryKind | None = next((k for k in INQUIRY_KINDS if k == kind), None)
        words = words.replace("\r\n", "\n").strip()  # browsers send a line's end as two characters and count it as one
        if chosen is None or reason not in REASONS or len(words) > MOST_WORDS or not is_storable(words):
            raise MalformedMessage("not an inquiry")
        if not words and chosen != "why":
            raise MalformedMessage("an inquiry of this kind needs words")
        consumer, service = record.fields[Field.CONSUMER], record.fields[Field.SERVICE]
        client = consumer if chosen == "why" else service.rpartition("/")[0]
        now = self.clock()
        due = self.deadlines.due(chosen, now)
        made = new_inquiry(chosen, reason, words, record, member_of(client), now, due)
        await self.asked.ask(session, made, client, content_of(made, record, session))
        self.filed()
        return made

    async def represent(self, session: Session, number: str) -> Acting:
        """Read a child's ledger from now on. AccessDenied without a relation, or after too many attempts."""
        now = self.clock()
        if self.representation is None:
            raise AccessDenied("no such relation")
        if await self.lookups.tried(session, ATTEMPT, now - _WINDOW) >= self.attempts:
            raise AccessDenied("too many attempts")
        # Noted before the register is asked, for the person who tries: who tries again and again is seen, whatever comes out.
        await self.lookups.note(session, session.identity.person, ATTEMPT, now, None)
        acting = await self.representation.of_child(session.identity.person, number, now.astimezone(LOCAL).date())
        await self.lookups.note(session, acting.person, "read", now, acting.evidence)
        await self.sessions.act(session, acting)
        return acting


def year_of(record: StoredRecord) -> int:
    """Of the log that holds it."""
    return record.said.year
