"""Tables partitioned by time: pieces are made ahead by the owner; a DEFAULT piece takes what no other does, so nothing is lost.

A piece is attached rather than created in place: that does not wait for, or hold up, those who write to the table. Its storage
parameters are those of the DEFAULT piece, since a partitioned table has none of its own.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Literal

import asyncpg

Period = Literal["day", "month"]
_AHEAD: dict[Period, int] = {"day": 3, "month": 1}

_STORAGE_PARAMETERS = "SELECT array_to_string(reloptions, ', ') FROM pg_class WHERE oid = to_regclass($1)"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Partition:
    """Rows with `start` <= time < `end` (UTC)."""

    name: str
    start: datetime
    end: datetime


def partitions_ahead(table: str, period: Period, now: datetime) -> tuple[Partition, ...]:
    """The piece that holds `now` and those after it."""
    starts = [_start(period, now)]
    for _ in range(_AHEAD[period] + 1):
        starts.append(_next(period, starts[-1]))
    form = "%Y%m%d" if period == "day" else "%Y%m"
    return tuple(Partition(f"{table}_{start.strftime(form)}", start, end) for start, end in pairwise(starts))


async def ensure_partition(
    connection: asyncpg.Connection, table: str, partition: Partition, *, patience: str = "2s"
) -> bool:
    """Make the piece, as the owner, if it is missing; rows of its time leave the default piece for it. False when it is there
    already, overlaps one (the period was changed) or the table stayed busy for `patience`: the default piece serves meanwhile."""
    try:
        async with connection.transaction():
            await connection.execute(f"SET LOCAL lock_timeout = '{patience}'")
            if await connection.fetchval("SELECT to_regclass($1)", partition.name) is not None:
                return False
            await _attach(connection, table, partition)
    except (asyncpg.DuplicateTableError, asyncpg.UniqueViolationError, asyncpg.InvalidObjectDefinitionError):
        return False
    except asyncpg.LockNotAvailableError:
        _log.warning("a table was too busy to add a partition; trying again later")
        return False
    return True


async def _attach(connection: asyncpg.Connection, table: str, p: Partition) -> None:
    # Names come from our own tables and a date; bounds of a partition cannot be parameters.
    bounds = f"FROM ('{p.start.isoformat()}') TO ('{p.end.isoformat()}')"
    stored = await connection.fetchval(_STORAGE_PARAMETERS, f"{table}_default")
    await connection.execute(
        f"CREATE TABLE {p.name} (LIKE {table} INCLUDING ALL)" + (f" WITH ({stored})" if stored else "")
    )
    await connection.execute(f"LOCK TABLE {table}_default IN ACCESS EXCLUSIVE MODE")
    await connection.execute(
        f"WITH moved AS (DELETE FROM {table}_default WHERE time >= $1 AND time < $2 RETURNING *) "  # noqa: S608
        f"INSERT INTO {p.name} SELECT * FROM moved",
        p.start,
        p.end,
    )
    await connection.execute(f"ALTER TABLE {table} ATTACH PARTITION {p.name} FOR VALUES {bounds}")


def _start(period: Period, moment: datetime) -> datetime:
    day = moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return day if period == "day" else day.replace(day=1)


def _next(period: Period, start: datetime) -> datetime:
    return start + timedelta(days=1) if period == "day" else (start + timedelta(days=32)).replace(day=1)
