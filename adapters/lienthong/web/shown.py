"""A dossier as the pages show it, the same for operators and for the persons in it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from adapters.lienthong.definition import Definition
from adapters.lienthong.model import ConsentStatus, Dossier, Leg, LegStatus


def legs_shown(dossier: Dossier, definition: Definition, now: datetime) -> list[dict[str, Any]]:
    """A dossier keeps the legs with which it was opened, whatever was added to the definition since."""
    rules = {leg.code: leg for leg in definition.legs}
    return [
        {"leg": leg, "rules": rules[leg.code], "shown": "stuck" if leg.is_stuck(now) else leg.status.value}
        for leg in dossier.legs
    ]


def missing(dossier: Dossier) -> list[str]:
    return [c.role for c in dossier.consents if c.status is not ConsentStatus.GRANTED]


def to_ask(dossier: Dossier) -> tuple[Leg, int] | None:
    """The leg that can be asked again, and how often that was done; None when there is nobody to ask."""
    leg = next((one for one in dossier.legs if one.status is LegStatus.UNDOING), None) or dossier.current
    if leg is None or leg.status in (LegStatus.RETURNED, LegStatus.NOT_BEGUN):
        return None
    if leg.status is LegStatus.CONSENT:
        asked = [c for c in dossier.consents if c.leg == leg.code and c.status is ConsentStatus.ASKED]
        return leg, sum(c.reminders for c in asked)
    return leg, leg.asks
