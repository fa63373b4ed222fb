"""Invented records into an empty database, once: COPY in one transaction, the stamp last.

If we crash before the commit, nothing is there and the next start begins again. Data that is there is never replaced, also not
when the generator has changed since; the log says which version it is.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from structlog.typing import FilteringBoundLogger

from adapters.sdk.postgres import Connection, Pool

_PIECE = 10_000  # records between two lines of progress
_LOAD_SECONDS = 120.0

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Rows:
    """`table`: with its schema; `records`: one tuple a row, in the order of `columns`."""

    table: str
    columns: tuple[str, ...]
    records: Sequence[tuple[object, ...]]


async def seed_once(pool: Pool, version: str, make: Callable[[], Sequence[Rows]], log: FilteringBoundLogger) -> None:
    """Returns with the records durable; does nothing when the database has some. `make` runs in a thread of its own."""
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("lock table adapter_seed in exclusive mode")  # two starts at once: one waits
        if known := await connection.fetchval("select version from adapter_seed"):
            log.info("seed_kept", generator=version, version=known)
            return
        for rows in await invented(make):
            await copy_rows(connection, rows, log)
        await connection.execute("insert into adapter_seed (version) values ($1)", version)
    log.info("seed_loaded", version=version)


async def invented(make: Callable[[], T]) -> T:
    """What `make` gives, in a thread of its own. Without garbage collection, which would look through hundreds of thousands of
    records again and again and find none to collect: a third of the time."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        return await asyncio.to_thread(make)
    finally:
        if collecting:
            gc.enable()


async def copy_rows(connection: Connection, rows: Rows, log: FilteringBoundLogger) -> None:
    schema, _, table = rows.table.rpartition(".")
    for start in range(0, len(rows.records), _PIECE):
        piece = rows.records[start : start + _PIECE]
        await connection.copy_records_to_table(
            table, schema_name=schema or None, columns=list(rows.columns), records=piece, timeout=_LOAD_SECONDS
        )
        log.info("seed_loading", table=table, done=start + len(piece), of=len(rows.records))
