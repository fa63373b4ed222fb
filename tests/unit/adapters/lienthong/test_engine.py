"""The procedure as a function: its ordinary course, and what holds after any events at any times."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.lienthong.definition import load_definitions
from adapters.lienthong.engine import decide, next_tick, open_dossier
from adapters.lienthong.model import (
    Alert,
    Ask,
    AskAgain,
    ConsentStatus,
    Decided,
    Decision,
    Done,
    Dossier,
    Effect,
    Event,
    Expired,
    LegStatus,
    NotPossible,
    Reason,
    Remind,
    Resubmitted,
    Returned,
    Send,
    Status,
    Tick,
    Undone,
    Withdrawn,
)

DEFINITIONS = load_definitions()
BIRTH, DEATH = DEFINITIONS["birth"], DEFINITIONS["death"]
START = datetime(2026, 6, 16, 10, 0, tzinfo=UTC)
WRONG = Reason("THONG-TIN-KHONG-KHOP", "ND-118-2025")


class Course:
    """One dossier through events; `days` is where its clock stands."""

    def __init__(self, definition: object = BIRTH) -> None:
        self.definition = BIRTH if definition is BIRTH else DEATH
        self.now = START
        self.decision = open_dossier(self.definition, "999-KS-2026-000001", "Thành phố Vân Hải", START)

    @property
    def dossier(self) -> Dossier:
        return self.decision.dossier

    def after(self, event: Event, days: float = 0) -> Sequence[Effect]:
        self.now += timedelta(days=days)
        self.decision = decide(self.definition, self.dossier, event, self.now)
        return self.decision.effects

    def statuses(self) -> list[str]:
        return [leg.status.value for leg in self.dossier.legs]


def at_consent() -> Course:
    course = Course()
    course.after(Done("registration"))
    course.after(Done("identifier"))
    course.after(Done("certificate"))
    return course


def test_a_birth_in_its_ordinary_course() -> None:
    course = Course()
    assert course.decision.effects == (Send("registration", "do", 1, 1),)
    assert course.after(Done("registration"), 1) == (Send("identifier", "do", 1, 1),)
    assert course.after(Done("identifier")) == (Send("certificate", "do", 1, 1),)
    assert course.after(Done("certificate")) == (Ask("householder"), Ask("owner"))
    assert course.after(Decided("owner", granted=True)) == ()
    assert course.statuses()[4] == "consent"
    assert course.after(Decided("householder", granted=True), 2) == (Send("residence", "do", 1, 1),)
    assert course.after(Done("residence"), 1) == (Send("insurance_card", "do", 1, 1),)
    assert course.after(Done("insurance_card"), 1) == ()
    assert course.dossier.status is Status.FINISHED
    assert next_tick(BIRTH, course.dossier) is None


def test_a_death_needs_nobodys_consent() -> None:
    course = Course(DEATH)
    for leg in ("registration", "residence_removal", "funeral_benefit"):
        course.after(Done(leg))
    assert course.dossier.status is Status.FINISHED


def test_silence_is_reminded_then_returned_and_never_a_yes() -> None:
    course = at_consent()
    course.after(Decided("owner", granted=True))
    seen = []
    while course.dossier.legs[4].status is LegStatus.CONSENT:
        course.now = next_tick(BIRTH, course.dossier) or course.now
        seen += [e for e in course.after(Tick()) if isinstance(e, Remind)]
    assert seen == [Remind("householder", n) for n in (1, 2, 3)]
    leg = course.dossier.legs[4]
    assert (leg.status, leg.reason) == (
        LegStatus.RETURNED,
        Reason("CHU-HO-CHUA-XAC-NHAN", "LUAT-CUTRU-2020-D22"),
    )
    householder = course.dossier.consent("householder")
    assert householder is not None
    assert householder.status is ConsentStatus.UNANSWERED
    with pytest.raises(NotPossible, match="not_asked"):
        course.after(Decided("householder", granted=True))
    assert course.after(Resubmitted("residence")) == (Ask("householder"),), "the owner has said yes already"
    assert course.after(Decided("householder", granted=True)) == (Send("residence", "do", 2, 1),)


def test_whose_question_expired_is_told_and_nobody_is_forgotten() -> None:
    """Both were asked on one day, so both questions are over on one day; each is closed, and each person is told."""
    course = at_consent()
    assert course.after(Tick(), 44.9)[-1] != Expired("owner")
    assert course.after(Tick(), 0.1) == (Expired("householder"), Expired("owner"))
    assert {c.status for c in course.dossier.consents} == {ConsentStatus.UNANSWERED}
    assert course.after(Tick(), 1) == ()
    assert course.after(Resubmitted("residence")) == (Ask("householder"), Ask("owner"))


def test_one_refusal_returns_the_leg_and_nobody_is_reminded_any_more() -> None:
    course = at_consent()
    assert course.after(Decided("householder", granted=False)) == ()
    assert course.dossier.legs[4].reason == Reason("CHU-HO-KHONG-DONG-Y", "LUAT-CUTRU-2020-D22")
    assert [e for e in course.after(Tick(), 46) if not isinstance(e, Alert)] == []
    with pytest.raises(NotPossible, match="not_asked"):
        course.after(Decided("householder", granted=True))


def test_the_limit_stands_still_while_the_applicant_has_the_dossier() -> None:
    course = Course()
    course.after(Returned("registration", WRONG), 1)
    assert course.dossier.legs[1].left == timedelta(days=2)
    assert course.after(Tick(), 5) == ()
    assert course.after(Resubmitted("registration")) == (Send("registration", "do", 2, 1),)
    assert course.dossier.legs[1].due == course.now + timedelta(days=2)
    assert course.dossier.legs[1].reason is None


def test_an_overdue_agency_is_asked_again_and_clicks_are_counted_once() -> None:
    course = Course()
    assert course.after(Tick(), 2.9) == ()
    assert course.after(Tick(), 0.1) == (Send("registration", "do", 1, 2),)
    assert course.after(AskAgain("registration", seen=2)) == (Send("registration", "do", 1, 3),)
    assert course.after(AskAgain("registration", seen=2)) == (), "a second click on the same page"
    asks = [e for _ in range(60) for e in course.after(Tick(), 1) if isinstance(e, Send)]
    assert asks[-1].ask == 6, "then it is a matter for people"


def test_the_legal_clock_warns_once_and_tells_once() -> None:
    course = Course()
    alerts = [e for _ in range(70) for e in course.after(Tick(), 1) if isinstance(e, Alert)]
    assert alerts == [Alert("clock_near"), Alert("clock_passed")]


def test_a_withdrawal_undoes_backwards_what_can_be_undone() -> None:
    course = at_consent()
    for role in ("householder", "owner"):
        course.after(Decided(role, granted=True))
    course.after(Done("residence"))
    assert course.after(Withdrawn()) == (Send("insurance_card", "undo", 1, 1),), "it runs: the agency shall stop"
    assert course.after(Done("insurance_card")) == (), "it was done before it heard"
    assert course.after(Undone("insurance_card")) == (Send("residence", "undo", 1, 1),)
    assert course.after(Tick(), 12) == (Send("residence", "undo", 1, 2),), "undoing has its limit too"
    assert course.after(Undone("residence")) == (), "an entry stays entered, a number stays given"
    assert course.dossier.status is Status.WITHDRAWN
    assert course.statuses() == ["done", "done", "done", "done", "undone", "undone"]


@pytest.mark.parametrize(
    ("event", "code"),
    [
        (Done("residence"), "leg_not_running"),
        (Done("notice"), "unknown_leg"),
        (Done("funeral_benefit"), "unknown_leg"),
        (Returned("identifier", WRONG), "leg_not_running"),
        (Undone("registration"), "leg_not_being_undone"),
        (Decided("householder", granted=True), "not_asked"),
        (Decided("neighbour", granted=True), "unknown_role"),
        (Resubmitted("registration"), "leg_not_returned"),
        (AskAgain("identifier", 0), "nobody_to_ask"),
    ],
)
def test_what_contradicts_the_record_fails(event: Event, code: str) -> None:
    course = Course()
    before = course.decision
    with pytest.raises(NotPossible, match=code):
        course.after(event)
    assert course.decision is before


LEGS = st.sampled_from([leg.code for leg in BIRTH.legs])
ROLES = st.sampled_from(["householder", "owner"])
EVENTS = st.one_of(
    st.builds(Done, LEGS),
    st.builds(Done, LEGS),
    st.builds(Returned, LEGS, st.sampled_from([WRONG, Reason("HO-SO-TRUNG", "ND-118-2025")])),
    st.builds(Undone, LEGS),
    st.builds(Decided, ROLES, st.booleans()),
    st.builds(Resubmitted, LEGS),
    st.builds(AskAgain, LEGS, st.integers(0, 4)),
    st.just(Withdrawn()),
    st.just(Tick()),
)


def check(dossier: Dossier, effects: Sequence[Effect], granted: set[str], now: datetime) -> None:
    statuses = [leg.status for leg in dossier.legs]
    begun = [s for s in statuses if s is not LegStatus.NOT_BEGUN]
    assert statuses[: len(begun)] == begun or dossier.status is not Status.OPEN, "one after the other"
    if dossier.status in (Status.FINISHED, Status.OPEN):
        assert (dossier.status is Status.FINISHED) == all(s is LegStatus.DONE for s in statuses)
    for leg in dossier.legs:
        assert (leg.due is not None) >= (leg.status in (LegStatus.CONSENT, LegStatus.RUNNING, LegStatus.UNDOING))
        if leg.status in (LegStatus.RUNNING, LegStatus.DONE):
            assert set(BIRTH_CONSENTS.get(leg.code, ())) <= granted, "nothing runs without every yes"
    for consent in dossier.consents:
        assert (consent.status is ConsentStatus.GRANTED) <= (consent.role in granted), "a yes was said"
    for effect in effects:
        if isinstance(effect, Send):
            leg = next(leg for leg in dossier.legs if leg.code == effect.leg)
            assert leg.status in (LegStatus.RUNNING, LegStatus.UNDOING)
            assert effect.ask <= leg.asks
    tick = next_tick(BIRTH, dossier)
    assert tick is None or tick > now, "no clock is asked twice about the same moment"


BIRTH_CONSENTS = {leg.code: leg.consents for leg in BIRTH.legs}


@settings(max_examples=150)
@given(st.lists(st.tuples(EVENTS, st.sampled_from([0.0, 0.1, 1.0, 8.0, 50.0])), max_size=30))
def test_whatever_happens(events: list[tuple[Event, float]]) -> None:
    now = START
    decision = open_dossier(BIRTH, "999-KS-2026-000001", "x", now)
    granted: set[str] = set()
    for event, days in events:
        now += timedelta(days=days)
        try:
            after = decide(BIRTH, decision.dossier, event, now)
        except NotPossible:
            after = decide(BIRTH, decision.dossier, Tick(), now)
        else:
            if isinstance(event, Decided) and event.granted:
                granted.add(event.role)
            _same_again(after, event, now)
        check(after.dossier, after.effects, granted, now)
        decision = Decision(after.dossier)


def _same_again(after: Decision, event: Event, now: datetime) -> None:
    """The same message at the same moment changes nothing, or is refused."""
    try:
        again = decide(BIRTH, after.dossier, event, now)
    except NotPossible:
        return
    assert again == Decision(after.dossier)


def test_a_dossier_that_nobody_touches_ends_its_ticks() -> None:
    """Reminders, asking again and warnings are finite."""
    course = at_consent()
    for _ in range(100):
        tick = next_tick(BIRTH, course.dossier)
        if tick is None:
            break
        course.now = tick
        course.after(Tick())
    assert tick is None
    assert replace(course.dossier, late=True) == course.dossier
