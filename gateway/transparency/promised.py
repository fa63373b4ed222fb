"""The SQL of the promise keeper: promises that wait for a verdict, and the largest tree of each log that was believed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import asyncpg

_COLUMNS = "number, time, uid, service, origin, leaf, noted"
_DUE = f"SELECT {_COLUMNS} FROM promise WHERE state = 'open' AND due <= $1 ORDER BY due LIMIT $2"  # noqa: S608 - constants of ours
_KEPT = """
UPDATE promise AS p SET state = 'kept', decided = $3, index = k.index
FROM unnest($1::bigint[], $2::bigint[]) AS k (number, index) WHERE p.number = k.number AND p.state = 'open'
"""
_BROKEN = "UPDATE promise SET state = 'broken', decided = $2 WHERE number = $1 AND state = 'open'"
_LATER = """
UPDATE promise AS p SET due = l.due FROM unnest($1::bigint[], $2::timestamptz[]) AS l (number, due)
WHERE p.number = l.number AND p.state = 'open'
"""
_MEASURE = """
SELECT count(*) AS waiting, min(time) AS oldest, count(*) FILTER (WHERE time < $1) AS overdue
FROM (SELECT time FROM promise WHERE state = 'open' LIMIT 100000) AS p
"""
_CASES = (
    "SELECT service, count(*) AS n FROM promise WHERE state = 'broken' AND leaf = ANY ($1::bytea[]) GROUP BY service"
)
_FORGET = """
DELETE FROM promise WHERE number IN (SELECT number FROM promise WHERE state = 'kept' AND decided < $1 LIMIT 10000)
"""
_SAW = """
INSERT INTO log_seen AS s (origin, size, note) VALUES ($1, $2, $3)
ON CONFLICT (origin) DO UPDATE SET size = $2, note = $3, seen = clock_timestamp() WHERE s.size < $2
"""


@dataclass(frozen=True, slots=True)
class NotedPromise:
    """`service`: whose provider promised; `leaf`: leaf hash; `key`: of the response's message record, with its time; `noted`: after
    it was time-stamped."""

    number: int
    key: tuple[datetime, UUID]
    service: str
    origin: str
    leaf: bytes
    noted: datetime

    @property
    def made(self) -> datetime:
        """When the answer with the promise came here."""
        return self.key[0]

    @property
    def provider(self) -> str:
        """The member."""
        return "/".join(self.service.split("/")[:3])


class PromiseTable:
    """DATABASE_ERRORS pass through."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def due(self, now: datetime, most: int) -> Sequence[NotedPromise]:
        rows = await self._pool.fetch(_DUE, now, most)
        return [NotedPromise(r["number"], (r["time"], r["uid"]), *tuple(r)[3:]) for r in rows]

    async def kept(self, found: Mapping[int, int], now: datetime) -> None:
        """Index in the log by number of the promise."""
        await self._pool.execute(_KEPT, list(found), list(found.values()), now)

    async def broken(self, number: int, now: datetime) -> None:
        await self._pool.execute(_BROKEN, number, now)

    async def later(self, when: Mapping[int, datetime]) -> None:
        """When to look next at those that are still without a verdict."""
        await self._pool.execute(_LATER, list(when), list(when.values()))

    async def measure(self, overdue_before: datetime) -> tuple[int, datetime | None, int]:
        """How many wait for a verdict, up to 100,000, since when the oldest does, and how many were made before that moment."""
        row = await self._pool.fetchrow(_MEASURE, overdue_before)
        return row["waiting"], row["oldest"], row["overdue"]

    async def cases(self, leaves: Iterable[bytes]) -> Mapping[str, int]:
        """Of these leaves, the broken promises by provider."""
        found: dict[str, int] = {}
        for row in await self._pool.fetch(_CASES, list(leaves)):
            provider = "/".join(row["service"].split("/")[:3])
            found[provider] = found.get(provider, 0) + row["n"]
        return found

    async def forget(self, kept_before: datetime) -> None:
        await self._pool.execute(_FORGET, kept_before)

    async def seen(self, origin: str) -> bytes | None:
        """The note of the largest tree that was believed."""
        found: bytes | None = await self._pool.fetchval("SELECT note FROM log_seen WHERE origin = $1", origin)
        return found

    async def saw(self, origin: str, size: int, note: bytes) -> None:
        await self._pool.execute(_SAW, origin, size, note)


def next_look(noted: datetime, now: datetime, every: timedelta, deadline: datetime) -> datetime:
    """Each wait as long as all before together, at least `every`, at most an hour; once more when the deadline has just passed, and
    from there on anew, often at first."""
    if now < deadline:
        return min(now + min(max(now - noted, every), timedelta(hours=1)), deadline + every)
    return now + min(max(now - deadline, every), timedelta(hours=1))
