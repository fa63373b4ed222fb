"""Lets time pass for dossiers: reminders, expiry of questions, asking agencies again, warnings of the legal clock."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime

from adapters.lienthong.desk import Desk
from adapters.lienthong.model import Tick
from adapters.sdk import Pool
from adapters.sdk.postgres import source_errors
from adapters.sdk.problems import SourceUnavailable

_DUE = """
    select id from lienthong.dossier where next_tick <= $1 order by next_tick limit 1 for update skip locked
"""


class Ticker:
    def __init__(self, pool: Pool, desk: Desk, clock: Callable[[], datetime], *, poll: float = 5.0) -> None:
        self._pool = pool
        self._desk = desk
        self._clock = clock
        self._poll = poll

    async def run(self) -> None:
        """Until cancelled. Several may run: each dossier is ticked by one of them."""
        while True:
            try:
                async with source_errors():
                    while await self.step():
                        pass
            except SourceUnavailable:
                pass  # what was due is still due when the database is back
            await asyncio.sleep(self._poll)

    async def step(self) -> bool:
        """One dossier that is due; False when none is."""
        async with self._pool.acquire() as connection, connection.transaction():
            dossier_id = await connection.fetchval(_DUE, self._clock())
            if dossier_id is not None:
                await self._desk.happen(connection, dossier_id, Tick(), "lienthong")
            return dossier_id is not None
