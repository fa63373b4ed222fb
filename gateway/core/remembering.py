"""Results that are kept. For bytes that others send: many, and of small ones only, so that nobody fills the memory with what we
keep. For values that are dear to compare: by the object that they are."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import TypeVar

A = TypeVar("A")
T = TypeVar("T")


def remembered(results: int, most_bytes: int) -> Callable[[Callable[[bytes], T]], Callable[[bytes], T]]:
    """Keeps the last so many results; of an argument that is longer than `most_bytes` none, it is worked out each time."""

    def keeping(work: Callable[[bytes], T]) -> Callable[[bytes], T]:
        kept = lru_cache(results)(work)

        @wraps(work)
        def once(data: bytes) -> T:
            return kept(data) if len(data) <= most_bytes else work(data)

        return once

    return keeping


def remembered_by_object(results: int) -> Callable[[Callable[[A], T]], Callable[[A], T]]:
    """Keeps so many results, and the arguments with them, then forgets all. For arguments that never change and are mostly the same
    few objects: asked for its hash, a certificate walks through all that it consists of."""

    def keeping(work: Callable[[A], T]) -> Callable[[A], T]:
        kept: dict[int, tuple[A, T]] = {}  # an argument that is held shares its id with no other

        @wraps(work)
        def once(argument: A) -> T:
            found = kept.get(id(argument))
            if found is None:
                if len(kept) >= results:
                    kept.clear()
                found = kept[id(argument)] = (argument, work(argument))
            return found[1]

        return once

    return keeping
