from __future__ import annotations

from contextlib import AsyncExitStack

from gateway.storage.database import Database
from gateway.storage.watch import DatabaseWatch


async def test_a_database_that_does_not_answer_is_away_until_it_does(database: Database) -> None:
    watch = DatabaseWatch(database.pool, patience=0.05)
    async with AsyncExitStack() as stack:
        for _ in range(database.pool.get_max_size()):
            await stack.enter_async_context(database.pool.acquire())
        await watch.once()
        assert watch.away
    watch.patience = 5.0
    await watch.once()
    assert not watch.away


async def test_a_database_that_refuses_is_away(database: Database) -> None:
    await database.pool.close()
    watch = DatabaseWatch(database.pool)
    await watch.once()
    assert watch.away
