"""Migration 0019: what a database of before says of stamped records, the runs say too."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest_asyncio

from gateway.messagelog import stamps
from gateway.storage.database import ensure_roles
from gateway.storage.schema import load_migrations, migrate

_OLD = 18


@pytest_asyncio.fixture
async def old(source_parameters: dict[str, Any]) -> AsyncIterator[asyncpg.Connection]:
    """The owner's connection to a database of the version before."""
    connection = await asyncpg.connect(**source_parameters)
    try:
        await ensure_roles(connection)
        await migrate(connection, load_migrations()[:_OLD])
        yield connection
    finally:
        await connection.close()


async def test_every_record_keeps_its_token_and_place(old: asyncpg.Connection) -> None:
    # One alone, a whole commit, two commits the other way round, and what retention has left of a batch.
    links = [
        (1, 1, 0),
        *((n, 2, n - 2) for n in range(2, 12)),
        (14, 3, 0),
        (15, 3, 1),
        (12, 3, 2),
        (13, 3, 3),
        (17, 3, 5),
    ]
    links += [(20, 4, 0), (22, 4, 2), (23, 4, 3), (19, 4, 5)]
    for token in range(1, 5):
        await old.execute(
            "INSERT INTO time_stamp (number, time, authority, serial, conf_fingerprint, token, chain_result, leaves) "
            "VALUES ($1::bigint, now(), 'TSA', $1::bigint, 'f', $2, 'r', 'l')",
            token,
            b"token %d" % token,
        )
    await old.executemany("INSERT INTO stamped_record (record_number, time_stamp, position) VALUES ($1, $2, $3)", links)
    await migrate(old)
    found = await old.fetch(
        "SELECT generate_series(first, last), time_stamp, generate_series(position, (position + last - first)::integer) "
        "FROM stamped_run"
    )
    assert sorted(map(tuple, found)) == sorted(links)
    assert await stamps.stamped_among(old, range(30)) == {number for number, _, _ in links}
    kept = await old.fetch("SELECT records FROM time_stamp ORDER BY number")
    assert [row["records"] for row in kept] == [1, 10, 5, 4]
    await stamps.forget(old, [12, 13, 14, 15, 17, *range(2, 11)])
    assert [row["number"] for row in await old.fetch("SELECT number FROM time_stamp ORDER BY number")] == [1, 2, 4]
