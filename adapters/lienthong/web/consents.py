"""Questions to a person, and the answers. An answer counts when the identity provider signed it, for the person who was asked.

A question that ended without an answer is not forgotten: for ninety days the person reads that it expired, or was not needed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from adapters.lienthong.definition import Words
from adapters.lienthong.desk import Desk
from adapters.lienthong.model import Decided
from adapters.sdk import Pool
from adapters.sdk.identity import SignInRefused, Statement

_QUESTIONS = """
    select q.id, q.dossier, q.role, q.asked_at, q.closed_at, q.expired, d.procedure from lienthong.question q
    join lienthong.dossier d on d.id = q.dossier where q.person = $1 and q.decision is null
"""
_OPEN = f"{_QUESTIONS} and q.closed_at is null order by q.asked_at"
_ENDED = f"{_QUESTIONS} and q.closed_at > $2 order by q.closed_at desc limit 50"
_ONE = f"{_QUESTIONS} and q.id = $2"
_REMEMBERED = timedelta(days=90)
_ANSWERED = """
    update lienthong.question set decision = $2, statement = $3, closed_at = $4 where id = $1 and closed_at is null
"""
_MINE = """
    select d.id, d.procedure, d.state, d.opened_at from lienthong.dossier d
    where d.id in (select dossier from lienthong.party where person = $1) order by d.opened_at desc limit 50
"""


@dataclass(frozen=True, slots=True)
class Question:
    """Without an answer. `code`: of the role; `closed`: None while it can be answered; `expired`: closed because its time was over,
    not because it was not needed any more."""

    id: UUID
    dossier: str
    code: str
    role: Words
    leg: Words
    asked: datetime
    expires: datetime
    closed: datetime | None
    expired: bool

    def details(self) -> Mapping[str, Any]:
        """What the identity provider shows: the question, until when, and what happens when nobody answers."""
        return {
            "type": "consent",
            "id": str(self.id),
            "dossier": self.dossier,
            "role": self.code,
            "question": {
                "vi": f"Với tư cách {self.role.vi.lower()}, bạn có đồng ý cho chặng “{self.leg.vi}” của hồ sơ này không?",
                "en": f"As {self.role.en.lower()}, do you consent to “{self.leg.en}” in this dossier?",
            },
            "expires": self.expires.isoformat(),
            "unanswered": {
                "vi": "Hết hạn mà chưa trả lời thì hồ sơ được trả lại người nộp; nếu được nộp lại, bạn sẽ được hỏi lại.",
                "en": "With an expired question the dossier goes back to the applicant; submitted again, you will be asked again.",
            },
        }


class Consents:
    def __init__(self, pool: Pool, desk: Desk, clock: Callable[[], datetime]) -> None:
        self._pool = pool
        self._desk = desk
        self._clock = clock

    async def open_questions(self, person: str) -> Sequence[Question]:
        return [self._question(row) for row in await self._pool.fetch(_OPEN, person)]

    async def ended_questions(self, person: str) -> Sequence[Question]:
        """Without an answer, in the last ninety days; the newest first."""
        return [self._question(row) for row in await self._pool.fetch(_ENDED, person, self._clock() - _REMEMBERED)]

    async def dossiers(self, person: str) -> Sequence[Mapping[str, Any]]:
        """In which this person has a part."""
        rows: Sequence[Mapping[str, Any]] = await self._pool.fetch(_MINE, person)
        return rows

    async def question(self, question_id: UUID, person: str) -> Question | None:
        """None when this person is not asked that, or has answered it."""
        row = await self._pool.fetchrow(_ONE, person, question_id)
        return None if row is None else self._question(row)

    async def answer(self, question_id: UUID, statement: Statement) -> bool:
        """Durable with what follows from it. SignInRefused unless the statement answers this question, by whom it was put to.
        An answer to a question that is closed changes nothing: False."""
        decision = _decision(statement.claims, question_id)
        async with self._pool.acquire() as connection, connection.transaction():
            row = await connection.fetchrow(
                "select dossier, role, person from lienthong.question where id = $1", question_id
            )
            if row is None or statement.claims.get("personal_number") != row["person"]:
                raise SignInRefused
            await connection.fetchval("select id from lienthong.dossier where id = $1 for update", row["dossier"])
            done = await connection.execute(_ANSWERED, question_id, decision, statement.token, self._clock())
            if done == "UPDATE 1":
                event = Decided(row["role"], granted=decision == "granted")
                await self._desk.happen(connection, row["dossier"], event, "vneid")
            return bool(done == "UPDATE 1")

    def _question(self, row: Mapping[str, Any]) -> Question:
        definition = self._desk.definition(row["procedure"])
        assert definition.consent is not None
        return Question(
            id=UUID(str(row["id"])),
            dossier=row["dossier"],
            code=row["role"],
            role=definition.roles[row["role"]],
            leg=next(leg.title for leg in definition.legs if row["role"] in leg.consents),
            asked=row["asked_at"],
            expires=row["asked_at"] + definition.consent.expires,
            closed=row["closed_at"],
            expired=row["expired"],
        )


def _decision(claims: Mapping[str, Any], question_id: UUID) -> str:
    details = claims.get("authorization_details")
    match details:
        case [{"type": "consent", "id": str(found), "decision": "granted" | "refused" as decision}]:
            if found == str(question_id):
                return str(decision)
    raise SignInRefused
