"""Results kept for bytes that others send: many, and of small ones only, so that nobody fills the memory with what we keep."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import TypeVar

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
