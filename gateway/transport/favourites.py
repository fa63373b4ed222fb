"""Which of the addresses of a provider's servers is tried first: the one that answered fastest, for an hour, as in X-Road
(reference 3.2). Then chance decides again, so that a server that was away gets its share of the calls back."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

_KEEP_SECONDS = 3600.0


class Favourites:
    """`clock`: seconds that only grow."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._won: dict[frozenset[str], tuple[str, float]] = {}

    def of(self, addresses: Iterable[str]) -> str | None:
        """The winner among exactly these addresses, while it is remembered."""
        address, since = self._won.get(frozenset(addresses), (None, 0.0))
        return address if self._clock() - since < _KEEP_SECONDS else None

    def won(self, addresses: Iterable[str], address: str) -> None:
        self._won[frozenset(addresses)] = (address, self._clock())
