"""An adapter has a database of its own, which holds nothing of the gateway's."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest_asyncio

from adapters.sdk import open_pool
from gateway.storage.embedded import EmbeddedPostgres


@pytest_asyncio.fixture
async def source_parameters(pg: EmbeddedPostgres) -> AsyncIterator[dict[str, Any]]:
    """Connection parameters of a fresh, empty database."""
    name = "a_" + uuid.uuid4().hex[:12]
    owner = await asyncpg.connect(**pg.dsn_kwargs())
    try:
        await owner.execute(f"CREATE DATABASE {name} STRATEGY file_copy")
        yield pg.dsn_kwargs(name)
        await owner.execute(f"DROP DATABASE {name} WITH (FORCE)")
    finally:
        await owner.close()


@pytest_asyncio.fixture
async def source_pool(source_parameters: dict[str, Any]) -> AsyncIterator[Any]:
    async with open_pool(source_parameters, "test") as pool:
        yield pool
