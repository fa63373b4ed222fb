"""Stamps every record of the log, in batches behind the exchanges or before each of them goes on (reference 6.2).

One record alone gets a single time-stamp over its signature value, several get one over the tree of their signature digests.

    waiting --round: a token, stored with its links--> stamped
            --round: no authority gives one--> waiting; the next round after a pause that grows to a minute

What an outage means for exchanges is the operator's choice, once the oldest waiting record has waited for `after`:

    degrade   they go on, health warns
    alert     they go on, health fails and the log says so at every attempt
    stop      no new request is recorded: EvidenceUnavailable (`logging_failed.timestamping_failed`)
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal, TypeAlias

import asyncpg

from gateway.core.digest import DigestAlgorithm
from gateway.core.errors import EvidenceUnavailable, GatewayError
from gateway.core.signing.hashtree import MAX_LEAVES, joined_tree
from gateway.core.signing.timestampbatch import batch_result
from gateway.core.signing.xades import parse_signature
from gateway.exchange.ports import Clock, GlobalConf
from gateway.messagelog import stamps
from gateway.messagelog.stamps import Unstamped, Waiting
from gateway.messagelog.tsaclient import Authorities
from gateway.storage.failures import DATABASE_ERRORS

WhenUnavailable: TypeAlias = Literal["degrade", "alert", "stop"]

_SHORTEST, _LONGEST = timedelta(seconds=60), timedelta(days=1)  # X-Road's bounds of the interval
_FIRST_PAUSE, _LAST_PAUSE = 1.0, 60.0
_LOOK = 10.0  # seconds between two looks at what waits
_OTHERS_TURN = 0.2

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class StampPolicy:
    """`immediate`: an exchange goes on only once its record is stamped; with `stop` it ends when that fails, whatever `after` says.
    `interval`: None = what the global configuration says. `batch`: most records under one token, if those of one commit are not
    more. `patience`: seconds an exchange waits for its stamp. `hand_on`: stamped records are looked through for promises."""

    immediate: bool = False
    interval: timedelta | None = None
    batch: int = MAX_LEAVES
    unavailable: WhenUnavailable = "stop"
    after: timedelta = timedelta(hours=4)
    patience: float = 60.0
    hand_on: bool = False


@dataclass(frozen=True, slots=True)
class StampStats:
    """`waiting`, `oldest`: as of the last look. `stamped`, `tokens`, `failures`: since start. `problem`: why the last round brought
    nothing, in words; `failing_since`: None while rounds succeed."""

    waiting: int
    oldest: datetime | None
    stamped: int
    tokens: int
    failures: int
    failing_since: datetime | None
    last_success: datetime | None
    problem: str


@dataclass(slots=True)
class _Counts:
    stamped: int = 0
    tokens: int = 0
    failures: int = 0
    in_a_row: int = 0
    failing_since: datetime | None = None
    last_success: datetime | None = None
    problem: str = ""


@dataclass(slots=True, eq=False)
class _Waiter:
    number: int
    done: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class TimeStamper:
    """`run` in one task. The rest may be called from any."""

    def __init__(
        self,
        pool: asyncpg.Pool,
        authorities: Authorities,
        globalconf: GlobalConf,
        clock: Clock,
        policy: StampPolicy,
    ) -> None:
        self._pool = pool
        self._authorities = authorities
        self._globalconf = globalconf
        self._clock = clock
        self.policy = policy
        self._wake = asyncio.Event()
        self._waiters: list[_Waiter] = []
        self._seen = Waiting(0, None)
        self._counts = _Counts()

    # --- what exchanges ask ---------------------------------------------------------------------------------------------

    def check(self) -> None:
        """EvidenceUnavailable when no new request may be recorded, because earlier records wait too long for their stamp."""
        if self.policy.unavailable == "stop" and self.overdue():
            raise EvidenceUnavailable(
                "Messages cannot be logged: time-stamping has been failing for too long",
                code="logging_failed.timestamping_failed",
            )

    async def recorded(self, number: int) -> None:
        """A record is durable. Returns at once, or in immediate mode once it is stamped; EvidenceUnavailable as `policy` says."""
        if not self.policy.immediate:
            return
        try:
            await self.stamped(number)
        except EvidenceUnavailable:
            if self.policy.unavailable == "stop":
                raise

    async def stamped(self, number: int) -> None:
        """Return once this record is stamped, now rather than with the next round. EvidenceUnavailable when no authority stamps."""
        waiter = _Waiter(number)
        self._waiters.append(waiter)
        self._wake.set()
        try:
            async with asyncio.timeout(self.policy.patience):
                await waiter.done
        except TimeoutError as e:
            raise EvidenceUnavailable("No time-stamp came in time", code="logging_failed.timestamping_failed") from e
        finally:
            self._waiters.remove(waiter)

    # --- what monitoring asks -------------------------------------------------------------------------------------------

    def overdue(self) -> bool:
        """Stamping fails, and the oldest waiting record has waited for `policy.after`."""
        failing, oldest = self._counts.failing_since, self._seen.oldest
        return failing is not None and oldest is not None and self._clock() - oldest > self.policy.after

    def stats(self) -> StampStats:
        c = self._counts
        return StampStats(
            self._seen.records,
            self._seen.oldest,
            c.stamped,
            c.tokens,
            c.failures,
            c.failing_since,
            c.last_success,
            c.problem,
        )

    # --- rounds ---------------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Stamp for ever: at once while more waits than fits under one token, otherwise once in an interval."""
        while True:
            self._wake.clear()
            await self._pause(await self.round())

    async def round(self) -> float:
        """Stamp what waits, up to `policy.batch` records. Seconds until the next round."""
        try:
            numbers = await self._stamp_batch()
            await self._look()
            somebody_waits = await self._answer(numbers or ())
        except (GatewayError, *DATABASE_ERRORS) as e:
            await self._look_if_possible()
            return self._failed(e)
        if numbers is not None:
            self._succeeded(len(numbers))
        if somebody_waits:
            return _OTHERS_TURN
        more = len(numbers or ()) + self._seen.records > self.policy.batch
        return 0.0 if numbers and more else self._interval()

    async def _stamp_batch(self) -> Sequence[int] | None:
        """Numbers of the records stamped; None when it is another server's turn."""
        conf = self._globalconf.current()
        async with stamps.turn(self._pool, patient=self.policy.immediate) as connection:
            if connection is None:
                return None
            waits = await stamps.unstamped(connection, self.policy.batch)
            what = await _stampable(connection, waits) if waits.records else None
            if what is not None:
                token = await self._authorities.stamp(what.stamped, conf)
                # If we crash before the commit that follows, the records still wait: another token will be made.
                await stamps.keep(connection, conf)
                await stamps.store(connection, token, what.batch, waits.records, conf.fingerprint)
            await stamps.leave_queue(connection, waits.commits, hand_on=self.policy.hand_on)
            return waits.records

    def _interval(self) -> float:
        own = self.policy.interval
        private = self._globalconf.current().private
        if own is None and private is not None:
            own = min(max(private.time_stamping_interval, _SHORTEST), _LONGEST)
        return (own or _SHORTEST).total_seconds()

    def _succeeded(self, records: int) -> None:
        c = self._counts
        c.stamped += records
        c.tokens += records > 0
        c.in_a_row, c.failing_since, c.problem, c.last_success = 0, None, "", self._clock()

    def _failed(self, error: BaseException) -> float:
        c = self._counts
        c.problem = (
            error.safe_detail
            if isinstance(error, GatewayError)
            else f"The database does not do it ({type(error).__name__})"
        )
        c.failing_since = c.failing_since or self._clock()
        c.failures += 1
        if c.in_a_row == 0 or (self.policy.unavailable != "degrade" and self.overdue()):
            _log.warning("records are not time-stamped: %s", c.problem)
        c.in_a_row += 1
        for waiter in self._waiters:
            if not waiter.done.done():
                waiter.done.set_exception(EvidenceUnavailable(c.problem, code="logging_failed.timestamping_failed"))
        return min(_FIRST_PAUSE * 2.0 ** min(c.in_a_row - 1, 10), _LAST_PAUSE)

    async def _answer(self, numbers: Sequence[int]) -> bool:
        """Tell those who wait for one of `numbers`, or for a record that another server stamped. Whether somebody still waits."""
        if not self._waiters:
            return False
        known = set(numbers)
        others = [w.number for w in self._waiters if w.number not in known]
        if others:
            known |= await stamps.stamped_among(self._pool, others)
        for waiter in self._waiters:
            if waiter.number in known and not waiter.done.done():
                waiter.done.set_result(None)
        return any(not w.done.done() for w in self._waiters)

    async def _look(self) -> None:
        self._seen = await stamps.waiting(self._pool)

    async def _pause(self, seconds: float) -> None:
        """Until it is time, or somebody waits for a stamp; an authority that just failed is left alone for a second."""
        end = time.monotonic() + seconds
        if self._counts.in_a_row:
            await asyncio.sleep(min(seconds, _FIRST_PAUSE))
        while (left := end - time.monotonic()) > 0 and not self._wake.is_set():
            try:
                async with asyncio.timeout(min(left, _LOOK)):
                    await self._wake.wait()
            except TimeoutError:
                await self._look_if_possible()

    async def _look_if_possible(self) -> None:
        with contextlib.suppress(*DATABASE_ERRORS):  # said by the check of the message log
            await self._look()


@dataclass(frozen=True, slots=True)
class _Stampable:
    """`stamped`: the bytes for the authority. `batch`: of a batch, the same again with its leaves."""

    stamped: bytes
    batch: tuple[bytes, bytes] | None = None


async def _stampable(connection: asyncpg.Connection, waits: Unstamped) -> _Stampable | None:
    """None when there was one record, which retention has removed meanwhile."""
    if len(waits.records) > 1:
        return await asyncio.to_thread(_batch, waits.digests)  # ten thousand take some 30 ms
    signature = await stamps.signature_of(connection, waits)
    return None if signature is None else _Stampable(parse_signature(signature).value)


def _batch(digests: bytes) -> _Stampable:
    result = batch_result(joined_tree(DigestAlgorithm.SHA512, digests).root)
    return _Stampable(result, (result, digests))
