"""One database, opened: a pool whose sessions run as the writer role, and connections of the owner for what only he may do.

    owner            the role of the URL or of the embedded server: migrations, partitions, purging
    gateway_writer   INSERT and SELECT on the log tables; no UPDATE, DELETE or TRUNCATE. Sessions of `pool` run as it
    gateway_citizen  the citizens' portal: SELECT on what it shows, INSERT on its own tables. Its sessions run as this one

With a URL, its user needs to own the database, and either CREATEROLE or to find the roles made beforehand:

    CREATE ROLE gateway_writer NOLOGIN;  CREATE ROLE gateway_citizen NOLOGIN;  GRANT gateway_writer TO <user>;

For the portal, a user of its own with `GRANT gateway_citizen TO <user>` is enough in a provider's database, which it only reads.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg

from gateway.core.errors import EvidenceUnavailable, GatewayError, SettingsError
from gateway.storage.embedded import EmbeddedPostgres, attach_or_start
from gateway.storage.failures import DATABASE_ERRORS
from gateway.storage.schema import check_schema, migrate

WRITER_ROLE = "gateway_writer"
CITIZEN_ROLE = "gateway_citizen"
_ROLES = (WRITER_ROLE, CITIZEN_ROLE)
_CONNECT_SECONDS = 10.0
_CLOSE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class EmbeddedDatabase:
    """A database `name` of the embedded server in `directory`."""

    directory: Path
    name: str


class Database:
    """`pool`: sessions of the role it was opened for. `server`: the embedded server, None when the database is somebody else's."""

    def __init__(self, pool: asyncpg.Pool, target: Mapping[str, Any], server: EmbeddedPostgres | None = None) -> None:
        self.pool = pool
        self.server = server
        self._target = target

    @contextlib.asynccontextmanager
    async def owner(self) -> AsyncIterator[asyncpg.Connection]:
        """A connection of the owner, closed afterwards. EvidenceUnavailable when the database does not answer."""
        connection = await _connect(self._target)
        try:
            yield connection
        finally:
            await _close(connection)

    async def run(self) -> None:
        """Until cancelled, keep the embedded server alive; returns at once when there is none."""
        if self.server is not None:
            await self.server.run()

    async def close(self) -> None:
        """Close the pool, then stop the embedded server if this process owns it."""
        try:
            await _close(self.pool)
        finally:
            if self.server is not None:
                await self.server.stop()


async def open_database(
    source: EmbeddedDatabase | str,
    *,
    connections: int = 8,
    read_only: bool = False,
    role: str = WRITER_ROLE,
    settings: Mapping[str, str] | None = None,
) -> Database:
    """Open `source` (embedded, or a PostgreSQL URL), creating database, role and schema as far as they are missing.
    `connections`: most sessions of the pool, which run as `role`. `read_only`: create and migrate nothing. `settings`: of an
    embedded server, if this process becomes its owner. SettingsError in words for what the operator must change;
    EvidenceUnavailable when the database does not answer."""
    if isinstance(source, str):
        return await _open({"dsn": source}, None, connections, read_only, role)
    server = await attach_or_start(source.directory, settings=settings)
    try:
        return await _open(server.dsn_kwargs(source.name), server, connections, read_only, role)
    except BaseException:  # raised again: a server that we started is not left behind
        await server.stop()
        raise


async def _open(
    target: Mapping[str, Any], server: EmbeddedPostgres | None, connections: int, read_only: bool, role: str
) -> Database:
    try:
        await _prepare(target, read_only, role)
        pool = await open_pool(target, connections=connections, read_only=read_only, role=role)
        await pool.release(await pool.acquire(timeout=_CONNECT_SECONDS))
    except asyncpg.InsufficientPrivilegeError as e:
        raise SettingsError(["the database user lacks a privilege: it must own the gateway's database"]) from e
    except DATABASE_ERRORS as e:
        raise _opening_error(e) from e
    return Database(pool, target, server)


async def open_pool(
    target: Mapping[str, Any], *, connections: int = 8, read_only: bool = False, role: str = WRITER_ROLE
) -> asyncpg.Pool:
    """Sessions that run as `role` in a database that is prepared; none is opened yet. `target`: arguments of `asyncpg.connect`."""
    settings = {"default_transaction_read_only": "on"} if read_only else {}
    return await asyncpg.create_pool(
        **target,
        min_size=0,
        max_size=connections,
        timeout=_CONNECT_SECONDS,
        init=partial(_become, role),
        server_settings={"application_name": "gateway", **settings},
    )


async def _prepare(target: Mapping[str, Any], read_only: bool, role: str) -> None:
    if not read_only:
        await create_database(target)
    connection = await _connect(target)
    try:
        if read_only:
            await check_schema(connection)
        else:
            await ensure_roles(connection, role)
            await migrate(connection)
    finally:
        await _close(connection)


async def ensure_roles(connection: asyncpg.Connection, role: str = WRITER_ROLE) -> None:
    """All roles exist and this user may become `role`; SettingsError with the statements to run when it cannot be arranged."""
    try:
        for name in _ROLES:
            if await connection.fetchval("SELECT 1 FROM pg_roles WHERE rolname = $1", name) is None:
                with contextlib.suppress(
                    asyncpg.DuplicateObjectError, asyncpg.UniqueViolationError
                ):  # made in this moment
                    await connection.execute(f"CREATE ROLE {name} NOLOGIN")
        if not await connection.fetchval("SELECT pg_has_role($1, 'MEMBER')", role):
            await connection.execute(f"GRANT {role} TO CURRENT_USER")
        async with connection.transaction():
            await connection.execute(f"SET LOCAL ROLE {role}")
    except asyncpg.InsufficientPrivilegeError as e:
        raise SettingsError(
            [
                f"the database user may not become the role {role}; let an administrator run: "
                f"{' '.join(f'CREATE ROLE {name} NOLOGIN;' for name in _ROLES)} GRANT {role} TO <user of the database URL>;"
            ]
        ) from e


async def create_database(target: Mapping[str, Any]) -> None:
    """If it is missing. From template0, which nobody is connected to, so that servers may do this at the same time."""
    try:
        await _close(await asyncpg.connect(**target, timeout=_CONNECT_SECONDS))
        return
    except asyncpg.InvalidCatalogNameError:
        name = target.get("database") or urlsplit(target["dsn"]).path.lstrip("/")
    admin = await _connect({**target, "database": "postgres"})
    try:
        quoted = name.replace('"', '""')
        await admin.execute(f'CREATE DATABASE "{quoted}" TEMPLATE template0')
    except (asyncpg.DuplicateDatabaseError, asyncpg.UniqueViolationError):
        return  # somebody else made it in this moment
    except asyncpg.InsufficientPrivilegeError as e:
        raise SettingsError([f"the database {name} does not exist and its user may not create it"]) from e
    finally:
        await _close(admin)


async def _become(role: str, connection: asyncpg.Connection) -> None:
    """Survives the reset of a session that goes back to the pool: RESET ALL leaves the role alone."""
    await connection.execute(f"SET ROLE {role}")


async def _connect(target: Mapping[str, Any]) -> asyncpg.Connection:
    try:
        return await asyncpg.connect(**target, timeout=_CONNECT_SECONDS)
    except DATABASE_ERRORS as e:
        raise _opening_error(e) from e


async def _close(closable: asyncpg.Connection | asyncpg.Pool) -> None:
    try:
        async with asyncio.timeout(_CLOSE_SECONDS):
            await closable.close()
    except DATABASE_ERRORS:
        closable.terminate()


def _opening_error(error: BaseException) -> GatewayError:
    if isinstance(error, asyncpg.InvalidAuthorizationSpecificationError):
        return SettingsError(["the database does not accept the user or password of its URL"])
    if isinstance(error, asyncpg.InvalidCatalogNameError):
        return SettingsError(["the database does not exist"])
    if isinstance(error, asyncpg.ClientConfigurationError):
        return SettingsError(["the database URL is not one"])
    return EvidenceUnavailable("The database does not answer")
