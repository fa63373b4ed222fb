"""Databases that tests borrow one after the other.

A new database is a copy of some five hundred files, and a schema is made anew in each. So one that is given back becomes again what
it was when it was filled: tables hold what they held, sequences go on where they did, no session is in the middle of something. A
test that changed the schema takes its database with it.
"""

from __future__ import annotations

import asyncio
import io
import uuid
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import asyncpg

from adapters.sdk.access import adapter_log
from adapters.sdk.postgres import bootstrap, open_pool
from adapters.sdk.web import Adapter
from gateway.storage.embedded import EmbeddedPostgres

_Table: TypeAlias = tuple[str, str]  # schema, name

_LOOKS = 50  # at sessions that are ending, before the database is given up
_OWN = 16384  # the first object that did not come with PostgreSQL

# What asyncpg says of a session that was ended, before, between and inside commands.
_ENDED = (
    asyncpg.PostgresConnectionError,
    asyncpg.AdminShutdownError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)

_OTHERS = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
# Whatever changes a schema writes or deletes a row of one of these.
_CATALOG = " UNION ALL ".join(
    f"SELECT count(*), max(xmin::text::bigint) FROM {table} WHERE {own}"  # noqa: S608 - ours
    for own, tables in {
        f"oid >= {_OWN}": "pg_class pg_attrdef pg_constraint pg_trigger pg_proc pg_type pg_rewrite pg_policy",
        f"attrelid >= {_OWN}": "pg_attribute",
        f"indexrelid >= {_OWN}": "pg_index",
        "true": "pg_namespace pg_default_acl pg_extension",
    }.items()
    for table in tables.split()
)
_WRITTEN = f"""
    SELECT nspname, relname FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
    WHERE pg_class.oid >= {_OWN} AND relkind = 'r' AND pg_relation_size(pg_class.oid) > 0
"""  # noqa: S608 - ours
_SEQUENCES = f"""
    SELECT seqrelid::regclass::text, pg_sequence_last_value(seqrelid), seqstart FROM pg_sequence WHERE seqrelid >= {_OWN}
"""  # noqa: S608 - ours


@dataclass(frozen=True, slots=True)
class Content:
    """What a database holds at first, and who works with it. Same `kind`, same content. Both callables are given arguments of
    `asyncpg.connect`: `fill` as the owner of an empty database; `sessions` opens a pool."""

    kind: object
    fill: Callable[[dict[str, Any]], Awaitable[object]]
    sessions: Callable[[dict[str, Any]], AbstractAsyncContextManager[asyncpg.Pool]]


class Databases:
    """Of one server. `administrator`: a connection that may create databases."""

    def __init__(self, server: EmbeddedPostgres, administrator: asyncpg.Connection) -> None:
        self._server = server
        self._administrator = administrator
        self._free: dict[object, list[_Database]] = defaultdict(list)

    @asynccontextmanager
    async def lend(self, content: Content) -> AsyncIterator[tuple[dict[str, Any], asyncpg.Pool]]:
        """A database that is the borrower's alone: arguments of `asyncpg.connect`, and a pool of its sessions, which serve the next
        borrower too unless this one closed it or kept a session."""
        free = self._free[content.kind]
        database = free.pop() if free else await self._filled(content)
        try:
            if database.pool is None:
                database.pool = await database.sessions.enter_async_context(content.sessions(database.target))
            yield database.target, database.pool
        finally:
            if await database.restore():
                free.append(database)
            else:
                await database.close()
                await self._administrator.execute(f"DROP DATABASE {database.target['database']} WITH (FORCE)")

    async def close(self) -> None:
        for database in (each for free in self._free.values() for each in free):
            await database.close()

    async def _filled(self, content: Content) -> _Database:
        target = self._server.dsn_kwargs("t_" + uuid.uuid4().hex[:12])
        await self._administrator.execute(f"CREATE DATABASE {target['database']} STRATEGY file_copy")
        await content.fill(target)
        connection = await asyncpg.connect(**target)
        await connection.execute("SET session_replication_role = replica")  # neither triggers nor references mind
        database = _Database(target, connection)
        await database.note()
        return database


@dataclass(slots=True)
class _Database:
    """`rows`, `sequences`: what was there when it was filled; `counts`, `catalog`: by which we know that it is still so."""

    target: dict[str, Any]
    connection: asyncpg.Connection
    rows: dict[_Table, bytes] = field(default_factory=dict)
    sequences: dict[str, int | None] = field(default_factory=dict)
    counts: dict[_Table, object] = field(default_factory=dict)
    catalog: object = None
    pool: asyncpg.Pool | None = None
    sessions: AsyncExitStack = field(default_factory=AsyncExitStack)

    async def close(self) -> None:
        await self.end_sessions()
        await self.connection.close()

    async def end_sessions(self) -> None:
        if self.pool is not None:
            self.pool.terminate()
            self.pool = None
        await self.sessions.aclose()

    async def note(self) -> None:
        """What it holds now is what it shall hold."""
        for schema, name in await self.connection.fetch(_WRITTEN):
            out = io.BytesIO()
            await self.connection.copy_from_table(name, schema_name=schema, output=out, format="binary")
            self.rows[schema, name], self.counts[schema, name] = out.getvalue(), await self._counted((schema, name))
        self.sequences = {name: last for name, last, _ in await self.connection.fetch(_SEQUENCES)}
        self.catalog = await self.connection.fetch(_CATALOG)

    async def restore(self) -> bool:
        """Whether it is as it was; not so when somebody has ended our own session too."""
        try:
            return await self._restored()
        except _ENDED:
            return False

    async def _restored(self) -> bool:
        if not await self._left_alone() or await self.connection.fetch(_CATALOG) != self.catalog:
            return False
        written = [tuple(row) for row in await self.connection.fetch(_WRITTEN)]
        changed = [t for t in {*written, *self.rows} if t not in self.rows or await self._counted(t) != self.counts[t]]
        if changed:
            await self.connection.execute(f"TRUNCATE {', '.join(_quoted(table) for table in changed)} CASCADE")
            for table, count in [*self.counts.items()]:  # the cascade may have emptied more
                if await self._counted(table) != count:
                    await self._fill_again(table)
            self.catalog = await self.connection.fetch(_CATALOG)
        for name, last, first in await self.connection.fetch(_SEQUENCES):
            if last != (wanted := self.sequences[name]):
                how = (name, wanted or first, wanted is not None)
                await self.connection.execute("SELECT setval($1::regclass, $2, $3)", *how)
        return True

    async def _fill_again(self, table: _Table) -> None:
        schema, name = table
        source = io.BytesIO(self.rows[table])
        await self.connection.execute(f"DELETE FROM {_quoted(table)}")  # noqa: S608 - ours
        await self.connection.copy_to_table(name, schema_name=schema, source=source, format="binary")
        self.counts[table] = await self._counted(table)

    async def _counted(self, table: _Table) -> object:
        sql = f"SELECT count(*), max(xmin::text::bigint) FROM {_quoted(table)}"  # noqa: S608 - ours
        return await self.connection.fetchrow(sql)

    async def _left_alone(self) -> bool:
        """Nobody is connected but the pool's sessions, once all are back: nobody who is just leaving, nobody who was forgotten."""
        if self.pool is not None and (self.pool.is_closing() or self.pool.get_idle_size() < self.pool.get_size()):
            await self.end_sessions()
        own = 0 if self.pool is None else self.pool.get_size()
        for _ in range(_LOOKS):
            if await self.connection.fetchval(_OTHERS) == own:
                return True
            await asyncio.sleep(0.001)
        return False


def _quoted(table: _Table) -> str:
    return ".".join(f'"{part}"' for part in table)


def _adapters_sessions(target: dict[str, Any]) -> AbstractAsyncContextManager[asyncpg.Pool]:
    return open_pool(target, "test")


def adapters_content(kind: object, *steps: Callable[[asyncpg.Pool], Awaitable[object]]) -> Content:
    """What `steps` write with sessions as an adapter opens them."""

    async def fill(target: dict[str, Any]) -> None:
        async with _adapters_sessions(target) as pool:
            for step in steps:
                await step(pool)

    return Content(kind, fill, _adapters_sessions)


def register_of(adapter: Adapter, size: int = 0, *steps: Callable[[asyncpg.Pool], Awaitable[object]]) -> Content:
    """The schema of `adapter` and what it invents, after `steps`; `size`: for how many citizens it was built."""

    async def prepare(pool: asyncpg.Pool) -> None:
        await bootstrap(pool, adapter.name, (adapter.folder / "schema.sql").read_text("utf-8"))
        if adapter.prepare is not None:
            await adapter.prepare(pool, adapter_log(adapter.name, io.StringIO()))

    return adapters_content((adapter.name, size, steps), *steps, prepare)
