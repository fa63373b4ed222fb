"""Health in words: a list of problems, each in English and Vietnamese, with how long it has been there.

`ok`: nothing to do. `warn`: exchanges run, somebody should look before they stop. `fail`: exchanges do not run,
or the operator asked to be alarmed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Severity = Literal["warn", "fail"]
Status = Literal["ok", "warn", "fail"]


@dataclass(frozen=True, slots=True)
class Problem:
    """`key` stays the same while the words change ("12 days", "11 days"): `since` is remembered by it."""

    key: str
    severity: Severity
    what: str
    vi: str


@dataclass(frozen=True, slots=True)
class StandingProblem:
    problem: Problem
    since: datetime


@dataclass(frozen=True, slots=True)
class HealthReport:
    server: str
    problems: tuple[StandingProblem, ...]

    @property
    def status(self) -> Status:
        if any(p.problem.severity == "fail" for p in self.problems):
            return "fail"
        return "warn" if self.problems else "ok"

    def json_value(self) -> dict[str, object]:
        return {
            "status": self.status,
            "server": self.server,
            "problems": [
                {
                    "severity": p.problem.severity,
                    "what": p.problem.what,
                    "vi": p.problem.vi,
                    "since": p.since.isoformat(timespec="seconds"),
                }
                for p in self.problems
            ],
        }


Check = Callable[[datetime], Iterable[Problem]]


class Health:
    """The checks of one server. `since` is the first report that saw the problem without a report in between that did not."""

    def __init__(self, server: str, clock: Callable[[], datetime]) -> None:
        self._server = server
        self._clock = clock
        self._checks: dict[str, Check] = {}
        self._since: dict[str, datetime] = {}

    def register(self, name: str, check: Check) -> None:
        """`check` gets the time (UTC) and must be quick: it runs on the event loop."""
        if name in self._checks:
            raise ValueError(f"two health checks are called {name!r}")
        self._checks[name] = check

    def report(self) -> HealthReport:
        """Run every check; failures first, then the longest standing."""
        now = self._clock()
        found = [problem for name, check in self._checks.items() for problem in _run(name, check, now)]
        self._since = {p.key: self._since.get(p.key, now) for p in found}
        standing = (StandingProblem(p, self._since[p.key]) for p in found)
        return HealthReport(
            self._server, tuple(sorted(standing, key=lambda s: (s.problem.severity != "fail", s.since, s.problem.key)))
        )


def _run(name: str, check: Check, now: datetime) -> tuple[Problem, ...]:
    try:
        return tuple(check(now))
    except Exception as e:  # noqa: BLE001 - a check that breaks is itself a finding, and the others must still be heard
        kind = type(e).__name__
        return (
            Problem(
                f"check.{name}",
                "fail",
                f"The check '{name}' cannot run ({kind}).",
                f"Không chạy được phép kiểm tra '{name}' ({kind}).",
            ),
        )
