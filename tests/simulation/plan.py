"""What befalls each dossier and each facility. The shares are those of the documents: 63,065 of 334,070 returns lost; 110,970
dossiers returned, 56,359 of them for bad reasons; 8,267 of 11,883 facilities that do not sign, or sign wrongly."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

LOST = 63_065 / 334_070
RETURNED = 110_970 / 334_070
BAD = 56_359 / 110_970
FACILITIES, FAILING = 11_883, 8_267
DEATHS = 0.3
UNSIGNED_OF_FAILING = 0.7  # the documents do not tell how many sign wrongly and how many not at all
BAD_CAUSES = ("empty", "unknown", "legal_reference", "unlawful_demand")
BAD_REASONS = {
    "empty": {"code": "", "legal_reference": ""},
    "unknown": {"code": "LY-DO-KHAC", "legal_reference": "ND-118-2025"},
    "legal_reference": {"code": "THONG-TIN-KHONG-KHOP", "legal_reference": "LUAT-BHXH-2024"},
    "unlawful_demand": {"code": "DOI-BAN-SAO-CAN-CUOC", "legal_reference": "ND-118-2025"},
}
GOOD_REASON = {"code": "THONG-TIN-KHONG-KHOP", "legal_reference": "ND-118-2025"}
PROVINCES = tuple(f"Tỉnh giả định {n:02}" for n in range(1, 35))
WRONG = ("altered", "untrusted", "expired", "signing_time", "wrapped")


@dataclass(frozen=True, slots=True)
class Fate:
    """`bad`: what is wrong with the reason of the first return, None for a good one."""

    number: int
    procedure: str
    province: str
    lost: bool
    returned: bool
    bad: str | None


@dataclass(frozen=True, slots=True)
class Plan:
    """`fates`: by number; a part of a plan keeps the numbers."""

    fates: Mapping[int, Fate]

    @property
    def lost(self) -> frozenset[int]:
        return frozenset(f.number for f in self.fates.values() if f.lost)

    @property
    def returned(self) -> int:
        return sum(f.returned for f in self.fates.values())

    def bad(self, cause: str) -> int:
        return sum(f.bad == cause for f in self.fates.values())

    def split(self, first: int) -> tuple[Plan, Plan]:
        """The first so many dossiers, and the others."""
        numbers = sorted(self.fates)
        parts = numbers[:first], numbers[first:]
        of_road, of_bulk = (Plan({n: self.fates[n] for n in part}) for part in parts)
        return of_road, of_bulk


def make_plan(dossiers: int, seed: int) -> Plan:
    """Exact shares, rounded; who it befalls is drawn. Lost returns befall dossiers that are not sent back."""
    dice = random.Random(seed)
    order = list(range(dossiers))
    dice.shuffle(order)
    lost = set(order[: round(dossiers * LOST)])
    returned = order[len(lost) : len(lost) + round(dossiers * RETURNED)]
    bad = set(returned[: round(len(returned) * BAD)])
    sent_back = set(returned)
    fates = (
        Fate(
            number=n,
            procedure="death" if dice.random() < DEATHS else "birth",
            province=dice.choice(PROVINCES),
            lost=n in lost,
            returned=n in sent_back,
            bad=dice.choice(BAD_CAUSES) if n in bad else None,
        )
        for n in range(dossiers)
    )
    return Plan({fate.number: fate for fate in fates})


def make_facilities(count: int, seed: int) -> Sequence[str]:
    """How each facility signs: `good`, or the cause for which its notice fails. As exact."""
    dice = random.Random(seed)
    failing = round(count * FAILING / FACILITIES)
    unsigned = round(failing * UNSIGNED_OF_FAILING)
    wrong = [dice.choice(WRONG) for _ in range(failing - unsigned)]
    causes = ["unsigned"] * unsigned + wrong + ["good"] * (count - failing)
    dice.shuffle(causes)
    return causes
