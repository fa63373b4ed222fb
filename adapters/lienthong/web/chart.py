"""Open dossiers by age and state: bars in percent of their box, and the table under them from the same numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from adapters.lienthong.web.board import AGES, STATES

_TOP, _BASE, _GAP, _WIDTH = 9.0, 87.0, 0.7, 0.6
SERIES = {"running": "s1", "consent": "s2", "returned": "s3", "stuck": "s6"}


@dataclass(frozen=True, slots=True)
class Bar:
    series: str
    state: str
    age: int
    x: str
    y: str
    width: str
    height: str
    value: int


@dataclass(frozen=True, slots=True)
class Column:
    x: str
    y: str
    total: int


@dataclass(frozen=True, slots=True)
class Chart:
    """`values`: by state, one number for each age."""

    values: Mapping[str, tuple[int, ...]]
    columns: tuple[Column, ...]
    bars: tuple[Bar, ...]

    @property
    def total(self) -> int:
        return sum(column.total for column in self.columns)

    @property
    def stuck(self) -> int:
        return sum(self.values["stuck"])


def chart(counts: Mapping[tuple[str, int], int]) -> Chart:
    values = {state: tuple(counts.get((state, age), 0) for age in range(AGES)) for state in STATES}
    totals = [sum(values[state][age] for state in STATES) for age in range(AGES)]
    unit, width = (_BASE - _TOP) / max(1, *totals), 100 / AGES
    bars, columns = [], []
    for age in range(AGES):
        top = _BASE
        left = age * width + width * (1 - _WIDTH) / 2
        for state in STATES:
            height = values[state][age] * unit
            if height:
                top -= height
                size = (_percent(left), _percent(top), _percent(width * _WIDTH), _percent(max(0.5, height - _GAP)))
                bars.append(Bar(SERIES[state], state, age, *size, values[state][age]))
        columns.append(Column(_percent(age * width + width / 2), _percent(top), totals[age]))
    return Chart(values, tuple(columns), tuple(bars))


def _percent(value: float) -> str:
    return f"{value:.2f}%"
