"""A shard in a fresh database and folder."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from gateway.storage.database import Database
from tests.support.logworld import LogWorld


@pytest_asyncio.fixture
async def world(database: Database, tmp_path: Path) -> AsyncIterator[LogWorld]:
    made = LogWorld(database.pool, tmp_path / "log")
    yield made
    await made.close()
