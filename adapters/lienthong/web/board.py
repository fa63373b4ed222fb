"""SQL of the operators' pages. Rule: no table that holds a person's name or number is read here, except by the number of rows.

Stuck is computed at the moment of looking: a leg that somebody has and whose time is over.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from adapters.sdk import Pool

STATES = ("running", "consent", "returned", "stuck")
CAUSES = ("DY-03", "GD-01", "BDT-02", "KQ-04")
_PIECE = 2_000  # rows in memory of a list that is read whole
AGES = 5  # under a day, 1-3, 4-7, 8-30, over 30 days since the opening

_COUNTS = "select shown, age, count(*) as n from lienthong.board($1, $2, $3, $4, $5, $6, $7, $8) group by shown, age"
_CAUSES = """
    select cause, count(*) as n from lienthong.board($1, $2, $3, $4, $5, $6, $7, $8) where shown = 'stuck'
    group by cause order by n desc, cause
"""
_LIST = """
    select b.*, coalesce((l.one ->> 'asks')::int, 0) as asks, (l.one ->> 'ask_at')::timestamptz as ask_at,
        coalesce((select sum((c ->> 'reminders')::int) from jsonb_array_elements(b.state -> 'consents') c
                  where c ->> 'status' = 'asked' and c ->> 'leg' = b.leg), 0)::int as reminders
    from lienthong.board($1, $2, $3, $4, $5, $6, $7, $8) b
        left join lateral (select e as one from jsonb_array_elements(b.state -> 'legs') e where e ->> 'code' = b.leg) l on true
    where ($7 <> '' or shown = 'stuck') and ($9::timestamptz is null or (coalesce(leg_due, opened_at), id) > ($9, $10))
    order by coalesce(leg_due, opened_at), id limit $11
"""
_PROVINCES = """
    with counted as (
        select province, count(*) as sent,
            count(*) filter (where status = 'finished' or leg is distinct from 'registration') as given_back,
            count(*) filter (where status = 'open' and leg_status <> 'returned' and leg_due < $1) as stuck,
            max($1::timestamptz - leg_due) filter (where status = 'open' and leg_status <> 'returned' and leg_due < $1) as longest
        from lienthong.dossier group by province)
    select *, stuck::float / sent as share from counted order by share desc, province
"""
_DONE = """
    select count(*) as n, percentile_cont(0.5) within group (order by extract(epoch from closed_at - opened_at)) as median
    from lienthong.dossier where status = 'finished' and closed_at > $1::timestamptz - interval '30 days'
"""
_ONE = "select id, procedure, province, opened_at, clock_until, status, state from lienthong.dossier where id = $1"
_ENTRIES = (
    "select at, kind, leg, role, code, who from lienthong.entry where dossier = $1 order by number desc limit 200"
)
_MESSAGES = """
    select o.message_id, o.posted_at, o.service, o.path, o.state, o.attempts, o.cause, o.settled_at,
        (select attempt_id from delivery.attempt a where a.message_id = o.message_id and a.verdict = 'delivered' limit 1) as attempt
    from delivery.outbox o where o.issue = $1 order by o.position desc limit 100
"""
_REFUSED = "select at, leg, cause, code from lienthong.refused_return where dossier = $1 order by at desc limit 50"
_REFUSED_COUNT = "select cause, count(*) as n from lienthong.refused_return group by cause order by n desc, cause"


@dataclass(frozen=True, slots=True)
class Filters:
    """Empty: not filtered. `age`: 0-4, -1 for all."""

    procedure: str = ""
    province: str = ""
    leg: str = ""
    cause: str = ""
    age: int = -1
    state: str = ""
    case: str = ""

    def values(self) -> tuple[Any, ...]:
        return (self.procedure, self.province, self.leg, self.cause, self.age, self.state, self.case)


class Board:
    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def counts(self, filters: Filters, now: datetime) -> Mapping[tuple[str, int], int]:
        """Open dossiers by state and age."""
        rows = await self._pool.fetch(_COUNTS, now, *filters.values())
        return {(row["shown"], row["age"]): row["n"] for row in rows}

    async def causes(self, filters: Filters, now: datetime) -> Sequence[Mapping[str, Any]]:
        rows: Sequence[Mapping[str, Any]] = await self._pool.fetch(_CAUSES, now, *filters.values())
        return rows

    async def page(
        self, filters: Filters, now: datetime, after: tuple[datetime, str] | None, most: int
    ) -> Sequence[Mapping[str, Any]]:
        """Stuck ones, longest first; with a state in the filters those of that state."""
        cursor = (None, "") if after is None else after
        rows: Sequence[Mapping[str, Any]] = await self._pool.fetch(_LIST, now, *filters.values(), *cursor, most)
        return rows

    async def whole(self, filters: Filters, now: datetime, take: Callable[[Sequence[Mapping[str, Any]]], None]) -> None:
        """All that `page` would give from beginning to end, as it is at one moment; `take` gets it piece by piece."""
        async with self._pool.acquire() as connection, connection.transaction(readonly=True):
            cursor = await connection.cursor(_LIST, now, *filters.values(), None, "", None)
            while rows := await cursor.fetch(_PIECE):
                take(rows)

    async def provinces(self, now: datetime) -> Sequence[Mapping[str, Any]]:
        """The highest share of stuck ones first."""
        rows: Sequence[Mapping[str, Any]] = await self._pool.fetch(_PROVINCES, now)
        return rows

    async def finished(self, now: datetime) -> tuple[int, float]:
        """How many in the last 30 days, and their median in seconds."""
        row = await self._pool.fetchrow(_DONE, now)
        return row["n"], row["median"] or 0.0

    async def refused(self) -> Sequence[Mapping[str, Any]]:
        """Returns that were refused, by what was wrong with their reason."""
        rows: Sequence[Mapping[str, Any]] = await self._pool.fetch(_REFUSED_COUNT)
        return rows

    async def one(self, dossier_id: str) -> Mapping[str, Any] | None:
        row: Mapping[str, Any] | None = await self._pool.fetchrow(_ONE, dossier_id)
        return row

    async def entries(self, dossier_id: str) -> Sequence[Mapping[str, Any]]:
        rows: Sequence[Mapping[str, Any]] = await self._pool.fetch(_ENTRIES, dossier_id)
        return rows

    async def messages(self, dossier_id: str) -> Sequence[Mapping[str, Any]]:
        rows: Sequence[Mapping[str, Any]] = await self._pool.fetch(_MESSAGES, dossier_id)
        return rows

    async def refused_of(self, dossier_id: str) -> Sequence[Mapping[str, Any]]:
        rows: Sequence[Mapping[str, Any]] = await self._pool.fetch(_REFUSED, dossier_id)
        return rows
