"""Migrations: each once, in order, never changed; a schema from the future is refused unless it says we may stay."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from gateway.core.errors import SettingsError
from gateway.storage.database import Database
from gateway.storage.schema import Migration, check_schema, load_migrations, migrate

BUILTIN = load_migrations()
NEXT = len(BUILTIN) + 1


def _next(*, compat: int, sql: str = "CREATE TABLE later (n int)") -> tuple[Migration, ...]:
    return (*BUILTIN, Migration(NEXT, "later", sql, compat))


async def test_applied_once(database: Database) -> None:
    async with database.owner() as owner:
        assert await migrate(owner, _next(compat=1)) == NEXT
        assert await migrate(owner, _next(compat=1)) == NEXT
        assert await check_schema(owner, _next(compat=1)) == NEXT


async def test_servers_that_start_together(database: Database) -> None:
    async with database.owner() as one, database.owner() as two, database.owner() as three:
        versions = await asyncio.gather(*(migrate(c, _next(compat=1)) for c in (one, two, three)))
    assert versions == [NEXT] * 3


async def test_a_newer_schema_that_still_suits_us(database: Database) -> None:
    async with database.owner() as owner:
        await migrate(owner, _next(compat=1))
        assert await migrate(owner) == NEXT
        assert await check_schema(owner) == NEXT


async def test_a_newer_schema_is_refused(database: Database) -> None:
    async with database.owner() as owner:
        await migrate(owner, _next(compat=NEXT))
        for refuse in (migrate, check_schema):
            with pytest.raises(SettingsError, match=f"has version {NEXT} and needs a program"):
                await refuse(owner)


async def test_an_older_schema_is_refused_by_who_may_not_migrate(database: Database) -> None:
    async with database.owner() as owner:
        with pytest.raises(SettingsError, match="older than this program"):
            await check_schema(owner, _next(compat=1))


async def test_a_changed_file_is_refused(database: Database) -> None:
    changed = (Migration(1, BUILTIN[0].name, BUILTIN[0].sql + "\n", 1), *BUILTIN[1:])
    async with database.owner() as owner:
        with pytest.raises(SettingsError, match="was changed after it was applied"):
            await migrate(owner, changed)


async def test_a_failing_file_leaves_nothing(database: Database) -> None:
    async with database.owner() as owner:
        with pytest.raises(Exception, match="no_such_table"):
            await migrate(owner, _next(compat=1, sql="CREATE TABLE half (n int); SELECT * FROM no_such_table"))
        assert await owner.fetchval("SELECT to_regclass('half')") is None
        assert await migrate(owner) == len(BUILTIN)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("0001_a.sql", "SELECT 1;\n"),
        ("1_a.sql", "-- compat: 1\n"),
        ("0002_a.sql", "-- compat: 1\n"),
        ("notes.txt", "-- compat: 1\n"),
    ],
    ids=["no compat", "short number", "gap", "stray file"],
)
def test_bad_files(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(SettingsError):
        load_migrations(tmp_path)


async def test_a_later_file_that_asks_for_less_undoes_nothing_fail(database: Database) -> None:
    demanding = (*_next(compat=NEXT), Migration(NEXT + 1, "modest", "CREATE TABLE modest (n int)", 1))
    async with database.owner() as owner:
        await migrate(owner, demanding)
        with pytest.raises(SettingsError, match=f"knows version {NEXT}; this one knows {NEXT - 1}"):
            await check_schema(owner, BUILTIN)
