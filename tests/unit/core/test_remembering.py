from __future__ import annotations

import pytest

from gateway.core.remembering import remembered


def test_small_arguments_are_worked_out_once_and_large_ones_each_time() -> None:
    worked: list[int] = []

    @remembered(2, most_bytes=3)
    def size(data: bytes) -> int:
        """How long."""
        worked.append(len(data))
        return len(data)

    assert [size(b"abc"), size(b"abc"), size(b"abcd"), size(b"abcd")] == [3, 3, 4, 4]
    assert worked == [3, 4, 4]
    assert (size(b""), size(b"a"), size(b"abc")) == (0, 1, 3)
    assert worked == [3, 4, 4, 0, 1, 3]  # two results are kept
    assert size.__doc__ == "How long."


def test_errors_are_not_kept() -> None:
    calls: list[bytes] = []

    @remembered(2, most_bytes=3)
    def fail(data: bytes) -> None:
        calls.append(data)
        raise ValueError

    for _ in range(2):
        with pytest.raises(ValueError):
            fail(b"a")
    assert len(calls) == 2
