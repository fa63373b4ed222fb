"""The database of an adapter, as tests look at it."""

from __future__ import annotations

from typing import Any


def in_use(pool: Any) -> int:
    """How many connections somebody holds at this moment."""
    size: int = pool.get_size()
    idle: int = pool.get_idle_size()
    return size - idle
