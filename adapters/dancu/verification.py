"""Yes or no, attribute by attribute: what most callers need instead of a record.

An unknown number answers `no_match` for everything asked, in the same form and through the same steps as a known one with other
data, so the service cannot be used to find out which numbers exist.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import date
from enum import Enum

from adapters.people.model import Person

_SPACES = re.compile(r"\s+")
_COMMAS = re.compile(r" ?, ?")


class Verdict(Enum):
    MATCH = "match"
    NO_MATCH = "no_match"
    NOT_CHECKED = "not_checked"


@dataclass(frozen=True, slots=True)
class Claim:
    """What the caller believes; None: not asked."""

    full_name: str | None
    birth_date: date | None
    address: str | None


def check_claim(claim: Claim, person: Person | None) -> dict[str, Verdict]:
    """An address matches the permanent or the current residence, whole and in one line."""
    names = set() if person is None else {comparable(person.full_name)}
    births = set() if person is None else {person.birth_date}
    addresses = set() if person is None else {comparable(a.text) for a in (person.permanent, person.current)}
    return {
        "full_name": _verdict(None if claim.full_name is None else comparable(claim.full_name), names),
        "birth_date": _verdict(claim.birth_date, births),
        "address": _verdict(None if claim.address is None else comparable(claim.address), addresses),
    }


def _verdict(claimed: object | None, true: set[object] | set[str] | set[date]) -> Verdict:
    if claimed is None:
        return Verdict.NOT_CHECKED
    return Verdict.MATCH if claimed in true else Verdict.NO_MATCH


def comparable(text: str) -> str:
    """NFC, lower case, single spaces, `,` as `, `. Accents count: `Hoa` and `Hòa` are two names.

    Composed and decomposed letters look alike and come from different keyboards; folding can decompose again, hence twice.
    """
    folded = unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())
    return _COMMAS.sub(", ", _SPACES.sub(" ", folded).strip())
