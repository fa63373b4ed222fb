"""Invented accounts of the first citizens of the shared population, and what they filed: each person's depend on nobody else's."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta

from adapters.dvc.catalogue import PROCEDURES, Procedure
from adapters.people.dice import Dice
from adapters.people.drafts import TODAY
from adapters.people.generator import VERSION as POPULATION
from adapters.people.generator import generate
from adapters.people.model import ALIVE, Person
from adapters.sdk import Rows

CITIZENS = 2_000
VERSION = f"{POPULATION}-dvc-1"

_ADULT = 18
_BEFORE = ("HT-BS", "HT-KH", "BH-THE", "CT-TT", "CC-CD")  # linked procedures come through the coordinator
_CLIENTS = {"HT": "VN/GOV/G15/hotich", "BH": "VN/GOV/G12/bhxh", "CT": "VN/GOV/G01/dancu", "CC": "VN/GOV/G01/dancu"}
_REASON = {"code": "THONG-TIN-KHONG-KHOP", "legal_reference": "ND-118-2025", "note": ""}
_PROCEDURE = ("code", "title_vi", "title_en", "agency_vi", "agency_en", "days")
_ACCOUNT = ("person_id", "opened_on")
_DOSSIER = ("number", "agency", "procedure", "applicant_id", "filed_at", "due_at", "state")
_STATE = ("dossier", "position", "state", "at", "step", "agency", "waiting_for", "reason")
_RESULT = ("dossier", "kind", "reference", "title", "issued_by", "at")
_NOTIFICATION = ("person_id", "dossier", "kind", "reference", "at")


class _Tables:
    """The rows, and the last number of a dossier."""

    def __init__(self) -> None:
        self.dossiers: list[tuple[object, ...]] = []
        self.states: list[tuple[object, ...]] = []
        self.results: list[tuple[object, ...]] = []
        self.notifications: list[tuple[object, ...]] = []


def invented(citizens: int = CITIZENS) -> Sequence[Rows]:
    """The tables' rows, the same for the same number of citizens."""
    tables = _Tables()
    adults = [p for p in generate(citizens).persons if p.status == ALIVE and TODAY.year - p.birth_date.year >= _ADULT]
    accounts = [(p.id, TODAY - timedelta(days=Dice(int(p.id)).number(30, 1800))) for p in adults]
    for person in adults:
        _filed(person, tables)
    return (
        Rows("dvc.procedure", _PROCEDURE, [(p.code, *p.title, *p.agency, p.days) for p in PROCEDURES]),
        Rows("dvc.account", _ACCOUNT, accounts),
        Rows("dvc.dossier", _DOSSIER, tables.dossiers),
        Rows("dvc.state", _STATE, tables.states),
        Rows("dvc.result", _RESULT, tables.results),
        Rows("dvc.notification", _NOTIFICATION, tables.notifications),
    )


def _filed(person: Person, tables: _Tables) -> None:
    """One or two dossiers of some people: finished ones, with a result; returned ones; one that is still under way."""
    dice = Dice(int(person.id) + 22)
    for _ in range(dice.weighted(((0, 5), (1, 3), (2, 2)))):
        procedure = dice.pick([p for p in PROCEDURES if p.code in _BEFORE])
        day = TODAY - timedelta(days=dice.number(1, 700))
        filed = datetime.combine(day, time(dice.number(1, 9), dice.number(0, 59)), UTC)
        state = dice.weighted((("finished", 8), ("returned", 1), ("processing", 1)))
        _dossier(person, procedure, filed, state, tables)


def _dossier(person: Person, procedure: Procedure, filed: datetime, state: str, tables: _Tables) -> None:
    number = f"999-{procedure.code}-{filed.year}-{len(tables.dossiers) + 1:06}"
    agency = _words(procedure.agency)
    later = filed + timedelta(days=procedure.days)
    client = _CLIENTS[procedure.code.partition("-")[0]]
    tables.dossiers.append((number, client, procedure.code, person.id, filed, later, state))
    history = [("received", filed), ("processing", filed + timedelta(hours=2))]
    history += [] if state == "processing" else [(state, later)]
    for position, (word, at) in enumerate(history, start=1):
        reason = json.dumps(_REASON) if word == "returned" else None
        tables.states.append((number, position, word, at, None, agency, "[]", reason))
    if state == "returned":
        tables.notifications.append((person.id, number, "returned", _REASON["code"], later))
    if state == "finished":
        reference = f"KQ-{number}"
        tables.results.append((number, "result", reference, _words(procedure.title), agency, later))
        tables.notifications.append((person.id, number, "result", reference, later))
        tables.notifications.append((person.id, number, "finished", None, later))


def _words(pair: tuple[str, str]) -> str:
    return json.dumps({"vi": pair[0], "en": pair[1]}, ensure_ascii=False)
