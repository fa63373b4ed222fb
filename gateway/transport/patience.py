"""How long the other side of a link may do nothing. One timer looks after all links, so that an exchange costs none."""

from __future__ import annotations

import asyncio
import time

from gateway.transport.link import Link


class Patience:
    """`begin` before a link is written to, `end` in any case. In between the other side must take or give something in so many
    seconds, or the link fails with TimeoutError: for whoever waits on it, that is where it is raised."""

    def __init__(self) -> None:
        self._under_way: set[Link] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._looks_at = 0.0

    def begin(self, link: Link, seconds: float) -> None:
        link.patience = seconds
        link.alive()
        self._under_way.add(link)
        if self._timer is None or link.lost_at < self._looks_at:
            self._look_at(link.lost_at)

    def end(self, link: Link) -> None:
        self._under_way.discard(link)

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _look_at(self, moment: float) -> None:
        self.close()
        self._looks_at = moment
        self._timer = asyncio.get_running_loop().call_later(max(moment - time.monotonic(), 0.0), self._look)

    def _look(self) -> None:
        """Most links have been alive since the timer was set, or are under way no more: then only a later moment is to be found."""
        self._timer = None
        now = time.monotonic()
        for link in [link for link in self._under_way if link.lost_at <= now]:
            self._under_way.discard(link)
            link.lose_patience()
        if self._under_way:
            self._look_at(min(link.lost_at for link in self._under_way))
