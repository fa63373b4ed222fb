"""Whether a database answers, asked now and then: a database that is away is known before somebody's exchange fails."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import asyncpg

from gateway.storage.failures import DATABASE_ERRORS

_EVERY, _PATIENCE = 5.0, 5.0  # seconds


@dataclass(slots=True)
class DatabaseWatch:
    """`away`: it did not answer the last time, within some seconds. `run` in one task."""

    pool: asyncpg.Pool
    away: bool = False
    patience: float = _PATIENCE

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self.once()
            await asyncio.sleep(_EVERY)

    async def once(self) -> None:
        try:
            async with asyncio.timeout(self.patience):
                await self.pool.fetchval("SELECT 1")
        except DATABASE_ERRORS:
            self.away = True
        else:
            self.away = False
