"""What the applicant, and whoever is asked, finds at the national portal: each change of a dossier, told as a message that arrives.

  a dossier is opened       it is entered under the applicant
  an agency gave something  the result, by its number; before the state, so that the end comes last
  it stands elsewhere       its state: which step, whose consent is missing, for which reason it was returned
  somebody is asked         a notification to that person; reminders and the expiry too, this is their channel
  the legal clock warns     a notification to the applicant

Rule: the portal never holds a procedure up. Its messages have an order of their own, beside that of the dossier's legs.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from adapters.lienthong.definition import Definition, Words
from adapters.lienthong.model import (
    Alert,
    Ask,
    Consent,
    ConsentStatus,
    Decision,
    Done,
    Dossier,
    Event,
    Expired,
    LegStatus,
    Remind,
    Returned,
    Status,
)
from adapters.lienthong.reasons import Reasons
from adapters.sdk import Connection
from adapters.sdk.delivery import Message, post
from adapters.sdk.delivery.messages import json_body

SERVICE = "VN/GOV/G22/dvc/portal"

_LIFETIME = timedelta(days=30)
_PEOPLE = "select part, value from lienthong.content where dossier = $1 and part in ('applicant', 'consents')"
_STATES = {
    Status.FINISHED: "finished",
    Status.WITHDRAWN: "withdrawn",
    Status.WITHDRAWING: "withdrawing",
}
_OF_LEG = {LegStatus.CONSENT: "waiting_consent", LegStatus.RETURNED: "returned"}


@dataclass(frozen=True, slots=True)
class Change:
    """`before`: None when the dossier is new; `event`: what happened to it, `document`: what came with that."""

    before: Dossier | None
    event: Event | None
    decision: Decision
    document: Mapping[str, Any] = field(repr=False, default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Told:
    path: str
    body: Mapping[str, object] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Portal:
    """`reasons`: the controlled list, for its words; `service`: of the portal."""

    reasons: Reasons
    service: str = SERVICE

    async def tell(self, connection: Connection, definition: Definition, change: Change, now: datetime) -> None:
        """In the transaction of the change. A dossier without an applicant is on no portal."""
        dossier = change.decision.dossier
        people = {row["part"]: json.loads(row["value"]) for row in await connection.fetch(_PEOPLE, dossier.id)}
        applicant = people.get("applicant", {}).get("id")
        if applicant is None:
            return
        purpose = next((leg.purpose for leg in definition.legs if leg.purpose is not None), None)
        for told in self._all(definition, change, applicant, people.get("consents", {}), now):
            message = Message(
                message_id=uuid4(),
                ordering_key=f"{dossier.id}/portal",
                issue=dossier.id,
                service=self.service,
                path=told.path,
                body=json_body(told.body),
                deadline=now + _LIFETIME,
                purpose=purpose,
            )
            await post(connection, message, now)

    def _all(
        self, definition: Definition, change: Change, applicant: str, asked: Mapping[str, str], now: datetime
    ) -> Iterator[_Told]:
        dossier = change.decision.dossier
        if change.before is None:
            yield _Told("/v1/dossiers", _entered(definition, dossier, applicant))
        if isinstance(change.event, Done) and (result := _result(definition, change.event, change.document, now)):
            yield _Told(f"/v1/dossiers/{dossier.id}/results", result)
        if change.before is None or _standing(change.before) != _standing(dossier):
            yield _Told(f"/v1/dossiers/{dossier.id}/states", self._state(definition, change, now))
        for effect in change.decision.effects:
            match effect:
                case Ask(role):
                    yield _notification(
                        dossier, "consent_request", asked[role], now, _question(definition, dossier, role)
                    )
                case Remind(role, number):
                    more = {**_question(definition, dossier, role), "count": number}
                    yield _notification(dossier, "consent_reminder", asked[role], now, more)
                case Expired(role):
                    more = _question(definition, dossier, role)
                    yield _notification(dossier, "consent_expired", asked[role], now, more)
                case Alert(kind):
                    yield _notification(dossier, kind, applicant, now, {})

    def _state(self, definition: Definition, change: Change, now: datetime) -> dict[str, object]:
        dossier = change.decision.dossier
        leg = dossier.current
        state: dict[str, object] = {"at": now.isoformat(), "state": _STATES.get(dossier.status, "processing")}
        rules = None if leg is None else definition.leg(leg.code)
        if leg is None or rules is None or dossier.status is not Status.OPEN:
            return state
        state |= {
            "state": _OF_LEG.get(leg.status, "processing"),
            "step": _words(rules.title),
            "agency": _words(rules.agency),
        }
        if leg.status is LegStatus.CONSENT:
            state["waiting_for"] = [_words(definition.roles[consent.role]) for consent in _missing(dossier)]
        if leg.reason is not None:
            reason: dict[str, object] = {"code": leg.reason.code, "legal_reference": leg.reason.legal_reference}
            if (listed := self.reasons.get(leg.reason.code)) is not None:
                reason["words"] = {"vi": listed.vi, "en": listed.en}
            if isinstance(change.event, Returned) and change.document.get("note"):
                reason["note"] = change.document["note"]
            state["reason"] = reason
        return state


def _entered(definition: Definition, dossier: Dossier, applicant: str) -> dict[str, object]:
    return {
        "number": dossier.id,
        "procedure": f"LT-{definition.letters}",
        "applicant_id": applicant,
        "filed_at": dossier.opened.isoformat(),
        "due_at": dossier.clock_until.isoformat(),
    }


def _standing(dossier: Dossier) -> tuple[object, ...]:
    """What an applicant would notice a change of."""
    leg = dossier.current
    of_leg = None if leg is None else (leg.code, leg.status, leg.round, leg.reason)
    return dossier.status, of_leg, tuple(consent.role for consent in _missing(dossier))


def _missing(dossier: Dossier) -> list[Consent]:
    """Whose yes the dossier waits for now."""
    leg = dossier.current
    if leg is None or leg.status is not LegStatus.CONSENT:
        return []
    return [c for c in dossier.consents if c.leg == leg.code and c.status is not ConsentStatus.GRANTED]


def _result(
    definition: Definition, event: Done, document: Mapping[str, Any], now: datetime
) -> dict[str, object] | None:
    rules = definition.leg(event.leg)
    reference = None if rules is None or rules.result is None else document.get(rules.result)
    if rules is None or not isinstance(reference, str):
        return None
    words = {"title": _words(rules.title), "issued_by": _words(rules.agency)}
    return {"kind": event.leg, "reference": reference, "at": now.isoformat(), **words}


def _question(definition: Definition, dossier: Dossier, role: str) -> dict[str, object]:
    consent, rules = dossier.consent(role), definition.consent
    question: dict[str, object] = {"role": _words(definition.roles[role])}
    if consent is not None and consent.asked is not None and rules is not None:
        question["answer_by"] = (consent.asked + rules.expires).isoformat()
    return question


def _notification(dossier: Dossier, kind: str, person: str, now: datetime, more: Mapping[str, object]) -> _Told:
    return _Told(
        "/v1/notifications", {"person_id": person, "dossier": dossier.id, "kind": kind, "at": now.isoformat(), **more}
    )


def _words(words: Words) -> dict[str, str]:
    return {"vi": words.vi, "en": words.en}
