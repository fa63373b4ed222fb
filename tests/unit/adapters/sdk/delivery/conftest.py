"""Sender and receiver share a server and nothing else."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from adapters.sdk.delivery import bootstrap_delivery
from tests.support.databases import Content, Databases, adapters_content
from tests.support.delivery import Clock, Receiver


@pytest_asyncio.fixture
async def receiver(databases: Databases) -> AsyncIterator[Receiver]:
    async with databases.lend(adapters_content("receiver", lambda pool: Receiver(pool).prepare())) as (_, pool):
        yield Receiver(pool)


@pytest.fixture
def source_content() -> Content:
    return adapters_content("sender", bootstrap_delivery)


@pytest.fixture
def sender_pool(source_pool: Any) -> Any:
    return source_pool


@pytest.fixture
def clock() -> Clock:
    return Clock()
