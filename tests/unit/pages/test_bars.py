"""Bars stand on each other, and nothing leaves the box."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.pages.bars import stacked


def test_the_first_series_stands_lowest() -> None:
    columns, bars = stacked([(1, 0), (3, 2)])
    assert [(b.series, b.column, b.value) for b in bars] == [(0, 0, 1), (1, 0, 3), (1, 1, 2)]
    assert [c.total for c in columns] == [4, 2]
    assert float(bars[0].y[:-1]) > float(bars[1].y[:-1]) == float(columns[0].y[:-1]) == 9.0
    assert stacked([(0, 0)])[1] == ()


@given(st.lists(st.lists(st.integers(0, 10**6), min_size=3, max_size=3), min_size=1, max_size=6))
def test_every_bar_is_in_the_box(series: list[list[int]]) -> None:
    columns, bars = stacked(series)
    assert [c.total for c in columns] == [sum(values) for values in zip(*series, strict=True)]
    for bar in bars:
        x, y, width, height = (float(text[:-1]) for text in (bar.x, bar.y, bar.width, bar.height))
        assert 0 <= x <= 100 - width
        assert 8.99 <= y <= 87
        assert 0.5 <= height <= 78
