"""What befalls each dossier. The shares are those of the documents: 63,065 of 334,070 returns lost; 110,970 dossiers returned,
56,359 of them for bad reasons; 8,267 of 11,883 facilities without a good signature."""

from __future__ import annotations

import random
from dataclasses import dataclass

LOST = 63_065 / 334_070
RETURNED = 110_970 / 334_070
BAD = 56_359 / 110_970
UNSIGNED = 8_267 / 11_883
DEATHS = 0.3
BAD_CAUSES = ("empty", "unknown", "legal_reference", "unlawful_demand")
BAD_REASONS = {
    "empty": {"code": "", "legal_reference": ""},
    "unknown": {"code": "LY-DO-KHAC", "legal_reference": "ND-118-2025"},
    "legal_reference": {"code": "THONG-TIN-KHONG-KHOP", "legal_reference": "LUAT-BHXH-2024"},
    "unlawful_demand": {"code": "DOI-BAN-SAO-CAN-CUOC", "legal_reference": "ND-118-2025"},
}
GOOD_REASON = {"code": "THONG-TIN-KHONG-KHOP", "legal_reference": "ND-118-2025"}
PROVINCES = tuple(f"Tỉnh giả định {n:02}" for n in range(1, 35))


@dataclass(frozen=True, slots=True)
class Fate:
    """`bad`: what is wrong with the reason of the first return, None for a good one."""

    number: int
    procedure: str
    province: str
    facility: int
    lost: bool
    returned: bool
    bad: str | None


@dataclass(frozen=True, slots=True)
class Plan:
    fates: tuple[Fate, ...]
    unsigned: frozenset[int]

    @property
    def lost(self) -> frozenset[int]:
        return frozenset(f.number for f in self.fates if f.lost)

    def bad(self, cause: str) -> int:
        return sum(f.bad == cause for f in self.fates)


def make_plan(dossiers: int, seed: int) -> Plan:
    """Exact shares, rounded; who it befalls is drawn. Lost returns befall dossiers that are not sent back."""
    dice = random.Random(seed)
    order = list(range(dossiers))
    dice.shuffle(order)
    lost = set(order[: round(dossiers * LOST)])
    returned = order[len(lost) : len(lost) + round(dossiers * RETURNED)]
    bad = set(returned[: round(len(returned) * BAD)])
    facilities = max(10, dossiers // 28)
    numbers = list(range(facilities))
    dice.shuffle(numbers)
    sent_back = set(returned)
    fates = tuple(
        Fate(
            number=n,
            procedure="death" if dice.random() < DEATHS else "birth",
            province=dice.choice(PROVINCES),
            facility=n % facilities,
            lost=n in lost,
            returned=n in sent_back,
            bad=dice.choice(BAD_CAUSES) if n in bad else None,
        )
        for n in range(dossiers)
    )
    return Plan(fates, frozenset(numbers[: round(facilities * UNSIGNED)]))
