"""Where the bars of a stacked chart stand: percent of its box, which has no view box, so that text keeps its size on a phone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

_TOP, _BASE = 9.0, 87.0  # percent of the height
_GAP, _THINNEST = 0.7, 0.5
_WIDTH = 0.62  # of a column


@dataclass(frozen=True, slots=True)
class Bar:
    """Percent of the box. `series`, `column`: from 0."""

    series: int
    column: int
    x: str
    y: str
    width: str
    height: str
    value: int


@dataclass(frozen=True, slots=True)
class Column:
    """`x` of its middle, `y` of its top."""

    x: str
    y: str
    total: int


def stacked(series: Sequence[Sequence[int]]) -> tuple[tuple[Column, ...], tuple[Bar, ...]]:
    """`series`: of each its value in every column, at least one column; the first stands lowest. No bar for a zero."""
    totals = [sum(values) for values in zip(*series, strict=True)]
    unit, width = (_BASE - _TOP) / max(1, *totals), 100 / len(totals)
    bars, columns = [], []
    for c, total in enumerate(totals):
        top, x = _BASE, c * width + width * (1 - _WIDTH) / 2
        for s, values in enumerate(series):
            height = values[c] * unit
            if height:
                top -= height
                size = _percent(width * _WIDTH), _percent(max(_THINNEST, height - _GAP))
                bars.append(Bar(s, c, _percent(x), _percent(top), *size, values[c]))
        columns.append(Column(_percent(c * width + width / 2), _percent(top), total))
    return tuple(columns), tuple(bars)


def _percent(value: float) -> str:
    return f"{value:.2f}%"
