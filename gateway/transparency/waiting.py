"""The SQL of the outbox: what waits, what the log has taken. Append-only: progress is a row more."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias
from uuid import UUID

import asyncpg

from gateway.core.values import quick

MOST_LEAVES = 500
"""In one submission; the log takes up to 1,000."""

_COLUMNS = "number, record_id, time, leaf"
_UPTO = "(SELECT coalesce(max(upto), 0) FROM access_submission WHERE server = $1)"
_NEXT = f"""
SELECT {_COLUMNS} FROM access_record WHERE server = $1 AND number > {_UPTO} ORDER BY number LIMIT {MOST_LEAVES}
"""  # noqa: S608 - only constants of ours are put together
_FIND = f"SELECT {_COLUMNS} FROM access_record WHERE record_id = ANY ($1::uuid[])"  # noqa: S608
_MEASURE = f"""
SELECT coalesce((SELECT last FROM access_series WHERE server = $1), 0) - {_UPTO} AS waiting,
       (SELECT time FROM access_record WHERE server = $1 AND number > {_UPTO} ORDER BY number LIMIT 1) AS oldest
"""  # noqa: S608
# The row that is added here is not seen by the rest of the statement; another server of the same id may have noted more.
_NOTE = f"""
WITH noted AS (INSERT INTO access_submission (server, upto) VALUES ($1, $2) ON CONFLICT DO NOTHING),
     now AS MATERIALIZED (SELECT greatest({_UPTO}, $2) AS upto)
SELECT coalesce((SELECT last FROM access_series WHERE server = $1), 0) - upto AS waiting,
       (SELECT time FROM access_record WHERE server = $1 AND number > upto ORDER BY number LIMIT 1) AS oldest
FROM now
"""  # noqa: S608
_NEW_KEY = "INSERT INTO official_key (server, key) VALUES ($1, $2) ON CONFLICT DO NOTHING"


Backlog: TypeAlias = tuple[int, datetime | None]
"""How many records wait, and since when the oldest does."""


@quick
@dataclass(frozen=True, slots=True)
class WaitingLeaf:
    """What the log is given of a record: nothing that says whom it is about. `number`: its place in this server's series."""

    number: int
    record: UUID
    time: datetime
    leaf: bytes


class Waitlist:
    """Of one security server. DATABASE_ERRORS pass through."""

    def __init__(self, pool: asyncpg.Pool, server: str) -> None:
        self._pool = pool
        self._server = server

    async def next(self) -> Sequence[WaitingLeaf]:
        """The oldest that wait, in the order of the series and without a gap; empty when none waits."""
        return _leaves(await self._pool.fetch(_NEXT, self._server))

    async def find(self, records: Sequence[UUID]) -> Sequence[WaitingLeaf]:
        return _leaves(await self._pool.fetch(_FIND, records))

    async def note(self, upto: int) -> Backlog:
        """The log holds everything up to this number. What waits behind it."""
        return _backlog(await self._pool.fetchrow(_NOTE, self._server, upto))

    async def measure(self) -> Backlog:
        return _backlog(await self._pool.fetchrow(_MEASURE, self._server))

    async def official_key(self) -> bytes:
        """Made when there is none; servers that share the store and the id share it."""
        await self._pool.execute(_NEW_KEY, self._server, secrets.token_bytes(32))
        key: bytes = await self._pool.fetchval("SELECT key FROM official_key WHERE server = $1", self._server)
        return key


def _leaves(rows: Sequence[asyncpg.Record]) -> Sequence[WaitingLeaf]:
    return [WaitingLeaf(*row) for row in rows]


def _backlog(row: asyncpg.Record) -> Backlog:
    return row["waiting"], row["oldest"]
