"""A dossier as a thread of steps, and whose turn it is. Pure.

Agencies tell states one after the other; those about one step belong together:

    received     processing A   returned A   processing A   waiting_consent B   processing B   finished
    |- filed -|  |---------------- step A -----------------|  |---------- step B ----------|    |- end -|
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from adapters.dvc.web.records import Dossier, Reason, State, Words

_ENDS = ("finished", "withdrawing", "withdrawn")


class Turn(StrEnum):
    """Who has to act next. `APPLICANT`: whoever reads the page."""

    AGENCY = "agency"
    PERSONS = "persons"
    APPLICANT = "applicant"
    NOBODY = "nobody"


@dataclass(frozen=True, slots=True)
class Return:
    at: datetime
    reason: Reason


@dataclass(frozen=True, slots=True)
class Step:
    """`title`: None where the agency names no step; `state`: done, stopped, or the state that it is in; `ended`: None while it is;
    `returns`: all of them, the last one is what has to be corrected when the state is `returned`."""

    title: Words | None
    agency: Words | None
    state: str
    began: datetime
    ended: datetime | None
    waiting_for: tuple[Words, ...]
    returns: tuple[Return, ...]


@dataclass(frozen=True, slots=True)
class Next:
    """`who`: the agency, or the persons who are asked, as the agency names them."""

    turn: Turn
    who: tuple[Words, ...] = ()


def steps_of(dossier: Dossier) -> tuple[Step, ...]:
    """In order. What is between filing and end, as far as it was told."""
    told = [state for state in dossier.states if state.state != "received"]
    groups: list[list[State]] = []
    for state in told:
        if state.state in _ENDS:
            continue
        if groups and (groups[-1][-1].step, groups[-1][-1].agency) == (state.step, state.agency):
            groups[-1].append(state)
        else:
            groups.append([state])
    return tuple(_step(group, _after(told, group[-1])) for group in groups)


def next_of(dossier: Dossier) -> Next:
    last = dossier.states[-1]
    match last.state:
        case "finished" | "withdrawn":
            return Next(Turn.NOBODY)
        case "returned":
            return Next(Turn.APPLICANT)
        case "waiting_consent" if last.waiting_for:
            return Next(Turn.PERSONS, last.waiting_for)
        case _:
            return Next(Turn.AGENCY, () if last.agency is None else (last.agency,))


def _after(told: Sequence[State], last: State) -> State | None:
    position = next(n for n, state in enumerate(told) if state is last) + 1
    return told[position] if position < len(told) else None


def _step(group: Sequence[State], after: State | None) -> Step:
    last = group[-1]
    state = last.state if after is None else "done" if after.state not in _ENDS[1:] else "stopped"
    return Step(
        title=last.step,
        agency=last.agency,
        state=state,
        began=group[0].at,
        ended=None if after is None else after.at,
        waiting_for=last.waiting_for if after is None else (),
        returns=tuple(Return(one.at, one.reason) for one in group if one.reason is not None),
    )
