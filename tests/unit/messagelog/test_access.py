"""The tables of access records: append-only for the writer, numbers are not its to choose."""

from __future__ import annotations

import asyncpg
import pytest

from gateway.core.disclosure.leaf import AccessEntry
from gateway.core.disclosure.record import Field
from gateway.messagelog.access import ARRAYS, AccessRow, Attached, clear_row, places
from gateway.messagelog.batch import Batch, write_batch
from gateway.storage.database import Database
from tests.support.log_states import access_entries
from tests.support.stamping import record

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


@pytest.mark.parametrize(("rows", "on"), [(1, 1), (2, 2), (3, 4), (17, 32), (32, 32), (33, ARRAYS), (5000, ARRAYS)])
def test_few_rows_stand_in_a_statement_one_by_one(rows: int, on: int) -> None:
    assert places(rows) == on


@pytest.mark.parametrize("count", [1, 3, 32, 33])
@pytest.mark.parametrize("later", [False, True], ids=["of the batch", "and of a durable record"])
async def test_entries_get_numbers_in_their_order(database: Database, count: int, later: bool) -> None:
    """However many there are: with the record of their batch, or with one that is durable. Written again, the latter stay one."""
    entries = access_entries(*(f"9993{n:08}" for n in range(count)))
    earlier, theirs, other = record(), record(), record()
    async with database.pool.acquire() as connection:
        number = (await write_batch(connection, Batch([earlier], [], SERVER), {}))[earlier.uid]
        late = Attached(None, number, rows_of(entries[1:])) if later else Attached(earlier.uid, None, ())
        new = Attached(theirs.uid, None, rows_of(entries[:1] if later else entries))
        numbers = await write_batch(connection, Batch([theirs, other], [new, late], SERVER), {})
        await write_batch(connection, Batch([], [late], SERVER), {})
    found = await database.pool.fetch("SELECT * FROM access_record ORDER BY number")
    assert [row["number"] for row in found] == [*range(1, count + 1)]
    assert [str(row["record_id"]) for row in found] == [e.fields[Field.RECORD] for e in entries]
    assert [(row["leaf"], row["seed"], row["person"]) for row in found] == [
        (e.leaf, e.seed, e.person.number) for e in entries
    ]
    belong = [numbers[theirs.uid]] * count if not later else [numbers[theirs.uid], *[number] * (count - 1)]
    assert [row["message_number"] for row in found] == belong


async def test_entries_of_a_record_that_is_not_written_take_no_number(database: Database) -> None:
    """A record of the batch that was durable already: nothing of it is written a second time."""
    entries, written = access_entries("999300000017"), record()
    batch = Batch([written], [Attached(written.uid, None, rows_of(entries))], SERVER)
    async with database.pool.acquire() as connection:
        await write_batch(connection, batch, {})
        assert await write_batch(connection, batch, {}) == {}
    assert await database.pool.fetchval("SELECT last FROM access_series") == 1
    assert await database.pool.fetchval("SELECT count(*) FROM access_record") == 1


def rows_of(entries: tuple[AccessEntry, ...]) -> tuple[AccessRow, ...]:
    return tuple(map(clear_row, entries))
