"""Inquiries and answers as rows. With a `TextSeal` what they say is encrypted before it reaches the database; ids, receivers,
senders and times stay in clear, because they are looked for.

A text is sealed under its member's key of the day on which it is written, as the message that brought it was. When that key has
been destroyed the row says that there was an inquiry, and nobody can tell any more what it said or whom it was about.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol
from uuid import UUID

import asyncpg

from gateway.ownservices.inquiry import DeliveredInquiry

_INQUIRY, _WORDS = "inquiry", "inquiry answer"

_TAKE = """
INSERT INTO inquiry (id, receiver, sender, due, content, sealed, sealed_by) VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT DO NOTHING
"""
_TAKEN = "SELECT id, receiver, sender, received, content, sealed, sealed_by FROM inquiry WHERE id = $1"
_COLUMNS = """
i.id, i.receiver, i.received, i.due, i.content, i.sealed, i.sealed_by, a.number, a.time AS answered, a.words,
a.sealed AS words_sealed, a.sealed_by AS words_sealed_by
"""
_ANSWERS = f"""
SELECT {_COLUMNS} FROM inquiry_answer a JOIN inquiry i ON i.id = a.inquiry
WHERE a.number > $1 AND i.sender = $2 AND i.receiver = $3 ORDER BY a.number LIMIT $4
"""  # noqa: S608 - constants of ours
_LIST = f"""
SELECT {_COLUMNS} FROM inquiry i LEFT JOIN inquiry_answer a ON a.inquiry = i.id
WHERE $1 OR a.inquiry IS NULL ORDER BY i.due, i.id
"""  # noqa: S608 - constants of ours
_ONE_AT_A_TIME = "SELECT pg_advisory_xact_lock(hashtext('inquiry_answer'))"
_ANSWER = """
INSERT INTO inquiry_answer (inquiry, words, sealed, sealed_by) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING RETURNING time
"""
_COUNTS = """
SELECT count(*) AS open, count(*) FILTER (WHERE due < $1) AS overdue FROM inquiry i
WHERE NOT EXISTS (SELECT FROM inquiry_answer a WHERE a.inquiry = i.id)
"""
_CLEAR = "SELECT id, receiver, received AS written, content AS text FROM inquiry WHERE content IS NOT NULL"
_CLEAR_WORDS = """
SELECT i.id, i.receiver, a.time AS written, a.words AS text FROM inquiry_answer a JOIN inquiry i ON i.id = a.inquiry
WHERE a.words IS NOT NULL
"""
_SEAL = "UPDATE inquiry SET content = NULL, sealed = $2, sealed_by = $3 WHERE id = $1"
_SEAL_WORDS = "UPDATE inquiry_answer SET words = NULL, sealed = $2, sealed_by = $3 WHERE inquiry = $1"


class TextSeal(Protocol):
    async def seal(self, text: str, what: str, id: UUID, member: str, day: date) -> tuple[bytes, UUID]:
        """An envelope, and the id of its key, which is durable. `what`: a word for this kind of text; `id`: of its row.
        EvidenceUnavailable when no key can be had."""

    async def open(self, envelope: bytes, what: str, id: UUID, sealed_by: UUID) -> str | None:
        """None: its key was destroyed. EvidenceUnavailable when the key cannot be opened now, or the envelope is not the one that
        was made for this place."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Inquiries without an answer, and those of them whose term has passed."""

    open: int = 0
    overdue: int = 0


@dataclass(frozen=True, slots=True)
class ListedInquiry:
    """`content`: the delivered JSON, `answer`: the words; None when they were shredded. `answered`, `answer`: None while there is
    none; `number`: of the answer."""

    id: UUID
    receiver: str
    received: datetime
    due: datetime
    content: str | None
    number: int | None
    answered: datetime | None
    answer: str | None


@dataclass(frozen=True, slots=True)
class Taken:
    """`new`: it was not there before; `same`: what is there is what came. When what is there was shredded nobody can tell."""

    received: datetime
    new: bool
    same: bool


@dataclass(frozen=True, slots=True)
class InquiryStore:
    """Of one server. `texts`: None when nothing in its log is sealed. DATABASE_ERRORS and the errors of `texts` pass through."""

    pool: asyncpg.Pool
    clock: Callable[[], datetime]
    texts: TextSeal | None = None

    async def take(self, asked: DeliveredInquiry, receiver: str, sender: str) -> Taken:
        """Durable on return, once however often it comes."""
        text = await self._sealed(asked.content, _INQUIRY, asked.id, receiver, self.clock().date())
        made = await self.pool.execute(_TAKE, asked.id, receiver, sender, asked.due, *text)
        row = await self.pool.fetchrow(_TAKEN, asked.id)
        stored = await self._opened(row["content"], row["sealed"], row["sealed_by"], _INQUIRY, asked.id)
        same = (row["receiver"], row["sender"], stored) == (receiver, sender, asked.content)
        return Taken(row["received"], made.endswith(" 1"), same)

    async def answers(self, after: int, sender: str, receiver: str, most: int) -> list[ListedInquiry]:
        """Inquiries with answers of a number above `after`, ascending, without those of which anything was shredded."""
        found: list[ListedInquiry] = []
        while rows := await self.pool.fetch(_ANSWERS, after, sender, receiver, most - len(found)):
            after = rows[-1]["number"]
            opened = [await self._listed(row) for row in rows]
            found += (one for one in opened if one.content is not None and one.answer is not None)
            if len(found) == most:
                break
        return found

    async def listed(self, *, answered: bool) -> list[ListedInquiry]:
        """What is due first comes first. `answered`: those too."""
        return [await self._listed(row) for row in await self.pool.fetch(_LIST, answered)]

    async def reply(self, inquiry: UUID, words: str) -> datetime | None:
        """The moment of the answer, durable; None when there is no such inquiry, or it has an answer already."""
        row = await self.pool.fetchrow(_TAKEN, inquiry)
        if row is None:
            return None
        text = await self._sealed(words, _WORDS, inquiry, row["receiver"], self.clock().date())
        async with self.pool.acquire() as connection, connection.transaction():
            await connection.execute(_ONE_AT_A_TIME)
            found: datetime | None = await connection.fetchval(_ANSWER, inquiry, *text)
        return found

    async def count(self) -> Standing:
        return Standing(**dict(await self.pool.fetchrow(_COUNTS, self.clock())))

    async def seal_what_is_clear(self, owner: asyncpg.Connection) -> int:
        """Texts of before there was a seal; how many there were. No version of their rows is left in the tables' files. Nothing is
        done without `texts`."""
        if self.texts is None:
            return 0
        done = 0
        for find, update, what in ((_CLEAR, _SEAL, _INQUIRY), (_CLEAR_WORDS, _SEAL_WORDS, _WORDS)):
            for row in await owner.fetch(find):
                day = row["written"].date()
                _, *sealed = await self._sealed(row["text"], what, row["id"], row["receiver"], day)
                await owner.execute(update, row["id"], *sealed)
                done += 1
        if done:
            await owner.execute("VACUUM (FULL) inquiry")
            await owner.execute("VACUUM (FULL) inquiry_answer")
        return done

    async def _listed(self, row: asyncpg.Record) -> ListedInquiry:
        id_ = row["id"]
        content = await self._opened(row["content"], row["sealed"], row["sealed_by"], _INQUIRY, id_)
        words = await self._opened(row["words"], row["words_sealed"], row["words_sealed_by"], _WORDS, id_)
        times = (row["received"], row["due"])
        return ListedInquiry(id_, row["receiver"], *times, content, row["number"], row["answered"], words)

    async def _sealed(
        self, text: str, what: str, id: UUID, receiver: str, day: date
    ) -> tuple[str | None, bytes | None, UUID | None]:
        """The three columns of a text."""
        if self.texts is None:
            return text, None, None
        member = "/".join(receiver.split("/")[:3])
        return None, *await self.texts.seal(text, what, id, member, day)

    async def _opened(
        self, text: str | None, sealed: bytes | None, sealed_by: UUID | None, what: str, id: UUID
    ) -> str | None:
        if self.texts is None or sealed is None or sealed_by is None:
            return text
        return await self.texts.open(sealed, what, id, sealed_by)
