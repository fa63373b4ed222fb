"""One small country of stand-ins for each test that asks for it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from tests.support.databases import Databases
from tests.support.linked import LinkedWorld, linked_world


@pytest_asyncio.fixture
async def world(databases: Databases, tmp_path: Path) -> AsyncIterator[LinkedWorld]:
    async with linked_world(databases, tmp_path) as opened:
        yield opened
