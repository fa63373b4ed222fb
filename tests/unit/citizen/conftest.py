"""A portal over a fresh database."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from gateway.storage.database import Database
from tests.support.portal import PortalWorld, portal_world


@pytest_asyncio.fixture
async def world(database: Database) -> AsyncIterator[PortalWorld]:
    async with portal_world(database) as made:
        yield made
