"""What follows from an event: one pure function.

  1. the event is held against what is recorded; what contradicts it is NotPossible, what says nothing new changes nothing
  2. the leg or consent that it concerns moves on
  3. whatever may begin now begins: consents are asked, agencies are asked, the dossier is finished or withdrawn
  4. what the passing of time asks for: reminders, expiry of questions, asking again, warnings of the legal clock

The same event twice is the same as once: messages are repeated, people click twice, clocks tick at any time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import assert_never

from adapters.lienthong.definition import ConsentRules, Definition, LegDefinition
from adapters.lienthong.model import (
    Alert,
    Ask,
    AskAgain,
    Consent,
    ConsentStatus,
    Decided,
    Decision,
    Done,
    Dossier,
    Effect,
    Event,
    Expired,
    Leg,
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

_WAITING = (LegStatus.CONSENT, LegStatus.RUNNING)


def open_dossier(definition: Definition, number: str, province: str, now: datetime) -> Decision:
    """A new dossier, its opening leg done, its first agency asked."""
    legs = [Leg(leg.code, LegStatus.NOT_BEGUN, leg.time) for leg in definition.legs]
    legs[0] = replace(legs[0], status=LegStatus.DONE, since=now, ended=now)
    consents = tuple(Consent(role, leg.code) for leg in definition.legs for role in leg.consents)
    until = now + timedelta(days=definition.clock.days)
    dossier = Dossier(number, definition.procedure, province, now, until, Status.OPEN, tuple(legs), consents)
    return _go_on(definition, Decision(dossier), now)


def decide(definition: Definition, dossier: Dossier, event: Event, now: datetime) -> Decision:
    """The dossier after the event, and what has to be done with it in the same transaction. NotPossible leaves it as it was."""
    return _go_on(definition, _apply(definition, dossier, event, now), now)


def next_tick(definition: Definition, dossier: Dossier) -> datetime | None:
    """When time alone asks for something next; None when it never does."""
    if dossier.status in (Status.FINISHED, Status.WITHDRAWN):
        return None
    moments = [leg.ask_at for leg in dossier.legs if leg.ask_at is not None]
    moments += [] if definition.consent is None else _moments(definition.consent, dossier)
    if dossier.status is Status.OPEN:
        warn = dossier.clock_until - timedelta(days=definition.clock.warn_days)
        moments += [warn] if not dossier.warned else [dossier.clock_until] if not dossier.late else []
    return min(moments, default=None)


# --- 1, 2: the event ---------------------------------------------------------------------------------------------------------


def _apply(definition: Definition, dossier: Dossier, event: Event, now: datetime) -> Decision:
    match event:
        case Done(code):
            return Decision(_ended(definition, dossier, code, LegStatus.DONE, None, now))
        case Returned(code, reason):
            return Decision(_ended(definition, dossier, code, LegStatus.RETURNED, reason, now))
        case Undone(code):
            return Decision(_undone(dossier, _leg(dossier, code), now))
        case Decided(role, granted):
            return Decision(_decided(definition, dossier, role, granted, now))
        case Resubmitted(code):
            return Decision(_resubmitted(dossier, _leg(dossier, code)))
        case AskAgain(code, seen):
            return _ask_again(definition, dossier, _leg(dossier, code), seen, now)
        case Withdrawn():
            return Decision(_withdrawn(dossier))
        case Tick():
            return Decision(dossier)
        case _:
            assert_never(event)


def _leg(dossier: Dossier, code: str) -> Leg:
    leg = dossier.leg(code)
    if leg is None or leg is dossier.legs[0]:
        raise NotPossible("unknown_leg")
    return leg


def _ended(
    definition: Definition, dossier: Dossier, code: str, status: LegStatus, reason: Reason | None, now: datetime
) -> Dossier:
    leg = _leg(dossier, code)
    if (leg.status, leg.reason) == (status, reason):
        return dossier
    if leg.status is LegStatus.UNDOING:
        return dossier  # it was done before the agency heard that it is to be undone, which it will hear
    if leg.status is not LegStatus.RUNNING:
        raise NotPossible("leg_not_running")
    left = _left(definition, leg, now)
    ended = now if status is LegStatus.DONE else None
    return _with(dossier, replace(leg, status=status, left=left, due=None, ask_at=None, ended=ended, reason=reason))


def _undone(dossier: Dossier, leg: Leg, now: datetime) -> Dossier:
    if leg.status is LegStatus.UNDONE:
        return dossier
    if leg.status is not LegStatus.UNDOING:
        raise NotPossible("leg_not_being_undone")
    return _with(dossier, replace(leg, status=LegStatus.UNDONE, ended=now, due=None, ask_at=None))


def _decided(definition: Definition, dossier: Dossier, role: str, granted: bool, now: datetime) -> Dossier:
    consent = dossier.consent(role)
    if consent is None:
        raise NotPossible("unknown_role")
    wanted = ConsentStatus.GRANTED if granted else ConsentStatus.REFUSED
    if consent.status is wanted:
        return dossier
    if consent.status is not ConsentStatus.ASKED or dossier.status is not Status.OPEN:
        raise NotPossible("not_asked")
    dossier = _with_consent(dossier, replace(consent, status=wanted, decided=now))
    rules = definition.consent
    if granted or rules is None:
        return dossier
    reason = Reason(rules.refused_reason, rules.legal_reference)
    return _closed_without_consent(definition, dossier, consent.leg, reason, now)


def _closed_without_consent(
    definition: Definition, dossier: Dossier, code: str, reason: Reason, now: datetime
) -> Dossier:
    leg = _leg(dossier, code)
    left = _left(definition, leg, now)
    return _with(dossier, replace(leg, status=LegStatus.RETURNED, left=left, due=None, ask_at=None, reason=reason))


def _resubmitted(dossier: Dossier, leg: Leg) -> Dossier:
    if dossier.status is not Status.OPEN:
        raise NotPossible("dossier_closed")
    if leg.status in _WAITING and leg.round > 1:
        return dossier
    if leg.status is not LegStatus.RETURNED:
        raise NotPossible("leg_not_returned")
    for consent in dossier.consents:
        if consent.leg == leg.code and consent.status is not ConsentStatus.GRANTED:
            dossier = _with_consent(dossier, Consent(consent.role, consent.leg))
    return _with(dossier, replace(leg, status=LegStatus.NOT_BEGUN, round=leg.round + 1, asks=0, since=None))


def _ask_again(definition: Definition, dossier: Dossier, leg: Leg, seen: int, now: datetime) -> Decision:
    if leg.status in (LegStatus.RUNNING, LegStatus.UNDOING):
        if seen > leg.asks:
            raise NotPossible("not_asked_that_often")
        if leg.asks != seen:
            return Decision(dossier)
        return _asked(definition, dossier, leg, now)
    if leg.status is LegStatus.CONSENT:
        missing = [c for c in dossier.consents if c.leg == leg.code and c.status is ConsentStatus.ASKED]
        reminded = sum(c.reminders for c in missing)
        if seen > reminded:
            raise NotPossible("not_asked_that_often")
        if reminded != seen:
            return Decision(dossier)
        return _reminded(dossier, missing)
    raise NotPossible("nobody_to_ask")


def _withdrawn(dossier: Dossier) -> Dossier:
    if dossier.status in (Status.WITHDRAWING, Status.WITHDRAWN):
        return dossier
    if dossier.status is not Status.OPEN:
        raise NotPossible("dossier_closed")
    return replace(dossier, status=Status.WITHDRAWING)


# --- 3: what may begin -------------------------------------------------------------------------------------------------------


def _go_on(definition: Definition, decision: Decision, now: datetime) -> Decision:
    dossier, effects = decision.dossier, list(decision.effects)
    step = _open_step if dossier.status is Status.OPEN else _withdrawing_step
    if dossier.status in (Status.OPEN, Status.WITHDRAWING):
        after = step(definition, dossier, now)
        dossier, effects = after.dossier, [*effects, *after.effects]
    if dossier.status is not Status.FINISHED and dossier.status is not Status.WITHDRAWN:
        late = _time_passed(definition, dossier, now)
        dossier, effects = late.dossier, [*effects, *late.effects]
    return Decision(dossier, tuple(effects))


def _open_step(definition: Definition, dossier: Dossier, now: datetime) -> Decision:
    leg = dossier.current
    if leg is None:
        return Decision(replace(dossier, status=Status.FINISHED))
    consents = [c for c in dossier.consents if c.leg == leg.code]
    if leg.status is LegStatus.NOT_BEGUN:
        leg = replace(leg, since=now, due=definition.due(_rules(definition, leg), now, leg.left), reason=None)
        if any(c.status is not ConsentStatus.GRANTED for c in consents):
            return _questions(_with(dossier, replace(leg, status=LegStatus.CONSENT)), consents, now)
        return _asked(definition, _with(dossier, leg), replace(leg, status=LegStatus.RUNNING), now)
    if leg.status is LegStatus.CONSENT and all(c.status is ConsentStatus.GRANTED for c in consents):
        return _asked(definition, dossier, replace(leg, status=LegStatus.RUNNING), now)
    return Decision(dossier)


def _questions(dossier: Dossier, consents: list[Consent], now: datetime) -> Decision:
    effects: list[Effect] = []
    for consent in consents:
        if consent.status is not ConsentStatus.GRANTED:
            dossier = _with_consent(dossier, replace(consent, status=ConsentStatus.ASKED, asked=now))
            effects.append(Ask(consent.role))
    return Decision(dossier, tuple(effects))


def _withdrawing_step(definition: Definition, dossier: Dossier, now: datetime) -> Decision:
    """Backwards, one leg after the other; what the definition does not undo stays done."""
    for leg in reversed(dossier.legs[1:]):
        rules = _rules(definition, leg)
        if leg.status is LegStatus.UNDOING:
            return Decision(dossier)
        if leg.status in (LegStatus.DONE, LegStatus.RUNNING) and rules.undo:
            due = definition.due(rules, now, rules.time)
            undoing = replace(leg, status=LegStatus.UNDOING, asks=0, left=rules.time, due=due, since=now)
            return _asked(definition, dossier, undoing, now)
        if leg.status is LegStatus.CONSENT:
            dossier = _with(dossier, replace(leg, status=LegStatus.NOT_BEGUN, due=None))
        elif leg.status is LegStatus.RUNNING:
            dossier = _with(dossier, replace(leg, ask_at=None))  # its outcome will still come and be recorded
    return Decision(replace(dossier, status=Status.WITHDRAWN))


def _asked(definition: Definition, dossier: Dossier, leg: Leg, now: datetime) -> Decision:
    rules = _rules(definition, leg)
    assert rules.ask_again is not None
    asks = leg.asks + 1
    first = leg.due if leg.due is not None and leg.due > now else now + rules.ask_again
    ask_at = None if asks >= rules.most_asks else first
    action = "undo" if leg.status is LegStatus.UNDOING else "do"
    after = _with(dossier, replace(leg, asks=asks, ask_at=ask_at))
    return Decision(after, (Send(leg.code, action, leg.round, asks),))


# --- 4: time -----------------------------------------------------------------------------------------------------------------


def _time_passed(definition: Definition, dossier: Dossier, now: datetime) -> Decision:
    effects: list[Effect] = []
    for leg in dossier.legs:
        if leg.ask_at is not None and leg.ask_at <= now:
            again = _asked(definition, dossier, leg, now)
            dossier, effects = again.dossier, [*effects, *again.effects]
    for age in (_questions_expired, _questions_reminded):
        aged = age(definition, dossier, now)
        dossier, effects = aged.dossier, [*effects, *aged.effects]
    if dossier.status is Status.OPEN:
        if not dossier.warned and now >= dossier.clock_until - timedelta(days=definition.clock.warn_days):
            dossier, effects = replace(dossier, warned=True), [*effects, Alert("clock_near")]
        if not dossier.late and now >= dossier.clock_until:
            dossier, effects = replace(dossier, late=True), [*effects, Alert("clock_passed")]
    return Decision(dossier, tuple(effects))


def _questions_expired(definition: Definition, dossier: Dossier, now: datetime) -> Decision:
    """All that are over at once: nobody's question is lost because another's was over too."""
    rules = definition.consent
    if rules is None:
        return Decision(dossier)
    over = [c for c, asked in _open_questions(dossier) if now >= asked + rules.expires]
    for consent in over:
        dossier = _with_consent(dossier, replace(consent, status=ConsentStatus.UNANSWERED))
    for code in dict.fromkeys(consent.leg for consent in over):
        reason = Reason(rules.unanswered_reason, rules.legal_reference)
        dossier = _closed_without_consent(definition, dossier, code, reason, now)
    return Decision(dossier, tuple(Expired(consent.role) for consent in over))


def _questions_reminded(definition: Definition, dossier: Dossier, now: datetime) -> Decision:
    effects: list[Effect] = []
    for consent, asked in _open_questions(dossier):
        waits = () if definition.consent is None else definition.consent.remind
        due = sum(1 for wait in waits if now >= asked + wait)
        if due > consent.reminders:
            dossier = _with_consent(dossier, replace(consent, reminders=due))
            effects.append(Remind(consent.role, due))
    return Decision(dossier, tuple(effects))


def _open_questions(dossier: Dossier) -> Iterator[tuple[Consent, datetime]]:
    """Asked, with when, and the leg still waits for it: nobody is reminded when another refused or the dossier is withdrawn."""
    waiting = {leg.code for leg in dossier.legs if leg.status is LegStatus.CONSENT}
    for consent in dossier.consents:
        if consent.status is ConsentStatus.ASKED and consent.asked is not None and consent.leg in waiting:
            yield consent, consent.asked


def _reminded(dossier: Dossier, consents: list[Consent]) -> Decision:
    for consent in consents:
        dossier = _with_consent(dossier, replace(consent, reminders=consent.reminders + 1))
    return Decision(dossier, tuple(Remind(c.role, c.reminders + 1) for c in consents))


def _moments(rules: ConsentRules, dossier: Dossier) -> Iterator[datetime]:
    for consent, asked in _open_questions(dossier):
        if consent.reminders < len(rules.remind):
            yield asked + rules.remind[consent.reminders]
        yield asked + rules.expires


def _left(definition: Definition, leg: Leg, now: datetime) -> timedelta:
    """Of its limit, from now on."""
    return leg.left if leg.due is None else definition.left(_rules(definition, leg), now, leg.due)


def _rules(definition: Definition, leg: Leg) -> LegDefinition:
    rules = definition.leg(leg.code)
    if rules is None:
        raise NotPossible("unknown_leg")
    return rules


def _with(dossier: Dossier, leg: Leg) -> Dossier:
    return replace(dossier, legs=tuple(leg if old.code == leg.code else old for old in dossier.legs))


def _with_consent(dossier: Dossier, consent: Consent) -> Dossier:
    consents = tuple(consent if old.role == consent.role else old for old in dossier.consents)
    return replace(dossier, consents=consents)
