"""Delivery: each write failed and lost, failed but kept, on both sides; kill -9 at each point of an attempt.

After each of them the same is asked: every message took effect once, in order, and the sender knows.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import tempfile
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import pytest_asyncio

from adapters.sdk import open_pool
from adapters.sdk.delivery import bootstrap_delivery
from adapters.sdk.postgres import source_errors
from adapters.sdk.problems import SourceUnavailable
from gateway.storage.embedded import EmbeddedPostgres
from tests.architecture.source import ROOT
from tests.support.delivery import Clock, Receiver, RoadUnderTest, Sender, message
from tests.support.deliveryprocess import POINTS
from tests.support.pg_proxy import Cut, cutting_proxy

pytestmark = pytest.mark.slow

CUTS: list[Cut] = ["lost", "kept"]


@dataclass
class Pair:
    sender_parameters: dict[str, Any]
    receiver_parameters: dict[str, Any]
    sender_pool: Any
    receiver: Receiver


@pytest_asyncio.fixture
async def pair(pg: EmbeddedPostgres) -> AsyncIterator[Pair]:
    names = ["s_" + uuid.uuid4().hex[:12], "r_" + uuid.uuid4().hex[:12]]
    owner = await asyncpg.connect(**pg.dsn_kwargs())
    try:
        for name in names:
            await owner.execute(f"CREATE DATABASE {name} STRATEGY file_copy")
        parameters = [pg.dsn_kwargs(name) for name in names]
        async with open_pool(parameters[0], "sender") as pool, open_pool(parameters[1], "receiver") as other:
            await bootstrap_delivery(pool)
            receiver = Receiver(other)
            await receiver.prepare()
            yield Pair(parameters[0], parameters[1], pool, receiver)
        for name in names:
            await owner.execute(f"DROP DATABASE {name} WITH (FORCE)")
    finally:
        await owner.close()


async def _work(sender: Sender) -> None:
    """Until quiet, as a worker does it: a database that does not answer is asked again."""
    for _ in range(100):
        try:
            async with source_errors():
                await sender.until_quiet()
                return
        except SourceUnavailable:
            continue
    raise AssertionError("the database never answers")


async def _post(sender: Sender, n: int) -> None:
    """As an effect that is repeated until it is known to be there: the message id makes it one message."""
    for _ in range(5):
        try:
            async with source_errors():
                return await sender.post(message(n))
        except SourceUnavailable:
            continue
    raise AssertionError("the database never answers")


@pytest.mark.parametrize("side", ["sender", "receiver"])
@pytest.mark.parametrize("how", CUTS)
async def test_every_write_lost_and_kept(pair: Pair, how: Cut, side: str) -> None:
    """The connection is cut at the first message of posting, claiming, sending, taking and settling, then at the second, ..."""
    posted = 0
    clock = Clock()
    async with AsyncExitStack() as stack:
        short = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        target = pair.sender_parameters if side == "sender" else pair.receiver_parameters
        proxy, through = await stack.enter_async_context(cutting_proxy(target, short))
        cut_pool = await stack.enter_async_context(open_pool(through, "cut"))
        sender_pool = cut_pool if side == "sender" else pair.sender_pool
        receiver = Receiver(cut_pool if side == "receiver" else pair.receiver.pool)
        road = RoadUnderTest(receiver)
        sender = Sender(sender_pool, clock, road)
        for after in range(200):
            proxy.cut(how, after)
            await _post(sender, posted)
            await _work(sender)
            posted += 1
            if proxy.cuts <= after:
                break
        assert 5 < proxy.cuts < 200
        proxy.forget()
    assert await pair.receiver.effects() == [("999-KS-2026-000001", n) for n in range(posted)]
    assert await Sender(pair.sender_pool, clock, road).states() == ["delivered"] * posted


@pytest.mark.parametrize("point", POINTS)
async def test_kill_9_at_each_point(pair: Pair, point: str) -> None:
    clock = Clock(datetime.now(UTC))
    sender = Sender(pair.sender_pool, clock, RoadUnderTest(pair.receiver))
    await sender.post(*(message(n, lifetime=10**8) for n in range(3)))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.support.deliveryprocess", point), stdin=asyncio.subprocess.PIPE, cwd=ROOT
    )
    await process.communicate(json.dumps([pair.sender_parameters, pair.receiver_parameters]).encode())
    assert process.returncode == -signal.SIGKILL

    await pair.receiver.pool.execute("drop trigger if exists die on effect")
    clock.now = datetime.now(UTC) + timedelta(minutes=3)  # the lease is over
    await sender.until_quiet()
    assert [n for _, n in await pair.receiver.effects()] == [0, 1, 2]
    assert await sender.states() == ["delivered"] * 3
    unended = await pair.sender_pool.fetchval("select count(*) from delivery.attempt where verdict is null")
    assert unended == (0 if point == "settled" else 1), "the attempt that was cut short is on record"
