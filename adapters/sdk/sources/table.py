"""Records from a table or view of a PostgreSQL database."""

from __future__ import annotations

from dataclasses import dataclass

from adapters.sdk.postgres import Pool, source_errors
from adapters.sdk.problems import SourceUnavailable
from adapters.sdk.sources.port import Record


@dataclass(frozen=True, slots=True)
class TableSource:
    """`sql`: gives at most one row, its key is `$1`; columns that are no text are cast (`birth_date::text`)."""

    pool: Pool
    sql: str

    async def find(self, key: str) -> Record | None:
        if "\x00" in key:
            return None  # PostgreSQL's text cannot hold it, so no row has it
        async with source_errors():
            rows = await self.pool.fetch(self.sql, key)
        if len(rows) > 1 or any(not isinstance(v, str | None) for row in rows for v in row.values()):
            raise SourceUnavailable
        return dict(rows[0]) if rows else None
