"""Fixtures shared by all tests: one PostgreSQL server for the session, started when the first test asks for it."""

from __future__ import annotations

import os
import shutil
import tempfile
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest_asyncio

from gateway.storage.database import Database, EmbeddedDatabase, ensure_writer_role, open_database
from gateway.storage.embedded import EmbeddedPostgres
from gateway.storage.schema import migrate

# Nothing here needs to survive the machine; tests of durability start their own server.
FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "autovacuum": "off"}
_TEMPLATE = "gateway_template"


@pytest_asyncio.fixture(scope="session")
async def pg() -> AsyncIterator[EmbeddedPostgres]:
    """A running server with a migrated template database."""
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    directory = Path(tempfile.mkdtemp(prefix="gateway-test-", dir=memory))
    server = EmbeddedPostgres(directory, settings=FAST)
    try:
        await server.start()
        await _statement(server, f"CREATE DATABASE {_TEMPLATE} STRATEGY file_copy")
        connection = await asyncpg.connect(**server.dsn_kwargs(_TEMPLATE))
        try:
            await ensure_writer_role(connection)
            await migrate(connection)
        finally:
            await connection.close()
        yield server
    finally:
        await server.stop()
        shutil.rmtree(directory, ignore_errors=True)


@pytest_asyncio.fixture
async def database(pg: EmbeddedPostgres) -> AsyncIterator[Database]:
    """A fresh, migrated database of its own."""
    name = "t_" + uuid.uuid4().hex[:12]
    await _statement(pg, f"CREATE DATABASE {name} TEMPLATE {_TEMPLATE} STRATEGY file_copy")
    opened = await open_database(EmbeddedDatabase(pg.directory, name))  # attaches: `pg` owns the directory
    try:
        yield opened
    finally:
        await opened.close()
        await _statement(pg, f"DROP DATABASE {name} WITH (FORCE)")


async def _statement(server: EmbeddedPostgres, sql: str) -> None:
    connection = await asyncpg.connect(**server.dsn_kwargs())
    try:
        await connection.execute(sql)
    finally:
        await connection.close()
