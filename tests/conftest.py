"""Fixtures shared by all tests: one PostgreSQL server for the session, started when the first test asks for it."""

from __future__ import annotations

import os
import shutil
import tempfile
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest_asyncio
from hypothesis import settings

from adapters.sdk.postgres import open_pool as open_source_pool
from gateway.storage.database import Database, create_database, ensure_roles, open_pool
from gateway.storage.embedded import EmbeddedPostgres
from gateway.storage.schema import migrate
from tests.support.schedule import pytest_xdist_make_scheduler

__all__ = ["pytest_xdist_make_scheduler"]

# A slow machine is no error. `make test-full` takes the second profile; a test that says its own number keeps it in both.
settings.register_profile("fast", deadline=None, max_examples=50)
settings.register_profile("full", deadline=None, max_examples=300)
settings.load_profile("fast")

# Nothing here needs to survive the machine; tests of durability start their own server.
FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "autovacuum": "off"}
_TEMPLATE = "gateway_template"
_ROOM = 1 << 30  # bytes; containers give 64 MB unless told otherwise


def _memory() -> str | None:
    """A folder in memory, where what a test writes is durable at once; None when this machine has none with room."""
    memory = "/dev/shm"
    return memory if os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > _ROOM else None


def pytest_configure() -> None:
    """`tmp_path` in memory too, unless somebody has said where."""
    if (memory := _memory()) is not None:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", memory)


@pytest_asyncio.fixture(scope="session")
async def pg() -> AsyncIterator[EmbeddedPostgres]:
    """A running server with a migrated template database."""
    directory = Path(tempfile.mkdtemp(prefix="gateway-test-", dir=_memory()))
    server = EmbeddedPostgres(directory, settings=FAST)
    try:
        await server.start()
        await _ease_passwords(server)
        await create_database(server.dsn_kwargs(_TEMPLATE))
        connection = await asyncpg.connect(**server.dsn_kwargs(_TEMPLATE))
        try:
            await ensure_roles(connection)
            await migrate(connection)
        finally:
            await connection.close()
        yield server
    finally:
        await server.stop()
        shutil.rmtree(directory, ignore_errors=True)


async def _ease_passwords(server: EmbeddedPostgres) -> None:
    """Hashing the password takes half of a client's time for a new session, and these tests open thousands."""
    own = server.dsn_kwargs()
    connection = await asyncpg.connect(**own)
    try:
        if connection.get_server_version() >= (16,):
            await connection.execute("SET scram_iterations = 1")
            await connection.execute(f"ALTER ROLE {own['user']} PASSWORD '{own['password']}'")
    finally:
        await connection.close()


@pytest_asyncio.fixture(scope="session")
async def administrator(pg: EmbeddedPostgres) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(**pg.dsn_kwargs())
    yield connection
    await connection.close()


@pytest_asyncio.fixture
async def database(pg: EmbeddedPostgres, administrator: asyncpg.Connection) -> AsyncIterator[Database]:
    """A fresh, migrated database of its own."""
    name = "t_" + uuid.uuid4().hex[:12]
    await administrator.execute(f"CREATE DATABASE {name} TEMPLATE {_TEMPLATE} STRATEGY file_copy")
    target = pg.dsn_kwargs(name)
    opened = Database(await open_pool(target), target)
    try:
        yield opened
    finally:
        await opened.close()
        await administrator.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest_asyncio.fixture
async def source_parameters(pg: EmbeddedPostgres, administrator: asyncpg.Connection) -> AsyncIterator[dict[str, Any]]:
    """Connection parameters of a fresh, empty database: an adapter has one of its own, which holds nothing of the gateway's."""
    name = "a_" + uuid.uuid4().hex[:12]
    await administrator.execute(f"CREATE DATABASE {name} STRATEGY file_copy")
    yield pg.dsn_kwargs(name)
    await administrator.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest_asyncio.fixture
async def source_pool(source_parameters: dict[str, Any]) -> AsyncIterator[Any]:
    async with open_source_pool(source_parameters, "test") as pool:
        yield pool
