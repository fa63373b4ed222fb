"""Sender and receiver share a server and nothing else."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest
import pytest_asyncio

from adapters.sdk import open_pool
from adapters.sdk.delivery import bootstrap_delivery
from gateway.storage.embedded import EmbeddedPostgres
from tests.support.delivery import Clock, Receiver


@pytest_asyncio.fixture
async def receiver(pg: EmbeddedPostgres) -> AsyncIterator[Receiver]:
    name = "r_" + uuid.uuid4().hex[:12]
    owner = await asyncpg.connect(**pg.dsn_kwargs())
    try:
        await owner.execute(f"CREATE DATABASE {name} STRATEGY file_copy")
        async with open_pool(pg.dsn_kwargs(name), "receiver") as pool:
            opened = Receiver(pool)
            await opened.prepare()
            yield opened
        await owner.execute(f"DROP DATABASE {name} WITH (FORCE)")
    finally:
        await owner.close()


@pytest_asyncio.fixture
async def sender_pool(source_pool: Any) -> Any:
    await bootstrap_delivery(source_pool)
    return source_pool


@pytest.fixture
def clock() -> Clock:
    return Clock()
