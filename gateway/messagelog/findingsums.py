"""Retention of findings: after their time they are kept as sums of their month, and no longer for each message.

Whole months only, as they are over in Vietnam, so that a report of a month says the same before and after. One month is one
statement: if we crash, its findings are still there, or they are sums. Runs as the owner of the tables.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import asyncpg

from gateway.core.errors import GatewayError
from gateway.exchange.ports import Clock
from gateway.messagelog.findings import HERE, month_of
from gateway.storage.database import Database
from gateway.storage.failures import DATABASE_ERRORS

_OLDEST = "SELECT min(time) FROM content_finding WHERE time < $1"
_OUTLOOK = """
SELECT date_trunc('month', time AT TIME ZONE interval '7 hours')::date AS month, count(*) AS findings,
    count(DISTINCT (rule, client, service, subject, cause)) AS sums
FROM content_finding WHERE time < $1 GROUP BY 1 ORDER BY 1
"""
_SUM_UP = """
WITH gone AS (DELETE FROM content_finding WHERE time >= $1 AND time < $2 RETURNING *),
kept AS (
    INSERT INTO content_finding_sum AS s (month, client, service, rule, cause, subject, messages, refused)
    SELECT $3, client, service, rule, cause, subject, count(*), count(*) FILTER (WHERE refused) FROM gone
    GROUP BY client, service, rule, cause, subject ORDER BY client, service, rule, cause, subject
    ON CONFLICT (month, rule, client, service, subject, cause)
    DO UPDATE SET messages = s.messages + excluded.messages, refused = s.refused + excluded.refused
    RETURNING 1
)
SELECT (SELECT count(*) FROM gone) AS findings, (SELECT count(*) FROM kept) AS sums
"""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SummedMonth:
    """`month`: its first day. `findings`: rows that go; `sums`: rows that stand for them."""

    month: date
    findings: int
    sums: int


class FindingRetention:
    """`keep`: how long a month's findings stand for themselves after it is over."""

    def __init__(
        self, database: Database, clock: Clock, keep: timedelta, *, every: timedelta = timedelta(hours=6)
    ) -> None:
        self._database = database
        self._clock = clock
        self._keep = keep
        self._every = every

    async def run(self) -> None:
        """A round every now and then until cancelled. A failed one loses nothing; the next goes on where it stopped."""
        while True:
            await asyncio.sleep(self._every.total_seconds())
            try:
                await self.once()
            except (GatewayError, *DATABASE_ERRORS) as e:
                _log.warning("findings were not summed up: %s", type(e).__name__)

    async def preview(self) -> Sequence[SummedMonth]:
        """What `once` would do now. Changes nothing."""
        async with self._database.owner() as owner:
            return [SummedMonth(*row) for row in await owner.fetch(_OUTLOOK, self._before())]

    async def once(self) -> Sequence[SummedMonth]:
        """One round, month by month. EvidenceUnavailable or DATABASE_ERRORS when the database does not answer."""
        done = []
        async with self._database.owner() as owner:
            while (oldest := await owner.fetchval(_OLDEST, self._before())) is not None:
                done.append(await _sum_up(owner, oldest.astimezone(HERE).date()))
        return done

    def _before(self) -> datetime:
        """Findings before this moment belong to months that were over long enough ago."""
        return month_of((self._clock() - self._keep).astimezone(HERE).date())[0]


async def _sum_up(owner: asyncpg.Connection, day: date) -> SummedMonth:
    since, until = month_of(day)
    row = await owner.fetchrow(_SUM_UP, since, until, since.date())
    return SummedMonth(since.date(), row["findings"], row["sums"])
