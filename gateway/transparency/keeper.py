"""The promise keeper of a consumer's server: what providers promised is in the public log in time, or there is proof that not.

    noted --found in the log's tree--> kept --after `keep_kept`--> forgotten
    noted --longest delay over since it was made, not in any entry of the tree--> missing: overdue for operators
    missing --witnesses saw no larger tree once the delay was over since its time-stamp, too--> broken, with a proof file
    noted --the log does not answer, does not verify, or shows two histories--> noted still: nothing is known of it

A log at work has its tree cosigned all the while. Of one that is not any more, whose year is over, the keeper asks the witnesses of
the policy itself, so that its last promises are judged like all others; and what stands in its tiles is kept without a receipt.

What is kept is dated as well: its entry says in which ten minutes the access was, which cannot be before this server recorded the
request nor after it recorded the answer, a tolerance for clocks aside. What is dated otherwise is told, once, and a file says so.

A round looks at what is due, in bounded batches; while nothing is due it asks the log nothing. What a round decided is durable at
its end; a crash before repeats it. A file is written before its promise is marked broken, and is checked first as any reader will.
Servers that share a database repeat each other's rounds at worst.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal, Protocol, TypeAlias
from uuid import UUID

from gateway.core.disclosure.leaf import BUCKET_SECONDS, bucket_of
from gateway.core.disclosure.promiseproof import (
    ABSENCE,
    MOST_LEAVES,
    PromiseProof,
    SignedPromise,
    verify_proof,
)
from gateway.core.errors import GatewayError, PeerUnavailable
from gateway.core.merkle.absence import witnessed_at
from gateway.core.merkle.policy import Policy
from gateway.exchange.ports import Clock, GlobalConf
from gateway.storage.failures import DATABASE_ERRORS
from gateway.transparency.logview import LogView, TwoHistories, View
from gateway.transparency.promised import NotedPromise, PromiseTable, next_look
from gateway.transparency.prooffolder import ProofFolder

Trouble: TypeAlias = Literal["unknown", "unreachable", "unverified", "two-histories"]

_BATCH = 500
_MOST_BATCHES = 20  # in one round

_log = logging.getLogger(__name__)


class PromiseEvidence(Protocol):
    async def note(self) -> bool:
        """Note the promises of some stamped responses, durably; whether there may be more."""

    async def asked(self, key: tuple[datetime, UUID]) -> datetime | None:
        """When the request was recorded that this response answers; None when that is not known any more."""

    async def signed(self, key: tuple[datetime, UUID]) -> SignedPromise | None:
        """The response that made a promise, as it was signed and stamped; None when it cannot be read any more."""


@dataclass(frozen=True, slots=True)
class KeeperPolicy:
    """`max_delay`: after which a promise is broken; `every`: between two rounds; `keep_kept`: how long a kept one is remembered;
    `time_tolerance`: between the clocks of a provider and of this server."""

    max_delay: timedelta = timedelta(hours=24)
    every: timedelta = timedelta(seconds=30)
    keep_kept: timedelta = timedelta(days=30)
    time_tolerance: timedelta = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Broken:
    """What operators are told; nothing about a person. `leaf`: leaf hash, public."""

    provider: str
    origin: str
    leaf: bytes
    file: str


@dataclass(frozen=True, slots=True)
class Misdated:
    """A promise that was kept by an entry of another time than the exchange's; nothing about a person either."""

    provider: str
    origin: str
    leaf: bytes
    file: str


@dataclass(slots=True)
class KeeperStats:
    """`waiting`, `oldest`: promises without a verdict, as of the last round; `overdue`: of these, beyond the longest delay;
    `cases`: broken ones whose proof lies in the folder, by provider; `forks`, `misdated`: files about two histories and wrong times
    there; `trouble`: by origin what keeps its promises from being judged, with its words. The others count since start."""

    waiting: int = 0
    oldest: datetime | None = None
    overdue: int = 0
    kept: int = 0
    broken: int = 0
    cases: Mapping[str, int] = field(default_factory=dict)
    forks: int = 0
    misdated: int = 0
    trouble: dict[str, tuple[Trouble, str]] = field(default_factory=dict)


class PromiseKeeper:
    """`run` in one task. `views`: the logs of the policy by origin; `told`: called for each broken promise and each wrong time."""

    def __init__(
        self,
        table: PromiseTable,
        evidence: PromiseEvidence,
        views: Mapping[str, LogView],
        believed: Policy,
        folder: ProofFolder,
        globalconf: GlobalConf,
        clock: Clock,
        policy: KeeperPolicy,
        told: Callable[[Broken | Misdated], None],
    ) -> None:
        self._table = table
        self._evidence = evidence
        self._views = views
        self._believed = believed
        self._folder = folder
        self._globalconf = globalconf
        self._clock = clock
        self.policy = policy
        self._told = told
        self.stats = KeeperStats()

    async def run(self) -> None:
        while True:
            try:
                await self.round()
            except (GatewayError, OSError, *DATABASE_ERRORS) as e:
                _log.warning("promises are not looked after: %s", type(e).__name__)
            await asyncio.sleep(self.policy.every.total_seconds())

    async def round(self) -> None:
        """Note what was promised, and look at everything that is due."""
        for _ in range(_MOST_BATCHES):
            if not await self._evidence.note():
                break
        asked: dict[str, bool] = {}
        for _ in range(_MOST_BATCHES):
            due = await self._table.due(self._clock(), _BATCH)
            by_log: defaultdict[str, list[NotedPromise]] = defaultdict(list)
            for promise in due:
                by_log[promise.origin].append(promise)
            for origin, promises in by_log.items():
                provable: dict[int, datetime] = {}
                if asked.get(origin, True):  # a log in trouble is asked once a round
                    asked[origin] = await self._look(origin, promises, provable)
                now, delay, every = self._clock(), self.policy.max_delay, self.policy.every
                usual = {p.number: next_look(p.noted, now, every, p.made + delay) for p in promises}
                await self._table.later(usual | {n: at for n, at in provable.items() if at > now})
            if len(due) < _BATCH:
                break
        await self._table.forget(self._clock() - self.policy.keep_kept)
        await self._measure()

    async def _measure(self) -> None:
        stats, (leaves, forks, misdated) = self.stats, await asyncio.to_thread(self._folder.cases)
        overdue_before = self._clock() - self.policy.max_delay
        stats.waiting, stats.oldest, stats.overdue = await self._table.measure(overdue_before)
        stats.cases, stats.forks = await self._table.cases(leaves) if leaves else {}, forks
        stats.misdated = misdated

    async def _look(self, origin: str, promises: Sequence[NotedPromise], provable: dict[int, datetime]) -> bool:
        """One log's promises. Whether the log could be judged. `provable`: takes from when on each missing one may be proven."""
        log = self._views.get(origin)
        if log is None:
            return self._troubled(origin, "unknown", "the policy does not name it")
        try:
            await self._judge(log, promises, provable)
        except TwoHistories as e:
            await asyncio.to_thread(self._folder.keep_fork, origin, e.notes)
            return self._troubled(origin, "two-histories", e.safe_detail)
        except PeerUnavailable as e:
            return self._troubled(origin, "unreachable", e.safe_detail)
        except GatewayError as e:
            return self._troubled(origin, "unverified", e.safe_detail)
        self.stats.trouble.pop(origin, None)
        return True

    def _troubled(self, origin: str, kind: Trouble, why: str) -> bool:
        self.stats.trouble[origin] = (kind, why)
        return False

    async def _judge(self, log: LogView, promises: Sequence[NotedPromise], provable: dict[int, datetime]) -> None:
        view = await log.newest(await self._table.seen(log.origin))
        await self._table.saw(log.origin, view.tree.size, bytes(view.note))
        places, doubt = await self._hinted(log, view, promises)
        doubt = await self._keep(log, view, promises, places) or doubt
        late = [p for p in promises if p.leaf not in places and p.made + self.policy.max_delay <= self._clock()]
        if late:
            doubt = await self._decide(log, view, late, provable) or doubt
        if doubt is not None:
            raise doubt

    async def _hinted(
        self, log: LogView, view: View, promises: Sequence[NotedPromise]
    ) -> tuple[Mapping[bytes, int], GatewayError | None]:
        """Index by leaf hash, as far as receipts lead there. A log that withholds or garbles one cannot hide a missing entry by it:
        the verdict after the deadline needs none."""
        places: dict[bytes, int] = {}
        doubt: GatewayError | None = None
        for promise in promises:
            if promise.leaf in places:
                continue
            try:
                places |= await log.places(view, promise.leaf)
            except PeerUnavailable as e:
                return places, e
            except GatewayError as e:
                doubt = e
        return places, doubt

    async def _keep(
        self, log: LogView, view: View, promises: Sequence[NotedPromise], places: Mapping[bytes, int]
    ) -> GatewayError | None:
        """Mark those that are in the tree, once their entries were dated. Why the log does not show these: then they wait, and the
        verdict on others does not wait for them."""
        found = [p for p in promises if p.leaf in places]
        try:
            entries = await log.entries(view, {p.leaf: places[p.leaf] for p in found})
        except GatewayError as e:
            return e
        for promise in found:
            await self._date(promise, places[promise.leaf], entries[promise.leaf])
        if found:  # if we crash here, the same times are looked at, and told, again
            await self._table.kept({p.number: places[p.leaf] for p in found}, self._clock())
            self.stats.kept += len(found)
        return None

    async def _date(self, promise: NotedPromise, index: int, entry: bytes) -> None:
        """Whether the entry's time can be that of the exchange. One of a later form than ours says nothing here."""
        begins, slack = bucket_of(entry), self.policy.time_tolerance.total_seconds()
        if begins is None:
            return
        made = promise.made.timestamp()
        if made - slack < begins + BUCKET_SECONDS and begins <= made + slack:
            return
        asked = await self._evidence.asked(promise.key)
        if begins <= made and (asked is None or asked.timestamp() - slack < begins + BUCKET_SECONDS):
            return  # an exchange that took long; or nothing is known of its beginning
        told: dict[str, str | int] = {
            "log": promise.origin,
            "index": index,
            "says_from": begins,
            "says_until": begins + BUCKET_SECONDS,
            "asked": "unknown" if asked is None else asked.isoformat(),
            "answered": promise.made.isoformat(),
            "service": promise.service,
            "record": str(promise.key[1]),
        }
        file = await asyncio.to_thread(self._folder.keep_misdated, promise.leaf, told)
        self._told(Misdated(promise.provider, promise.origin, promise.leaf, file))

    async def _decide(
        self, log: LogView, view: View, late: Sequence[NotedPromise], provable: dict[int, datetime]
    ) -> GatewayError | None:
        """By every leaf of the tree: no receipt is no proof of anything."""
        places, leaves = await log.walk(view, {p.leaf for p in late}, MOST_LEAVES)
        doubt = await self._keep(log, view, late, places)
        missing = [p for p in late if p.leaf not in places]
        if missing and self._seen_until(view) < self._clock() - self.policy.every:
            view = await log.cosigned_anew(view)
        for promise in missing:
            from_then = await self._break(promise, view, leaves)
            if from_then is not None:
                provable[promise.number] = from_then
        return doubt

    def _seen_until(self, view: View) -> datetime:
        """When enough witnesses saw no larger tree."""
        return datetime.fromtimestamp(witnessed_at(view.verified.cosignatures, self._believed) or 0, UTC)

    async def _break(self, promise: NotedPromise, view: View, leaves: tuple[bytes, ...] | None) -> datetime | None:
        """Write the proof, then mark the promise. Without a proof that holds it stays open, and overdue; from when on there may be
        one, when that is a question of time."""
        made = await self._evidence.signed(promise.key)
        if made is None:
            _log.warning("a promise is overdue, and its response cannot be read any more")
            return None
        proof, conf = (
            PromiseProof(promise.leaf, self.policy.max_delay, made, bytes(view.note), leaves),
            self._globalconf,
        )
        report = await asyncio.to_thread(verify_proof, proof, conf.current(), self._believed, self.policy.max_delay)
        deadline = None if report.promised is None else report.promised + self.policy.max_delay
        if deadline is not None and self._seen_until(view) < deadline:
            return deadline + self.policy.every
        # A tree that is too large for the file was walked a moment ago: its step needs the log's public files.
        if not all(step.ok or (step.number == ABSENCE and leaves is None) for step in report.steps):
            _log.warning("a promise is overdue, and its proof would not hold")
            return None
        file = await asyncio.to_thread(self._folder.keep_proof, promise.leaf, proof)
        # If we crash here, the same file is written again.
        await self._table.broken(promise.number, self._clock())
        self.stats.broken += 1
        self._told(Broken(promise.provider, promise.origin, promise.leaf, file))
        return None
