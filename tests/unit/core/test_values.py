"""`quick`: the same values, made otherwise."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, dataclass, field, replace

import pytest

from gateway.core.values import quick


@quick
@dataclass(frozen=True, slots=True)
class Point:
    x: int
    y: int = 2
    told: str = field(default="z", repr=False)


@dataclass(frozen=True, slots=True)
class _Checked:
    x: int

    def __post_init__(self) -> None:
        if self.x < 0:
            raise ValueError("negative")


Checked = quick(_Checked)


def test_is_made_from_places_names_and_defaults() -> None:
    assert Point(1) == Point(x=1, y=2, told="z") == Point(1, 2)
    assert (Point(3, told="a").x, Point(3, told="a").told) == (3, "a")
    assert repr(Point(1)) == "Point(x=1, y=2)"
    assert replace(Point(1), y=5) == Point(1, 5)
    assert hash(Point(1)) == hash(Point(1, 2))


@pytest.mark.parametrize("arguments", [(), (1, 2, "z", 4)])
def test_takes_no_other_number_of_arguments(arguments: tuple[object, ...]) -> None:
    with pytest.raises(TypeError):
        Point(*arguments)  # type: ignore[arg-type]


def test_stays_frozen() -> None:
    point = Point(1)
    with pytest.raises(FrozenInstanceError):
        point.x = 2  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError):
        del point.x
    assert point == Point(1)


def test_looks_at_what_it_was_given() -> None:
    assert Checked(0).x == 0
    with pytest.raises(ValueError, match="negative"):
        Checked(-1)


def test_a_factory_would_be_called_once_for_all() -> None:
    with pytest.raises(TypeError, match="plain fields"):

        @quick
        @dataclass(frozen=True, slots=True)
        class Other:
            found: list[int] = field(default_factory=list)
