"""What a verification says: numbered steps, each with what was established or what is wrong. It holds only if all of them do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from gateway.core.errors import GatewayError

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Step:
    """`number` as in the docstring of the verification; `what`: what was established, or what is wrong; `code`: X-Road's, of a step
    that failed; `shredded` of one that held and could not look at what was destroyed on purpose."""

    number: int
    what: str
    ok: bool
    code: str | None = None


@dataclass(slots=True)
class Steps:
    """Collects the steps of one verification."""

    done: list[Step] = field(default_factory=list)

    def attempt(self, number: int, check: Callable[[], tuple[str, _T]]) -> _T | None:
        """`check` gives a sentence and a value, or raises a GatewayError that says what is wrong."""
        try:
            what, value = check()
        except GatewayError as e:
            self.fail(number, str(e), e.code)
            return None
        self.note(number, what)
        return value

    def note(self, number: int, what: str, code: str | None = None) -> None:
        self.done.append(Step(number, what, True, code))

    def fail(self, number: int, what: str, code: str | None = None) -> None:
        self.done.append(Step(number, what, False, code))
