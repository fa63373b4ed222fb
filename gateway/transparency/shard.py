"""One year's log: sequencer and publisher kept running, and what they say of themselves.

Any error but one ends the leadership, and it begins again with `lead`; a frozen shard stays as it is until somebody has decided
what happened. Entries are taken in all the while: they wait in the queue.
"""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass

import asyncpg

from gateway.core.errors import GatewayError
from gateway.storage.failures import DATABASE_ERRORS
from gateway.transparency import rows
from gateway.transparency.files import LogFiles
from gateway.transparency.ports import LogFrozen
from gateway.transparency.publisher import Publisher
from gateway.transparency.sequencer import Committed, Sequencer

_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 2.0
_RETRY_WITNESSES = 5.0
_MAINTENANCE = 60.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ShardLimits:
    """`interval`: seconds from one batch to the next while fewer than a whole batch wait; `keep_partials`: seconds that a partial
    tile stays after its full one came; `republish`: seconds after which witnesses cosign an unchanged checkpoint anew."""

    interval: float = 0.25
    keep_partials: float = 3600.0
    republish: float = 600.0


class LogShard:
    """`run` in one task. `committed`: the newest; `frozen`: why nothing is published any more; `trouble`: the last error since
    things last went well; `waiting` and `oldest`: the queue, its records and the age of the oldest in seconds."""

    def __init__(
        self, pool: asyncpg.Pool, sequencer: Sequencer, publisher: Publisher, files: LogFiles, limits: ShardLimits
    ) -> None:
        self.origin = sequencer.origin
        self.files = files
        self.publisher = publisher
        self.sequencer = sequencer
        self.committed: Committed | None = None
        self.frozen: str | None = None
        self.trouble: str | None = None
        self.waiting, self.oldest = 0, 0.0
        self._pool = pool
        self._limits = limits
        self._new = asyncio.Event()

    async def run(self) -> None:
        pause = _FIRST_PAUSE
        while True:
            began = time.monotonic()
            try:
                await self._lead()
            except* LogFrozen as group:
                await self._freeze(_first(group))
            except* (GatewayError, *DATABASE_ERRORS) as group:
                self.trouble = type(_first(group)).__name__
                _log.warning("the log shard starts again: %s", self.trouble)
            finally:
                self.sequencer.hang_up()
            pause = _FIRST_PAUSE if time.monotonic() - began > _LONGEST_PAUSE else min(2 * pause, _LONGEST_PAUSE)
            await asyncio.sleep(_LONGEST_PAUSE if self.frozen else pause)

    async def _lead(self) -> None:
        self.committed = await self.sequencer.lead()
        await self.publisher.recall()
        self.frozen = None
        self._new.set()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._sequence())
            tasks.create_task(self._publish())
            tasks.create_task(self._maintain())

    async def _sequence(self) -> None:
        while True:
            began = time.monotonic()
            before = self.committed.checkpoint.size if self.committed else 0
            committed = await self.sequencer.step()
            if committed is not None:
                self.committed, self.trouble = committed, None
                self._new.set()
            if committed is None or committed.checkpoint.size - before < self.sequencer.batch:
                await asyncio.sleep(max(0.0, self._limits.interval - (time.monotonic() - began)))

    async def _publish(self) -> None:
        while True:
            self._new.clear()
            assert self.committed is not None
            quorum = await self.publisher.publish(self.committed)
            try:
                async with asyncio.timeout(self._limits.republish if quorum else _RETRY_WITNESSES):
                    await self._new.wait()
            except TimeoutError:
                continue  # the same checkpoint again: a witness may be back, and its times say that nothing newer exists

    async def _maintain(self) -> None:
        """The queue's figures, and partial tiles that nobody needs any more."""
        tidied = 0.0
        while True:
            self.waiting, self.oldest = await rows.queue_state(self._pool, self.origin)
            if time.monotonic() - tidied > _MAINTENANCE:
                tidied = time.monotonic()
                paths = await rows.old_partials(self._pool, self.origin, self._limits.keep_partials)
                for path in paths:
                    await asyncio.to_thread(self.files.remove_partials, path)
                await rows.forget_partials(self._pool, self.origin, paths)
            await asyncio.sleep(1.0)

    async def _freeze(self, reason: BaseException) -> None:
        assert isinstance(reason, LogFrozen)
        try:
            stands = not reason.evidence or await self.sequencer.freeze(reason)
        except DATABASE_ERRORS as e:
            self.trouble = type(e).__name__  # nothing was published; the next leadership finds the same again
            return
        if stands:
            self.frozen = reason.why
            _log.error("the log shard is frozen")


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
