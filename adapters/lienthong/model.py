"""A dossier as a value, what can happen to it, and what follows. Nothing here names a person: only roles, legs and codes.

A leg:      not_begun -> consent -> running -> done          returned --resubmitted--> consent or running
                      \\-> running             \\-> returned   (done or running) --withdrawn--> undoing -> undone
A consent:  asked -> granted | refused | unanswered           a resubmission asks anew
A dossier:  open -> finished | withdrawing -> withdrawn
Stuck is no state: it is a leg in `consent` or `running` whose time is over, at whatever moment one looks.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TypeAlias


class LegStatus(StrEnum):
    NOT_BEGUN = "not_begun"
    CONSENT = "consent"
    RUNNING = "running"
    RETURNED = "returned"
    DONE = "done"
    UNDOING = "undoing"
    UNDONE = "undone"


class ConsentStatus(StrEnum):
    NOT_ASKED = "not_asked"
    ASKED = "asked"
    GRANTED = "granted"
    REFUSED = "refused"
    UNANSWERED = "unanswered"


class Status(StrEnum):
    OPEN = "open"
    FINISHED = "finished"
    WITHDRAWING = "withdrawing"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class Reason:
    """Codes of the controlled list."""

    code: str
    legal_reference: str


@dataclass(frozen=True, slots=True)
class Leg:
    """`left`: of its limit, while nobody works on it; `due`: when the limit is over, while somebody does.

    `round`: one more with each resubmission; `asks`: how often the agency was asked in this round; `ask_at`: when it is asked again
    by itself."""

    code: str
    status: LegStatus
    left: timedelta
    since: datetime | None = None
    due: datetime | None = None
    ended: datetime | None = None
    round: int = 1
    asks: int = 0
    ask_at: datetime | None = None
    reason: Reason | None = None

    def is_stuck(self, now: datetime) -> bool:
        """Somebody has it, and the time is over."""
        return self.status in (LegStatus.CONSENT, LegStatus.RUNNING) and self.due is not None and self.due < now


@dataclass(frozen=True, slots=True)
class Consent:
    """`reminders`: sent since the question was asked."""

    role: str
    leg: str
    status: ConsentStatus = ConsentStatus.NOT_ASKED
    asked: datetime | None = None
    decided: datetime | None = None
    reminders: int = 0


@dataclass(frozen=True, slots=True)
class Dossier:
    """`warned`, `late`: the legal clock was told of to parents and office."""

    id: str
    procedure: str
    province: str
    opened: datetime
    clock_until: datetime
    status: Status
    legs: tuple[Leg, ...]
    consents: tuple[Consent, ...] = ()
    warned: bool = False
    late: bool = False

    @property
    def current(self) -> Leg | None:
        """The leg that the dossier is at; None when all is done."""
        return next((leg for leg in self.legs if leg.status not in (LegStatus.DONE, LegStatus.UNDONE)), None)

    def leg(self, code: str) -> Leg | None:
        return next((leg for leg in self.legs if leg.code == code), None)

    def consent(self, role: str) -> Consent | None:
        return next((consent for consent in self.consents if consent.role == role), None)


# --- what happens ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Done:
    leg: str


@dataclass(frozen=True, slots=True)
class Returned:
    leg: str
    reason: Reason


@dataclass(frozen=True, slots=True)
class Undone:
    leg: str


@dataclass(frozen=True, slots=True)
class Decided:
    """A person answered. There is no event for a person who did not."""

    role: str
    granted: bool


@dataclass(frozen=True, slots=True)
class Resubmitted:
    leg: str


@dataclass(frozen=True, slots=True)
class AskAgain:
    """By an operator, who saw that the agency had been asked `seen` times: what was asked since is not asked twice."""

    leg: str
    seen: int


@dataclass(frozen=True, slots=True)
class Withdrawn:
    pass


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed."""


Event: TypeAlias = Done | Returned | Undone | Decided | Resubmitted | AskAgain | Withdrawn | Tick


# --- what follows ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Send:
    """Ask the agency of the leg to do it, or to undo it."""

    leg: str
    action: str
    round: int
    ask: int


@dataclass(frozen=True, slots=True)
class Ask:
    role: str


@dataclass(frozen=True, slots=True)
class Remind:
    role: str
    number: int


@dataclass(frozen=True, slots=True)
class Expired:
    """The question is closed without an answer, which is no yes, and whoever was asked is told so."""

    role: str


@dataclass(frozen=True, slots=True)
class Alert:
    """`kind`: clock_near or clock_passed."""

    kind: str


Effect: TypeAlias = Send | Ask | Remind | Expired | Alert


@dataclass(frozen=True, slots=True)
class Decision:
    dossier: Dossier
    effects: tuple[Effect, ...] = ()


class NotPossible(Exception):
    """The event contradicts what is recorded. `code` is stable."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code
