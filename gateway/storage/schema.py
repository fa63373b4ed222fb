"""Numbered migrations: `migrations/NNNN_name.sql`, plain SQL, each applied once, in one transaction, by the owner.

A file's first line is `-- compat: N`: the oldest schema version whose code can still work with the schema after this file. So a
server that was not upgraded yet keeps working beside an upgraded one until a change really excludes it. A file never changes
after it was applied anywhere (its SHA-256 is compared).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from gateway.core.errors import SettingsError

MIGRATIONS = Path(__file__).parent / "migrations"
_FILE = re.compile(r"(\d{4})_([a-z0-9_]+)\.sql")
_COMPAT = re.compile(r"-- compat: (\d+)\n")

_BOOKKEEPING = """
CREATE TABLE IF NOT EXISTS schema_migration (
    number   integer PRIMARY KEY,
    name     text NOT NULL,
    checksum bytea NOT NULL,
    compat   integer NOT NULL,
    applied  timestamptz NOT NULL DEFAULT now()
)
"""


@dataclass(frozen=True, slots=True)
class Migration:
    number: int
    name: str
    sql: str
    compat: int

    @property
    def checksum(self) -> bytes:
        return hashlib.sha256(self.sql.encode()).digest()


def load_migrations(directory: Path = MIGRATIONS) -> tuple[Migration, ...]:
    """All files in order. SettingsError for a stray name, a missing compat line or a gap in the numbers."""
    found = tuple(_load(path) for path in sorted(directory.iterdir()))
    if [m.number for m in found] != list(range(1, len(found) + 1)):
        raise SettingsError([f"{directory}: migrations are not numbered 1, 2, 3, ..."])
    return found


def _load(path: Path) -> Migration:
    name, sql = _FILE.fullmatch(path.name), path.read_text("utf-8")
    compat = _COMPAT.match(sql)
    if name is None or compat is None:
        raise SettingsError([f"{path}: not NNNN_name.sql with a first line '-- compat: N'"])
    return Migration(int(name[1]), name[2], sql, int(compat[1]))


async def migrate(connection: asyncpg.Connection, migrations: Sequence[Migration] | None = None) -> int:
    """Bring the schema up to date as the owner; returns its version. Safe when several servers start at once: the bookkeeping
    table is the lock. SettingsError as `check_schema`."""
    known = load_migrations() if migrations is None else migrations
    await _create_bookkeeping(connection)
    while True:
        async with connection.transaction():
            await connection.execute("LOCK TABLE schema_migration IN EXCLUSIVE MODE")
            applied = await _applied(connection)
            _compare(applied, known)
            missing = [m for m in known if m.number not in applied]
            if not missing:
                return max(applied, default=0)
            await _apply(connection, missing[0])


async def check_schema(connection: asyncpg.Connection, migrations: Sequence[Migration] | None = None) -> int:
    """The schema's version, if this program can work with it. SettingsError, in words, when too new, too old or changed."""
    known = load_migrations() if migrations is None else migrations
    if await connection.fetchval("SELECT to_regclass('schema_migration')") is None:
        raise SettingsError(["the database holds no gateway schema yet: start a server on it first"])
    applied = await _applied(connection)
    _compare(applied, known)
    if len(applied) < len(known):
        raise SettingsError([f"the database schema has version {max(applied, default=0)}, older than this program's"])
    return max(applied)


async def _create_bookkeeping(connection: asyncpg.Connection) -> None:
    try:
        await connection.execute(_BOOKKEEPING)
    except (asyncpg.UniqueViolationError, asyncpg.DuplicateTableError):
        await connection.execute(_BOOKKEEPING)  # somebody else made it in this very moment


async def _applied(connection: asyncpg.Connection) -> dict[int, asyncpg.Record]:
    rows = await connection.fetch("SELECT number, name, checksum, compat FROM schema_migration")
    return {row["number"]: row for row in rows}


def _compare(applied: Mapping[int, asyncpg.Record], known: Sequence[Migration]) -> None:
    ours = len(known)
    newest = max(applied, default=0)
    needed = max((row["compat"] for row in applied.values()), default=0)  # a later file does not undo what one demands
    if newest > ours and needed > ours:
        raise SettingsError(
            [
                f"the database schema has version {newest} and needs a program that knows version "
                f"{needed}; this one knows {ours}: upgrade it, or restore a backup made before the upgrade"
            ]
        )
    changed = [m for m in known if m.number in applied and applied[m.number]["checksum"] != m.checksum]
    if changed:
        raise SettingsError([f"migration {m.number:04}_{m.name}.sql was changed after it was applied" for m in changed])


async def _apply(connection: asyncpg.Connection, migration: Migration) -> None:
    await connection.execute(migration.sql)
    await connection.execute(
        "INSERT INTO schema_migration (number, name, checksum, compat) VALUES ($1, $2, $3, $4)",
        migration.number,
        migration.name,
        migration.checksum,
        migration.compat,
    )
