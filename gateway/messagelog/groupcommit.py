"""Group commit: one task writes everything that waits in one transaction, while the next batch gathers behind it.

What is written at once is one record with its access entries, or entries that belong to a durable record. Those of a batch are made
here, one behind the other (`core/disclosure/entries.py`).

The outcome of each record is one of three: durable (its number), claim taken (ReplayedRequest), EvidenceUnavailable. The last is
said at once when too much waits, after `patience` when the database does not come back, and at shutdown; the record may then
still become durable, since nobody knows what a lost connection did.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg

from gateway.core.content.finding import Finding
from gateway.core.errors import EvidenceUnavailable, ReplayedRequest
from gateway.core.globalconf.model import GlobalConfiguration
from gateway.core.messagelog.record import MessageRecord
from gateway.exchange.ports import Clock
from gateway.messagelog.access import Attached, ToAttach
from gateway.messagelog.batch import Batch, write_batch, written_before
from gateway.messagelog.frames import KnownFrames
from gateway.storage.failures import DATABASE_ERRORS, Failure, failure

_COMPANY = 2  # records in a batch, from which on the next one gathers
_CROWD = 8  # and from which on it does so as long as it may
_AT_ONCE = 64  # access entries made, between which exchanges have their turn
_FIRST_PAUSE = 0.02
_LONGEST_PAUSE = 0.5

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LogLimits:
    """`patience`: seconds after which a caller is told that the record is not durable. A batch and the queue are bounded in
    records and in bytes. `gather`: seconds for which a batch waits for more at most, the longer the more records those before it
    had, and not at all after a few single ones: at low load nobody waits, at high load commits are fewer and larger.
    `inline_below`: bodies up to this size stand in the record itself, larger ones beside it."""

    patience: float = 10.0
    gather: float = 0.012
    batch_records: int = 256
    batch_bytes: int = 8 << 20
    queue_records: int = 5000
    queue_bytes: int = 256 << 20
    inline_below: int = 64 << 10


@dataclass(frozen=True, slots=True)
class LogStats:
    """`waiting`: records not durable yet; `lag`: seconds the oldest of them has waited; `refusal`: the kind of error with which the
    database refused the last records that were to be written, None when it took them. The others count since start."""

    waiting: int
    lag: float
    records: int
    commits: int
    largest_batch: int
    replays: int
    reconnects: int
    last_commit: datetime | None
    refusal: str | None


class _Entry:
    """`conf`: the configuration that `record` was judged by; both None when only access entries are written. `attached`: the rows
    of `entries`, once they are made. `size`: bytes, those of access entries roughly."""

    __slots__ = ("attached", "claim", "conf", "done", "entries", "findings", "record", "since", "size")

    def __init__(
        self,
        record: MessageRecord | None,
        conf: GlobalConfiguration | None,
        entries: ToAttach | None,
        done: asyncio.Future[int],
        findings: tuple[Finding, ...],
    ) -> None:
        self.record = record
        self.conf = conf
        self.entries = entries
        self.attached: Attached | None = None
        self.done = done
        self.findings = findings
        self.claim = None if record is None else record.claim
        self.size = (0 if record is None else record.size) + 1024 * (0 if entries is None else len(entries.entries))
        self.since = time.monotonic()


class GroupCommit:
    """`append` from any number of tasks; `run` in one. The connection comes from `pool` and is kept while it works. `server`: in
    whose series access entries are numbered."""

    def __init__(self, pool: asyncpg.Pool, clock: Clock, server: str, limits: LogLimits) -> None:
        self._pool = pool
        self._clock = clock
        self._server = server
        self._limits = limits
        self._connection: asyncpg.Connection | None = None
        self._queue: deque[_Entry] = deque()
        self._queued_bytes = 0
        self._flight: Sequence[_Entry] = ()
        self._wake = asyncio.Event()
        self._watching: asyncio.TimerHandle | None = None
        self._closed = False
        self._kept: set[str] = set()  # fingerprints of configurations that are durable
        self._frames = KnownFrames()
        self._records = self._commits = self._largest = self._replays = self._reconnects = 0
        self._last_commit: datetime | None = None
        self._refusal: str | None = None

    async def append(
        self,
        record: MessageRecord,
        conf: GlobalConfiguration,
        entries: ToAttach | None = None,
        findings: tuple[Finding, ...] = (),
    ) -> int:
        """The record's number once it, its access entries (which belong to it) and findings are durable. ReplayedRequest,
        EvidenceUnavailable; MalformedMessage when an entry cannot be sealed."""
        return await self._enqueue(record, conf, entries, findings)

    async def append_entries(self, entries: ToAttach) -> None:
        """Return once these, which belong to a durable record, are durable. As `append`, without ReplayedRequest."""
        await self._enqueue(None, None, entries)

    def _watch(self) -> None:
        """One timer for all, so that an entry costs none: it looks after who has waited longest."""
        if self._watching is None and (oldest := next(self._unsettled(), None)) is not None:
            left = oldest.since + self._limits.patience - time.monotonic()
            self._watching = oldest.done.get_loop().call_later(max(left, 0.0), self._lose_patience)

    def _lose_patience(self) -> None:
        self._watching = None
        end = time.monotonic() - self._limits.patience
        self._refuse([e for e in self._unsettled() if e.since <= end], "The message log does not answer")
        self._watch()

    def _unsettled(self) -> Iterator[_Entry]:
        """In the order of their coming."""
        return (e for entries in (self._flight, self._queue) for e in entries if not e.done.done())

    async def run(self) -> None:
        """Write until `drain` has been called and nothing waits, or until cancelled."""
        before = 0
        try:
            while self._queue or not self._closed:
                self._wake.clear()
                if not self._queue:
                    await self._wake.wait()
                if before >= _COMPANY and len(self._queue) < self._limits.batch_records:
                    await asyncio.sleep(self._limits.gather * min(before, _CROWD) / _CROWD)
                self._flight = self._take()
                before = max(len(self._flight), before // 2)
                await _attach(self._flight)
                await self._commit(self._flight)
                self._flight = ()
        finally:
            self._closed = True
            self._refuse((*self._flight, *self._queue), "The message log is shut down")
            if self._watching is not None:
                self._watching.cancel()
            self._hang_up()

    async def drain(self) -> None:
        """Take nothing more, and return when everything that waited has its outcome. `run` then ends."""
        self._closed = True
        self._wake.set()
        waiting = [e.done for e in self._unsettled()]
        if waiting:
            await asyncio.wait(waiting)

    def stats(self) -> LogStats:
        waiting = list(self._unsettled())
        return LogStats(
            waiting=len(waiting),
            lag=time.monotonic() - min(e.since for e in waiting) if waiting else 0.0,
            records=self._records,
            commits=self._commits,
            largest_batch=self._largest,
            replays=self._replays,
            reconnects=self._reconnects,
            last_commit=self._last_commit,
            refusal=self._refusal,
        )

    # --- the queue -----------------------------------------------------------------------------------------------------

    def _enqueue(
        self,
        record: MessageRecord | None,
        conf: GlobalConfiguration | None,
        entries: ToAttach | None,
        findings: tuple[Finding, ...] = (),
    ) -> asyncio.Future[int]:
        limits = self._limits
        if self._closed:
            raise EvidenceUnavailable("The message log is shut down")
        if len(self._queue) >= limits.queue_records or self._queued_bytes >= limits.queue_bytes:
            raise EvidenceUnavailable("The message log is too far behind")
        entry = _Entry(record, conf, entries, asyncio.get_running_loop().create_future(), findings)
        self._queue.append(entry)
        self._queued_bytes += entry.size
        self._wake.set()
        if self._watching is None:
            self._watch()
        return entry.done

    def _take(self) -> Sequence[_Entry]:
        """What waits, in order, up to the limits; it ends before a second record with the same claim, which the next batch judges.
        A caller who gave up before his record was sent leaves none."""
        batch: list[_Entry] = []
        size = 0
        claims: set[tuple[str, str]] = set()
        while self._queue and len(batch) < self._limits.batch_records:
            entry = self._queue[0]
            claim = entry.claim
            if batch and (size + entry.size > self._limits.batch_bytes or claim in claims):
                break
            self._queue.popleft()
            self._queued_bytes -= entry.size
            if not entry.done.done():
                batch.append(entry)
                size += entry.size
                claims |= {claim} if claim else set()
        return batch

    # --- one batch -----------------------------------------------------------------------------------------------------

    async def _commit(self, entries: Sequence[_Entry], again: bool = False) -> None:
        """Give each entry its outcome. While the database is away, try again for as long as somebody still waits. `again`: an
        earlier attempt may have written these."""
        pause = _FIRST_PAUSE
        while batch := [e for e in entries if not e.done.done()]:
            try:
                async with asyncio.timeout(self._limits.patience):
                    numbers = await self._write(batch, again)
            except asyncpg.UniqueViolationError:
                # Entries of an earlier attempt that was durable after all: nothing was written now, the next look finds them.
                again = True
                await asyncio.sleep(pause)
            except DATABASE_ERRORS as e:
                kind = failure(e)
                if kind is Failure.DATA and len(batch) > 1:
                    for entry in batch:  # one of them is refused by the database: the others are innocent
                        await self._commit([entry], again)
                    return
                if kind is Failure.OTHER:
                    self._refusal = type(e).__name__
                if kind in (Failure.DATA, Failure.OTHER):
                    _log.warning("the message log cannot be written: %s", type(e).__name__)
                    self._refuse(batch, "The message log cannot be written")
                    return
                if kind is Failure.LOST:
                    # The batch may be durable or not: the next attempt finds out, because writing is idempotent.
                    self._hang_up()
                    await self._pool.expire_connections()  # idle ones probably fell with it
                    again = True
                    self._reconnects += 1
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
            else:
                self._settle(batch, numbers)
                return

    async def _write(self, batch: Sequence[_Entry], again: bool) -> Mapping[UUID, int]:
        if self._connection is None or self._connection.is_closed():
            self._hang_up()
            self._connection = await self._pool.acquire()
        records = [e.record for e in batch if e.record is not None]
        confs = [e.conf for e in batch if e.conf is not None]
        new = {conf.fingerprint: conf.files for conf in confs if conf.fingerprint not in self._kept}
        found = [(e.record.uid, finding) for e in batch if e.record is not None for finding in e.findings]
        attached = [e.attached or e.entries.rows() for e in batch if e.entries is not None]
        placed = self._frames.place(records, self._clock())
        written = Batch(records, attached, self._server, found, placed)
        numbers = await write_batch(self._connection, written, new)
        if again:
            missing = [r for r in records if r.uid not in numbers]
            numbers |= await written_before(self._connection, missing) if missing else {}
        self._kept.update(new)
        self._frames.durable(placed.new)
        return numbers

    def _settle(self, batch: Sequence[_Entry], numbers: Mapping[UUID, int]) -> None:
        self._commits += 1
        self._records += len(numbers)
        self._largest = max(self._largest, len(batch))
        self._last_commit, self._refusal = self._clock(), None
        for entry in batch:
            number = 0 if entry.record is None else numbers.get(entry.record.uid)
            self._replays += number is None
            if entry.done.done():
                continue
            if number is not None:
                entry.done.set_result(number)
            else:
                entry.done.set_exception(ReplayedRequest("This request was already accepted once"))

    def _refuse(self, entries: Sequence[_Entry], why: str) -> None:
        for entry in entries:
            if not entry.done.done():
                entry.done.set_exception(EvidenceUnavailable(why))

    def _hang_up(self) -> None:
        """Leave the connection, whatever state it is in, and believe nothing that was durable by it: the next one may lead to a
        database that went back in time."""
        self._kept.clear()
        self._frames.forget()
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(asyncpg.InterfaceError):  # it ended while idle: the pool has it back already
                connection.terminate()


async def _attach(batch: Sequence[_Entry]) -> None:
    """Make the access entries of a batch. Whoever gave up by now leaves none."""
    made = 0
    for entry in batch:
        if entry.entries is None or entry.done.done():
            continue
        try:
            entry.attached = entry.entries.rows()
        except Exception as e:  # noqa: BLE001 - of whatever kind, it is this exchange's failure and not that of the others in the batch
            entry.done.set_exception(e)
        made += len(entry.entries.entries)
        if made >= _AT_ONCE:
            made = 0
            await asyncio.sleep(0)
