"""Fixtures shared by all tests: one PostgreSQL server for the session, started when the first test asks for it."""

from __future__ import annotations

import gc
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Generator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import pytest_asyncio
from hypothesis import settings

from gateway.storage.database import Database, ensure_roles, open_pool
from gateway.storage.embedded import EmbeddedPostgres
from gateway.storage.schema import migrate
from tests.support.databases import Content, Databases, adapters_content
from tests.support.schedule import pytest_xdist_make_scheduler

__all__ = ["pytest_xdist_make_scheduler"]

# A slow machine is no error. `make test-full` takes the second profile; a test that says its own number keeps it in both.
settings.register_profile("fast", deadline=None, max_examples=50)
settings.register_profile("full", deadline=None, max_examples=300)
settings.load_profile("fast")

# Nothing here needs to survive the machine; tests of durability start their own server.
FAST = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "max_connections": "300",
}
_ROOM = 1 << 30  # bytes; containers give 64 MB unless told otherwise


def _memory() -> str | None:
    """A folder in memory, where what a test writes is durable at once; None when this machine has none with room."""
    memory = "/dev/shm"
    return memory if os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > _ROOM else None


def pytest_configure() -> None:
    """`tmp_path` in memory too, unless somebody has said where."""
    if (memory := _memory()) is not None:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", memory)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Modules and tests stay to the end: the collector of garbage need not go through them again and again."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest_asyncio.fixture(scope="session")
async def pg() -> AsyncIterator[EmbeddedPostgres]:
    """A running server."""
    directory = Path(tempfile.mkdtemp(prefix="gateway-test-", dir=_memory()))
    server = EmbeddedPostgres(directory, settings=FAST)
    try:
        await server.start()
        await _ease_passwords(server)
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
async def databases(pg: EmbeddedPostgres) -> AsyncIterator[Databases]:
    administrator = await asyncpg.connect(**pg.dsn_kwargs())
    made = Databases(pg, administrator)
    yield made
    await made.close()
    await administrator.close()


async def _migrated(target: dict[str, Any]) -> None:
    connection = await asyncpg.connect(**target)
    try:
        await ensure_roles(connection)
        await migrate(connection)
    finally:
        await connection.close()


@asynccontextmanager
async def _writers(target: dict[str, Any]) -> AsyncIterator[asyncpg.Pool]:
    async with await open_pool(target) as pool:
        yield pool


_GATEWAY = Content("gateway", _migrated, _writers)


@pytest_asyncio.fixture
async def database(databases: Databases) -> AsyncIterator[Database]:
    """A migrated database in which nothing is recorded."""
    async with databases.lend(_GATEWAY) as (target, pool):
        yield Database(pool, target)


@pytest.fixture
def source_content() -> Content:
    """What an adapter's own database holds at first; modules say it better."""
    return adapters_content("nothing")


@pytest_asyncio.fixture
async def _source(databases: Databases, source_content: Content) -> AsyncIterator[tuple[dict[str, Any], Any]]:
    async with databases.lend(source_content) as lent:
        yield lent


@pytest.fixture
def source_parameters(_source: tuple[dict[str, Any], Any]) -> dict[str, Any]:
    """Connection parameters of an adapter's own database, which holds nothing of the gateway's."""
    return _source[0]


@pytest.fixture
def source_pool(_source: tuple[dict[str, Any], Any]) -> Any:
    """Sessions of the same."""
    return _source[1]
