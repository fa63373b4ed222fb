"""Runs say the same as the numbers they stand for, and no two of them could be one."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from gateway.core.messagelog.stamping import Run, runs_of


@given(st.sets(st.integers(0, 40)).map(sorted))
def test_runs_are_the_numbers_and_as_few_as_can_be(numbers: list[int]) -> None:
    runs = runs_of(numbers)
    assert [n for run in runs for n in range(run.first, run.last + 1)] == numbers
    assert [numbers[run.position] for run in runs] == [run.first for run in runs]
    assert all(before.last + 1 < behind.first for before, behind in pairwise(runs))


def test_a_whole_batch_is_one_run() -> None:
    assert runs_of(range(7, 10_007)) == [Run(7, 10_006, 0)]
