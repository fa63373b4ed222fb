"""The chart of requests by month and agency: bars as percentages of its box, and the table below it from the same numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from gateway.citizen.records import Count
from gateway.citizen.views import member_of

MONTHS = 12
_SERIES = 4  # with a colour each; all others share the last
_TOP, _BASE = 9.0, 87.0  # percent of the height
_GAP = 0.7
_BAR = 0.62  # of a month's width


@dataclass(frozen=True, slots=True)
class Series:
    """One agency, or all others together (`agency` empty). `values`: one a month."""

    agency: str
    others: int
    values: tuple[int, ...]

    @property
    def total(self) -> int:
        return sum(self.values)


@dataclass(frozen=True, slots=True)
class Bar:
    """Percent of the box. `series`: from 1."""

    series: int
    month: int
    x: str
    y: str
    width: str
    height: str
    value: int


@dataclass(frozen=True, slots=True)
class Column:
    """A month: `x` of its middle, `y` of its top."""

    month: date
    x: str
    y: str
    total: int


@dataclass(frozen=True, slots=True)
class Chart:
    series: tuple[Series, ...]
    columns: tuple[Column, ...]
    bars: tuple[Bar, ...]

    @property
    def total(self) -> int:
        return sum(column.total for column in self.columns)


def chart(counts: Sequence[Count], today: date) -> Chart:
    """The twelve months that end with today's."""
    months = _months(today)
    series = _series(counts, months)
    totals = [sum(s.values[m] for s in series) for m in range(MONTHS)]
    unit = (_BASE - _TOP) / max(1, *totals)
    width = 100 / MONTHS
    bars, columns = [], []
    for m, month in enumerate(months):
        top = _BASE
        for number, one in enumerate(series, 1):
            height = one.values[m] * unit
            if height:
                top -= height
                x = m * width + width * (1 - _BAR) / 2
                bars.append(
                    Bar(
                        number,
                        m,
                        _percent(x),
                        _percent(top),
                        _percent(width * _BAR),
                        _percent(height - _GAP),
                        one.values[m],
                    )
                )
        columns.append(Column(month, _percent(m * width + width / 2), _percent(top), totals[m]))
    return Chart(series, tuple(columns), tuple(bars))


def _months(today: date) -> list[date]:
    last = today.year * 12 + today.month - 1
    return [date(n // 12, n % 12 + 1, 1) for n in range(last - MONTHS + 1, last + 1)]


def _series(counts: Sequence[Count], months: list[date]) -> tuple[Series, ...]:
    values: dict[str, list[int]] = {}
    place = {month: m for m, month in enumerate(months)}
    for count in counts:
        if count.month in place:
            values.setdefault(member_of(count.consumer), [0] * MONTHS)[place[count.month]] += count.n
    ordered = sorted(values, key=lambda agency: (-sum(values[agency]), agency))
    shown, rest = ordered, ordered[len(ordered) :]
    if len(ordered) > _SERIES + 1:
        shown, rest = ordered[:_SERIES], ordered[_SERIES:]
    found = [Series(agency, 0, tuple(values[agency])) for agency in shown]
    if rest:
        found.append(Series("", len(rest), tuple(sum(values[a][m] for a in rest) for m in range(MONTHS))))
    return tuple(found)


def _percent(value: float) -> str:
    return f"{value:.2f}%"
