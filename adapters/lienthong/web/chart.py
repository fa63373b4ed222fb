"""Open dossiers by age and state: bars, and the table under them from the same numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from adapters.lienthong.web.board import AGES, STATES
from gateway.pages.bars import Bar, Column, stacked

SERIES = {"running": "s1", "consent": "s2", "returned": "s3", "stuck": "s6"}


@dataclass(frozen=True, slots=True)
class Chart:
    """`values`: by state, one number for each age; series of bars are in this order."""

    values: Mapping[str, tuple[int, ...]]
    columns: tuple[Column, ...]
    bars: tuple[Bar, ...]

    @property
    def total(self) -> int:
        return sum(column.total for column in self.columns)

    @property
    def stuck(self) -> int:
        return sum(self.values["stuck"])

    def state(self, bar: Bar) -> str:
        return STATES[bar.series]


def chart(counts: Mapping[tuple[str, int], int]) -> Chart:
    values = {state: tuple(counts.get((state, age), 0) for age in range(AGES)) for state in STATES}
    return Chart(values, *stacked([values[state] for state in STATES]))
