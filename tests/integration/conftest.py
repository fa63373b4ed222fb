"""One small country for all tests of this folder (see tests/support/world.py); it ends with the last of them."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from gateway.storage.embedded import EmbeddedPostgres
from tests.support.handmade import FalseProvider, HandMadePeer
from tests.support.world import World, running


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def world(pg: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    async with running(tmp_path_factory.mktemp("world"), pg) as world:
        yield world


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def peer(world: World) -> HandMadePeer:
    return await world.peer()


@pytest_asyncio.fixture(scope="package", loop_scope="session")
async def liar(world: World) -> AsyncIterator[FalseProvider]:
    provider = await world.false_provider()
    await provider.start()
    yield provider
    await provider.stop()
