"""kill -9 of one after the other, in an order that is drawn anew each round: nobody is spared for long."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Mapping


class Killer:
    """`victims`: by name, how each is killed; False from one that is not running at the moment."""

    def __init__(self, victims: Mapping[str, Callable[[], bool]], every: float, seed: int) -> None:
        self._victims = victims
        self._every = every
        self._dice = random.Random(seed)
        self.kills: Counter[str] = Counter()

    @property
    def spared(self) -> frozenset[str]:
        """Who was not killed yet."""
        return frozenset(self._victims) - frozenset(self.kills)

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            for name in self._dice.sample(sorted(self._victims), len(self._victims)):
                await asyncio.sleep(self._dice.uniform(self._every / 2, self._every * 3 / 2))
                if self._victims[name]():
                    self.kills[name] += 1
