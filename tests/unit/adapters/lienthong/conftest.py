"""One small country of stand-ins for each test that asks for it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from gateway.storage.embedded import EmbeddedPostgres
from tests.support.linked import LinkedWorld, linked_world


@pytest_asyncio.fixture
async def world(pg: EmbeddedPostgres, tmp_path: Path) -> AsyncIterator[LinkedWorld]:
    async with linked_world(pg, tmp_path) as opened:
        yield opened
