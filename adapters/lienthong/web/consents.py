"""Questions to a person, and the answers. An answer counts when the identity provider signed it, for the person who was asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from adapters.lienthong.definition import Definition
from adapters.lienthong.desk import Desk
from adapters.lienthong.model import Decided
from adapters.lienthong.web.oidc import SignInRefused, Statement
from adapters.sdk import Pool

_OPEN = """
    select q.id, q.dossier, q.role, q.asked_at, q.reminders, d.procedure from lienthong.question q
    join lienthong.dossier d on d.id = q.dossier
    where q.person = $1 and q.closed_at is null order by q.asked_at
"""
_ANSWERED = """
    update lienthong.question set decision = $2, statement = $3, closed_at = $4 where id = $1 and closed_at is null
"""
_MINE = """
    select d.id, d.procedure, d.state, d.opened_at from lienthong.dossier d
    where d.id in (select dossier from lienthong.party where person = $1) order by d.opened_at desc limit 50
"""


class Consents:
    def __init__(self, pool: Pool, desk: Desk, clock: Callable[[], datetime]) -> None:
        self._pool = pool
        self._desk = desk
        self._clock = clock

    async def open_questions(self, person: str) -> Sequence[Mapping[str, Any]]:
        rows: Sequence[Mapping[str, Any]] = await self._pool.fetch(_OPEN, person)
        return rows

    async def dossiers(self, person: str) -> Sequence[Mapping[str, Any]]:
        """In which this person has a part."""
        rows: Sequence[Mapping[str, Any]] = await self._pool.fetch(_MINE, person)
        return rows

    async def details(self, question_id: UUID, person: str) -> Mapping[str, Any] | None:
        """What the identity provider shows; None when this person is not asked that."""
        found = [q for q in await self.open_questions(person) if UUID(str(q["id"])) == question_id]
        if not found:
            return None
        question = found[0]
        definition = self._desk.definition(question["procedure"])
        return _details(definition, question)

    async def answer(self, question_id: UUID, statement: Statement) -> None:
        """Durable with what follows from it. SignInRefused unless the statement answers this question, by whom it was put to.
        An answer to a question that is closed changes nothing."""
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


def _details(definition: Definition, question: Mapping[str, Any]) -> Mapping[str, Any]:
    leg = next(leg for leg in definition.legs if question["role"] in leg.consents)
    role, rules = definition.roles[question["role"]], definition.consent
    assert rules is not None
    return {
        "type": "consent",
        "id": str(question["id"]),
        "dossier": question["dossier"],
        "role": question["role"],
        "question": {
            "vi": f"Với tư cách {role.vi.lower()}, bạn có đồng ý cho chặng “{leg.title.vi}” của hồ sơ này không?",
            "en": f"As {role.en.lower()}, do you consent to “{leg.title.en}” in this dossier?",
        },
        "expires": (question["asked_at"] + rules.expires).date().isoformat(),
    }


def _decision(claims: Mapping[str, Any], question_id: UUID) -> str:
    details = claims.get("authorization_details")
    match details:
        case [{"type": "consent", "id": str(found), "decision": "granted" | "refused" as decision}]:
            if found == str(question_id):
                return str(decision)
    raise SignInRefused
