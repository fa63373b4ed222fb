"""What only the owner of the tables may do: partitions ahead of time, removing what is no evidence, and putting records that wait
for no time-stamp though they have none back into that queue.

Records, their bodies and configurations are never removed here; that is retention's decision.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import asyncpg

from gateway.core.errors import GatewayError
from gateway.exchange.ports import Clock
from gateway.messagelog import stamps
from gateway.storage.database import Database
from gateway.storage.failures import DATABASE_ERRORS
from gateway.storage.partitions import Period, ensure_partition, partitions_ahead

_TABLE = "message_record"
_REQUEUE_AGE = timedelta(days=2)
_ORPHAN_AGE = timedelta(days=1)  # far longer than a body may take to arrive

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Swept:
    """What one round did, in rows (partitions: tables)."""

    partitions: int
    claims: int
    pieces: int
    requeued: int = 0
    submissions: int = 0


class LogMaintenance:
    """A claim is needed for as long as the OCSP answer in the request's signature may be fresh: a replay later than that falls with
    it. `fresh_for`: how long that is, which the instance decides; GatewayError while nobody knows, and then no claim goes.
    `keep_claims`: so much longer each is kept."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        *,
        fresh_for: Callable[[], timedelta] = timedelta,
        period: Period = "day",
        keep_claims: timedelta = timedelta(days=7),
        every: timedelta = timedelta(hours=1),
    ) -> None:
        self._database = database
        self._clock = clock
        self._fresh_for = fresh_for
        self._period = period
        self._keep_claims = keep_claims
        self._every = every

    async def once(self) -> Swept:
        """One round; call it at start, before the first record. DATABASE_ERRORS or EvidenceUnavailable when it cannot."""
        now = self._clock()
        async with self._database.owner() as owner:
            return Swept(
                partitions=await self._partitions(owner, now),
                claims=await self._forget_claims(owner, now),
                pieces=await _deleted(owner, _ORPHANS, _ORPHAN_AGE),
                requeued=await stamps.requeue(owner, now - _REQUEUE_AGE),
                submissions=await _deleted(owner, _PASSED, _ORPHAN_AGE),
            )

    async def run(self) -> None:
        """A round every now and then until cancelled. A failed one harms nothing: the default partition takes what comes."""
        while True:
            await asyncio.sleep(self._every.total_seconds())
            try:
                await self.once()
            except (GatewayError, *DATABASE_ERRORS) as e:
                _log.warning("maintenance of the message log failed: %s", type(e).__name__)

    async def _forget_claims(self, owner: asyncpg.Connection, now: datetime) -> int:
        try:
            keep = self._fresh_for() + self._keep_claims
        except GatewayError:
            return 0
        return await _deleted(owner, "DELETE FROM replay_claim WHERE seen < $1", now - keep)

    async def _partitions(self, owner: asyncpg.Connection, now: datetime) -> int:
        made = [await ensure_partition(owner, _TABLE, p) for p in partitions_ahead(_TABLE, self._period, now)]
        return sum(made)


# By the database's own clock, which stamped them. Pieces are written before their record (bodies.py), so age decides.
_ORPHANS = """
DELETE FROM body_chunk WHERE body_id IN (
    SELECT body_id FROM body_chunk AS first
    WHERE n = 0 AND written < clock_timestamp() - $1::interval
    AND NOT EXISTS (SELECT FROM message_record AS r WHERE r.body_id = first.body_id)
)
"""


# Only the last row says how far the public log has come.
_PASSED = """
DELETE FROM access_submission AS old WHERE submitted < clock_timestamp() - $1::interval
AND EXISTS (SELECT FROM access_submission AS s WHERE s.server = old.server AND s.upto > old.upto)
"""


async def _deleted(owner: asyncpg.Connection, statement: str, *values: object) -> int:
    """Rows removed: the last word of PostgreSQL's answer `DELETE n`."""
    return int((await owner.execute(statement, *values)).split()[-1])
