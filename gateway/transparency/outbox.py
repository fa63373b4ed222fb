"""The provider's way to the public log: access records wait in the database until the log has taken them.

Nothing is kept here: what waits is what stands in `access_record` behind the last row of `access_submission`. A crash anywhere
loses nothing; what was submitted and not noted is submitted again, which the log takes for the same. The order is the series'.

Log away: records wait, exchanges go on. When the oldest has waited too long, or too many wait, the policy decides:

    stop      no call about persons is served
    degrade   calls of endpoints that their contract calls sensitive are not served
    alert     everything goes on; health fails
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, Protocol, TypeAlias

import asyncpg

from gateway.core.disclosure.contract import Sensitivity
from gateway.core.disclosure.leaf import AccessEntry
from gateway.core.disclosure.promise import Promise
from gateway.core.errors import EvidenceUnavailable
from gateway.exchange.ports import Clock
from gateway.exchange.states import DisclosedReply, RecordedAnswer
from gateway.storage.failures import DATABASE_ERRORS
from gateway.transparency.waiting import MOST_LEAVES, WaitingLeaf, Waitlist

AtLimit: TypeAlias = Literal["stop", "degrade", "alert"]

_FIRST_IDLE, _LONGEST_IDLE = (
    1.0,
    15.0,
)  # seconds between two looks, more and more while nobody wakes us and nothing waits
# Lets the records of a busy moment share a submission, and a busy server's share fewer of them.
_GATHER_SECONDS, _BUSY_GATHER_SECONDS = 0.3, 1.0
_BUSY = 32  # leaves of the submission before
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 30.0
_ASK_AGAIN = 0.1

_log = logging.getLogger(__name__)


class LogSubmission(Protocol):
    async def __call__(self, leaves: Sequence[WaitingLeaf]) -> bool:
        """Return when the log holds all of them durably; True when all are in its tree as well. Submitting again is harmless.
        EvidenceUnavailable when it does not, or nobody knows."""


@dataclass(frozen=True, slots=True)
class BacklogPolicy:
    """`alert_after`, `stop_after`: age of the oldest waiting record; `stop_size`: records; `inclusion`: how long an answer that
    must wait for the log may wait."""

    alert_after: timedelta = timedelta(minutes=1)
    stop_after: timedelta = timedelta(hours=6)
    stop_size: int = 1_000_000
    at_limit: AtLimit = "stop"
    inclusion: timedelta = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class Identity:
    """`origin`: the log's name without the year of its shard; `provider`: our public number in leaves."""

    origin: str
    provider: int

    def shard(self, time: datetime) -> str:
        """The origin of the yearly log that holds records of this moment."""
        return f"{self.origin}/{time.year}"


class Outbox:
    """The DisclosureLog of a provider. `start`, then `run` in a task of its own."""

    def __init__(
        self,
        pool: asyncpg.Pool,
        server: str,
        clock: Clock,
        identity: Identity,
        submit: LogSubmission,
        policy: BacklogPolicy,
        official_key: Callable[[], Awaitable[bytes]] | None = None,
    ) -> None:
        self._waitlist = Waitlist(pool, server)
        self._clock = clock
        self._identity = identity
        self._submit = submit
        self.policy = policy
        self._learn_official_key = official_key or self._waitlist.official_key
        self._official_key = b""
        self._oldest: datetime | None = None
        self._wake = asyncio.Event()
        self._gather = _GATHER_SECONDS
        self.waiting = 0
        self.submitted = 0
        self.last_error: str | None = None

    # --- the port ------------------------------------------------------------------------------------------------------

    @property
    def provider(self) -> int:
        return self._identity.provider

    @property
    def official_key(self) -> bytes:
        return self._official_key

    def ensure_room(self, sensitivity: Sensitivity) -> None:
        self._wake.set()
        if not self.at_limit or self.policy.at_limit == "alert":
            return
        if self.policy.at_limit == "stop" or sensitivity == "sensitive":
            raise EvidenceUnavailable("The public log of accesses is too far behind")

    async def release(self, answer: RecordedAnswer) -> DisclosedReply:
        entries = answer.entries
        if not entries:
            return DisclosedReply(answer, None)
        self._wake.set()
        concern = answer.answered.request.authorized.concern
        if concern is not None and concern.about.endpoint.before_release:
            await self._included(entries)
        shard = self._identity.shard(entries[0].time)
        return DisclosedReply(answer, Promise(shard, tuple(e.leaf_hash for e in entries)))

    # --- what monitoring asks ------------------------------------------------------------------------------------------

    @property
    def age(self) -> timedelta:
        """How long the oldest waiting record has waited; zero when none waits."""
        return timedelta(0) if self._oldest is None else self._clock() - self._oldest

    @property
    def at_limit(self) -> bool:
        return self.waiting >= self.policy.stop_size or self.age > self.policy.stop_after

    # --- the work ------------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Before the first exchange. DATABASE_ERRORS when the database does not answer."""
        self._official_key = await self._learn_official_key()
        await self._measure()

    async def run(self) -> None:
        """Submit what waits until cancelled. While the log is away, look less and less often, but keep measuring."""
        loop = asyncio.get_running_loop()
        pause, not_before, idle = _FIRST_PAUSE, 0.0, _FIRST_IDLE
        while True:
            woken = await self._rest(idle)
            idle = _FIRST_IDLE if woken or self.waiting else min(2 * idle, _LONGEST_IDLE)
            try:
                if loop.time() < not_before or not woken:
                    await self._measure()
                if loop.time() >= not_before and (woken or self.waiting):
                    await self.submit_once()
                    self.last_error, pause = None, _FIRST_PAUSE
            except (EvidenceUnavailable, *DATABASE_ERRORS) as e:
                self.last_error = (
                    e.safe_detail if isinstance(e, EvidenceUnavailable) else "the database does not answer"
                )
                _log.warning("access records wait: %s", self.last_error)
                not_before, pause = loop.time() + pause, min(2 * pause, _LONGEST_PAUSE)

    async def submit_once(self) -> None:
        """Everything that waits, batch after batch. EvidenceUnavailable, DATABASE_ERRORS."""
        while leaves := await self._waitlist.next():
            try:
                await self._submit(leaves)
            except EvidenceUnavailable:
                await self._measure()
                raise
            # If we crash here, the same batch is submitted again: the log knows its records.
            self.waiting, self._oldest = await self._waitlist.note(leaves[-1].number)
            self.submitted += len(leaves)
            self._gather = _BUSY_GATHER_SECONDS if len(leaves) >= _BUSY else _GATHER_SECONDS
            if len(leaves) < MOST_LEAVES:
                return  # who came meanwhile has woken us
        self.waiting, self._oldest = 0, None

    async def _measure(self) -> None:
        self.waiting, self._oldest = await self._waitlist.measure()

    async def _rest(self, seconds: float) -> bool:
        """Until somebody wakes us, which is told, or some seconds have passed."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        woken = self._wake.is_set()
        if woken:
            await asyncio.sleep(self._gather)
            self._wake.clear()
        return woken

    async def _included(self, entries: Sequence[AccessEntry]) -> None:
        try:
            async with asyncio.timeout(self.policy.inclusion.total_seconds()):
                leaves = await self._waitlist.find([e.record_id for e in entries])
                while True:
                    if await self._submit(leaves):
                        return
                    await asyncio.sleep(_ASK_AGAIN)
        except DATABASE_ERRORS as e:  # TimeoutError is one
            raise EvidenceUnavailable("The public log of accesses does not hold this access yet") from e


class NoPublicLog:
    """The DisclosureLog of a server that declares `transparency: off`, or has no services: it has no contracts, so nothing is ever
    about a person here. It keeps nothing and refuses what it would have to keep."""

    provider = 0
    official_key = b""

    def ensure_room(self, sensitivity: Sensitivity) -> None:
        raise EvidenceUnavailable("This server has no public log of accesses")

    async def release(self, answer: RecordedAnswer) -> DisclosedReply:
        if answer.entries:
            raise EvidenceUnavailable("This server has no public log of accesses")
        return DisclosedReply(answer, None)
