"""Terms of working days: the list of public holidays that the gateway reads too, `config/codes/holidays.yaml`.

`python -m gateway check` holds the list against itself; here a list that cannot be read stops the adapter.
"""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import yaml

from adapters.sdk.schema import DefinitionError
from gateway.core.workingdays import WorkingDays

__all__ = ["WorkingDays", "load_working_days"]


def load_working_days(path: Path) -> WorkingDays:
    """DefinitionError when the list cannot be read."""
    try:
        loaded: Any = yaml.safe_load(path.read_text("utf-8"))
        off = frozenset(day for entry in loaded["holidays"] for day in _days(entry["first"], entry.get("last")))
        worked = frozenset(_day(value) for value in loaded.get("worked", ()))
        return WorkingDays(off, worked, _day(loaded["known_until"]))
    except (OSError, ValueError, yaml.YAMLError, KeyError, TypeError, AttributeError) as e:
        raise DefinitionError(f"{path}: not a list of public holidays: {type(e).__name__} {e}") from e


def _days(first: object, last: object) -> list[date]:
    begin, end = _day(first), _day(first if last is None else last)
    return [begin + timedelta(days=n) for n in range((end - begin).days + 1)]


def _day(value: object) -> date:
    """YAML has dates of its own."""
    if type(value) is not date:
        raise TypeError("a day is written 2026-09-02")
    return value
