"""States, as agencies tell them, become a thread of steps, and it is somebody's turn."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.dvc.web.records import Dossier, Reason, State
from adapters.dvc.web.thread import Next, Turn, next_of, steps_of

START = datetime(2026, 11, 20, 8, 30, tzinfo=UTC)
BIRTH, HOME = {"vi": "Khai sinh", "en": "Birth"}, {"vi": "Thường trú", "en": "Residence"}
COURT, POLICE = {"vi": "Hộ tịch", "en": "Civil status"}, {"vi": "Công an", "en": "Police"}
HEAD, OWNER = {"vi": "Chủ hộ", "en": "Householder"}, {"vi": "Chủ sở hữu", "en": "Owner"}
WRONG, LATE = Reason("THONG-TIN-KHONG-KHOP", "ND-118-2025", "/sex"), Reason("HO-SO-TRUNG", "ND-118-2025", "")
FILED = State("received", START)


def at(hours: int) -> datetime:
    return START + timedelta(hours=hours)


def dossier(*states: State) -> Dossier:
    return Dossier("999-KS-2026-000001", BIRTH, START, None, states[-1].state, states, ())


BIRTH_AT_WORK = State("processing", at(1), BIRTH, COURT)
RETURNED = State("returned", at(2), BIRTH, COURT, reason=WRONG)
AGAIN = State("processing", at(3), BIRTH, COURT)
RETURNED_AGAIN = State("returned", at(4), BIRTH, COURT, reason=LATE)
ASKED = State("waiting_consent", at(5), HOME, POLICE, (HEAD, OWNER))
ASKED_ONE = State("waiting_consent", at(6), HOME, POLICE, (HEAD,))
HOME_AT_WORK = State("processing", at(7), HOME, POLICE)


def test_states_of_one_step_belong_together() -> None:
    first, second = steps_of(dossier(FILED, BIRTH_AT_WORK, RETURNED, AGAIN, ASKED, ASKED_ONE))
    assert (first.title, first.state, first.began, first.ended) == (BIRTH, "done", at(1), at(5))
    assert [(one.at, one.reason) for one in first.returns] == [(at(2), WRONG)]
    assert (second.agency, second.state, second.ended, second.waiting_for) == (POLICE, "waiting_consent", None, (HEAD,))


def test_every_return_of_a_step_is_kept() -> None:
    (step,) = steps_of(dossier(FILED, BIRTH_AT_WORK, RETURNED, AGAIN, RETURNED_AGAIN))
    assert (step.state, [one.reason for one in step.returns]) == ("returned", [WRONG, LATE])


def test_the_end_is_no_step() -> None:
    states = (FILED, BIRTH_AT_WORK, HOME_AT_WORK)
    assert [s.state for s in steps_of(dossier(*states, State("finished", at(9))))] == ["done", "done"]
    withdrawn = (State("withdrawing", at(8)), State("withdrawn", at(9)))
    assert [s.state for s in steps_of(dossier(*states, *withdrawn))] == ["done", "stopped"]
    assert steps_of(dossier(FILED)) == ()


@pytest.mark.parametrize(
    ("last", "turn"),
    [
        (FILED, Next(Turn.AGENCY)),
        (BIRTH_AT_WORK, Next(Turn.AGENCY, (COURT,))),
        (RETURNED, Next(Turn.APPLICANT)),
        (ASKED, Next(Turn.PERSONS, (HEAD, OWNER))),
        (State("waiting_consent", at(5), HOME, POLICE), Next(Turn.AGENCY, (POLICE,))),
        (State("withdrawing", at(8)), Next(Turn.AGENCY)),
        (State("finished", at(9)), Next(Turn.NOBODY)),
        (State("withdrawn", at(9)), Next(Turn.NOBODY)),
    ],
    ids=lambda value: value.state if isinstance(value, State) else None,
)
def test_whose_turn_it_is(last: State, turn: Next) -> None:
    assert next_of(dossier(FILED, last)) == turn


_STATES = st.lists(
    st.sampled_from([BIRTH_AT_WORK, RETURNED, ASKED, HOME_AT_WORK, State("withdrawing", START)]), max_size=8
)


@given(_STATES)
def test_nothing_is_lost_and_only_the_last_step_is_open(states: list[State]) -> None:
    """Whatever agencies tell in whatever order."""
    steps = steps_of(dossier(FILED, *states))
    assert sum(len(step.returns) for step in steps) == sum(state.reason is not None for state in states)
    assert all(step.ended is not None for step in steps[:-1])
    assert bool(steps) == any(state.state != "withdrawing" for state in states)
