"""Values that every exchange makes by the dozen: frozen as ever, but cheaper to make.

The `__init__` that `dataclass(frozen=True)` writes sets each field through `object.__setattr__`, which looks the name up anew every
time; that was a twentieth of a server's work. `@quick` writes one that sets the slots themselves. Nothing else changes: who assigns
to a field of such a value still gets FrozenInstanceError.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, fields
from typing import Any, TypeVar

T = TypeVar("T")


def quick(cls: type[T]) -> type[T]:
    """Put it above `@dataclass(frozen=True, slots=True)`. Fields may have defaults, but no factories: TypeError."""
    found = fields(cls)  # type: ignore[arg-type]
    if any(f.default_factory is not MISSING or not f.init or f.kw_only for f in found):
        raise TypeError(f"{cls.__name__}: quick values have plain fields only")
    names = {f"_set_{f.name}": getattr(cls, f.name).__set__ for f in found}
    names |= {f"_default_{f.name}": f.default for f in found if f.default is not MISSING}
    arguments = (f"{f.name}=_default_{f.name}" if f.default is not MISSING else f.name for f in found)
    lines = [f"_set_{f.name}(self, {f.name})" for f in found]
    if hasattr(cls, "__post_init__"):
        lines.append("self.__post_init__()")
    cls.__init__ = _compiled(f"def __init__(self, {', '.join(arguments)}):\n " + "\n ".join(lines), names)  # type: ignore[method-assign]
    return cls


def _compiled(source: str, names: dict[str, Any]) -> Callable[..., None]:
    made: dict[str, Callable[..., None]] = {}
    exec(source, names, made)  # noqa: S102 - from names of fields in our own source, as `dataclass` itself does
    return made["__init__"]
