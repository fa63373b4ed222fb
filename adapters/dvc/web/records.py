"""A person's dossiers and inbox, as the agencies told of them. Rule: every query names the person, so nobody reads another's."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeAlias

from adapters.dvc.inbox import text_of
from adapters.sdk import Connection, Pool

Words: TypeAlias = Mapping[str, str]
"""By language."""

_DOSSIER = """
    select d.number, d.filed_at, d.due_at, d.state, p.title_vi, p.title_en from dvc.dossier d
    join dvc.procedure p on p.code = d.procedure where d.applicant_id = $1
"""
_ALL = f"{_DOSSIER} order by d.filed_at desc, d.number limit $2"
_ONE = f"{_DOSSIER} and d.number = $2"
_STATES = "select * from dvc.state where dossier = any($1) order by dossier, position"
_RESULTS = "select * from dvc.result where dossier = any($1) order by at, kind"
_INBOX = "select * from dvc.notification where person_id = $1 order by id desc limit $2"
_MOST, _MOST_LETTERS = 100, 20


@dataclass(frozen=True, slots=True)
class Reason:
    """`code`, `legal_reference`: of the controlled list; `note`: what the agency adds."""

    code: str
    legal_reference: str
    note: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class State:
    """`waiting_for`: whose consent is missing; `reason`: of a return, and of nothing else."""

    state: str
    at: datetime
    step: Words | None = None
    agency: Words | None = None
    waiting_for: tuple[Words, ...] = ()
    reason: Reason | None = None


@dataclass(frozen=True, slots=True)
class Result:
    reference: str = field(repr=False)
    title: Words
    issued_by: Words
    at: datetime


@dataclass(frozen=True, slots=True)
class Dossier:
    """`states`: in order, at least the one with which it was entered."""

    number: str
    title: Words
    filed: datetime
    due: datetime | None
    state: str
    states: tuple[State, ...]
    results: tuple[Result, ...]


@dataclass(frozen=True, slots=True)
class Letter:
    """A notification. `answer_by`: of a question for consent; `reference`: what was given out, or the code of a reason."""

    dossier: str
    kind: str
    text: Words = field(repr=False)
    at: datetime
    answer_by: datetime | None
    reference: str | None = field(repr=False)


async def dossiers_of(pool: Pool, person: str) -> Sequence[Dossier]:
    """The newest first, at most a hundred."""
    async with pool.acquire() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
        return await _whole(connection, await connection.fetch(_ALL, person, _MOST))


async def dossier_of(pool: Pool, person: str, number: str) -> Dossier | None:
    """None when this person filed no such dossier."""
    async with pool.acquire() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
        found = await _whole(connection, await connection.fetch(_ONE, person, number))
    return found[0] if found else None


async def letters_of(pool: Pool, person: str) -> Sequence[Letter]:
    """The newest first; those of dossiers of others too, in which the person is asked."""
    rows = await pool.fetch(_INBOX, person, _MOST_LETTERS)
    names = ("at", "answer_by", "reference")
    return [Letter(row["dossier"], row["kind"], text_of(row), *(row[name] for name in names)) for row in rows]


async def _whole(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> Sequence[Dossier]:
    numbers = [row["number"] for row in rows]
    states: dict[str, list[State]] = {number: [] for number in numbers}
    for row in await connection.fetch(_STATES, numbers):
        states[row["dossier"]].append(_state(row))
    results: dict[str, list[Result]] = {number: [] for number in numbers}
    for row in await connection.fetch(_RESULTS, numbers):
        words = json.loads(row["title"]), json.loads(row["issued_by"])
        results[row["dossier"]].append(Result(row["reference"], *words, row["at"]))
    return [
        Dossier(
            number=row["number"],
            title={"vi": row["title_vi"], "en": row["title_en"]},
            filed=row["filed_at"],
            due=row["due_at"],
            state=row["state"],
            states=tuple(states[row["number"]]),
            results=tuple(results[row["number"]]),
        )
        for row in rows
    ]


def _state(row: Mapping[str, Any]) -> State:
    step, agency, reason = (
        None if row[name] is None else json.loads(row[name]) for name in ("step", "agency", "reason")
    )
    given = None if reason is None else Reason(reason["code"], reason["legal_reference"], reason.get("note", ""))
    return State(row["state"], row["at"], step, agency, tuple(json.loads(row["waiting_for"])), given)
