"""What is told while it runs, and the table at its end."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence

from tests.simulation.checks import Row
from tests.simulation.killing import Killer

_EVERY_SECONDS = 10.0


class Progress:
    """`state`: where everything is, in a few words."""

    def __init__(self, killer: Killer, state: Callable[[], str]) -> None:
        self._began = time.monotonic()
        self._killer = killer
        self._state = state

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._began

    def say(self, words: str) -> None:
        print(f"{self.seconds:7.1f} s  {self._killer.kills.total():3} kills  {words}", flush=True)

    async def run(self) -> None:
        """A line now and then, until cancelled."""
        while True:
            await asyncio.sleep(_EVERY_SECONDS)
            self.say(self._state())


def verdict(rows: Sequence[Row], killer: Killer, seconds: float) -> bool:
    """Prints the table; whether every number holds."""
    width = max(len(row.what) for row in rows)
    print(f"\n{'':<{width}} {'planned':>9} {'found':>9}")
    for row in rows:
        print(f"{row.what:<{width}} {row.planned:>9,} {row.found:>9,}  {'' if row.holds else 'DIFFERS'}".rstrip())
    killed = ", ".join(f"{name} {times}" for name, times in sorted(killer.kills.items()))
    print(f"\nkilled (SIGKILL) {killer.kills.total()} times in {seconds:,.0f} s: {killed}")
    differing = sum(not row.holds for row in rows)
    print(f"{len(rows)} numbers, all as planned" if not differing else f"{differing} of {len(rows)} numbers differ")
    return not differing
