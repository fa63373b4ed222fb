"""The tables of access records: append-only for the writer, numbers are not its to choose."""

from __future__ import annotations

import asyncpg
import pytest

from gateway.storage.database import Database

SERVER = "VN/GOV/G01/ss1"


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE access_record SET person = 'x'",
        "DELETE FROM access_record",
        "TRUNCATE access_record",
        "UPDATE access_series SET last = 0",
        "INSERT INTO access_series (server, last) VALUES ('x', 1)",
        "DELETE FROM access_series",
        "UPDATE access_submission SET upto = 0",
        "DELETE FROM access_submission",
        "UPDATE official_key SET key = decode(repeat('00', 32), 'hex')",
        "DELETE FROM official_key",
    ],
)
async def test_the_writer_cannot_change_what_citizens_are_told(database: Database, statement: str) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await database.pool.execute(statement)


async def test_numbers_come_one_after_the_other_and_back_with_a_rollback(database: Database) -> None:
    take = "SELECT access_numbers($1, $2)"
    assert await database.pool.fetchval(take, SERVER, 3) == 0
    async with database.pool.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        assert await connection.fetchval(take, SERVER, 5) == 3
        await transaction.rollback()
    assert await database.pool.fetchval(take, SERVER, 1) == 3
    assert await database.pool.fetchval(take, "VN/GOV/G01/ss2", 1) == 0
    assert await database.pool.fetchval(take, SERVER, 0) is None
    assert await database.pool.fetchval(take, SERVER, -4) is None
