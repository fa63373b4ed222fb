"""The access entries of one exchange: decided in it, made when they are written.

An entry is some fifty hashes. Made one at a time between the steps of an exchange, when other work has taken the processor's
caches, it costs half as much again as behind another one; so the message log makes all of a commit together. Nothing an entry
says can change in between: it is made of frozen values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import overload

from gateway.core.disclosure.leaf import AccessEntry


class Entries(Sequence[AccessEntry]):
    """So many entries, at least one. `make` is called once, by whoever looks at the first of them; whatever it raises is raised
    there."""

    __slots__ = ("_count", "_made", "_make")

    def __init__(self, count: int, make: Callable[[], tuple[AccessEntry, ...]]) -> None:
        self._count = count
        self._make = make
        self._made: tuple[AccessEntry, ...] = ()

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[AccessEntry]:
        return iter(self._all())

    @overload
    def __getitem__(self, index: int) -> AccessEntry: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[AccessEntry]: ...
    def __getitem__(self, index: int | slice) -> AccessEntry | Sequence[AccessEntry]:
        return self._all()[index]

    def _all(self) -> tuple[AccessEntry, ...]:
        if not self._made:
            self._made = self._make()
        return self._made
