"""The chart of requests by month and agency, and the table below it from the same numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from gateway.citizen.records import Count
from gateway.citizen.views import member_of
from gateway.pages.bars import Bar, Column, stacked

MONTHS = 12
_SERIES = 4  # with a colour each; all others share the last


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
class Chart:
    """`months`: the first day of each, one a column."""

    series: tuple[Series, ...]
    months: tuple[date, ...]
    columns: tuple[Column, ...]
    bars: tuple[Bar, ...]

    @property
    def total(self) -> int:
        return sum(column.total for column in self.columns)


def chart(counts: Sequence[Count], today: date) -> Chart:
    """The twelve months that end with today's."""
    months = _months(today)
    series = _series(counts, months)
    return Chart(series, tuple(months), *stacked([s.values for s in series] or [(0,) * MONTHS]))


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
