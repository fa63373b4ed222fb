"""Reproducible choices. Only `Random.random()` is used: the one method whose sequence Python promises to keep."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from random import Random
from typing import TypeVar

_T = TypeVar("_T")


class Dice:
    def __init__(self, seed: int) -> None:
        self._random = Random(seed)  # noqa: S311 - invented people have to be the same everywhere, not unguessable

    def number(self, low: int, high: int) -> int:
        """From `low` to `high`, both included."""
        return low + int(self._random.random() * (high - low + 1))

    def chance(self, percent: int) -> bool:
        return self._random.random() * 100 < percent

    def pick(self, choices: Sequence[_T]) -> _T:
        return choices[self.number(0, len(choices) - 1)]

    def weighted(self, choices: Sequence[tuple[_T, int]]) -> _T:
        at = self._random.random() * sum(weight for _, weight in choices)
        for value, weight in choices:
            at -= weight
            if at < 0:
                return value
        return choices[-1][0]

    def day_between(self, first: date, last: date) -> date:
        return first + timedelta(days=self.number(0, (last - first).days))
