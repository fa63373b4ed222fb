from __future__ import annotations

import pytest

from gateway.core.remembering import remembered, remembered_by_object


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


def test_of_equal_objects_each_is_asked_once_and_its_hash_never() -> None:
    class Dear:
        __hash__ = None  # type: ignore[assignment]

        def __eq__(self, other: object) -> bool:
            raise AssertionError("compared")

    worked: list[Dear] = []

    @remembered_by_object(2)
    def place(value: Dear) -> int:
        """Which."""
        worked.append(value)
        return len(worked)

    one, two, three = Dear(), Dear(), Dear()
    assert [place(one), place(two), place(one), place(two)] == [1, 2, 1, 2]
    assert [place(three), place(three), place(one)] == [3, 3, 4]  # two results are kept
    assert place.__doc__ == "Which."


def test_an_object_that_is_remembered_gives_its_id_to_no_other() -> None:
    @remembered_by_object(100)
    def text(value: list[int]) -> str:
        return str(value)

    assert [text([n]) for n in range(50)] == [f"[{n}]" for n in range(50)]
