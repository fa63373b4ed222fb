"""What the public gets: files, as any web server would give them, and receipts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import pytest_asyncio
from aiohttp.test_utils import TestClient, TestServer

from gateway.core.errors import EvidenceUnavailable
from gateway.core.merkle.hashing import root_of
from gateway.core.merkle.policy import Policy
from gateway.core.merkle.receipt import parse_receipt, verify_receipt
from gateway.core.merkle.tiles import tiles_of
from gateway.transparency.serving import Receipts, build_public_app
from gateway.transparency.shard import LogShard
from tests.support.logkeys import WITNESS
from tests.support.logworld import NOW, LogWorld, leaves, policy_of, witness_at

Get = Callable[[str], Awaitable[tuple[int, bytes, str]]]


@pytest_asyncio.fixture
async def shard(world: LogWorld) -> AsyncIterator[LogShard]:
    await world.submit(300)
    made = world.shard()
    await made.publisher.publish(await made.sequencer.lead())
    committed = await made.sequencer.step()
    assert committed is not None
    await made.publisher.publish(committed)
    yield made
    made.sequencer.hang_up()


@pytest_asyncio.fixture
async def get(world: LogWorld, shard: LogShard) -> AsyncIterator[Get]:
    app = build_public_app({"2026": shard}, {"2026": Receipts(world.pool, shard)}, b"quorum none\n")
    async with TestClient(TestServer(app)) as client:

        async def fetch(path: str) -> tuple[int, bytes, str]:
            async with client.get(path) as response:
                return response.status, await response.read(), response.headers.get("Cache-Control", "")

        yield fetch


async def test_files(world: LogWorld, get: Get) -> None:
    status, body, cache = await get("/2026/checkpoint")
    assert (status, body, cache) == (200, world.files.checkpoint(), "public, max-age=2")
    for tile in tiles_of(300):
        status, body, cache = await get(f"/2026/{tile.path}")
        assert (status, body) == (200, (world.folder / tile.path).read_bytes())
        assert "immutable" in cache
    assert await get("/policy.txt") == (200, b"quorum none\n", "public, max-age=2")


@pytest.mark.parametrize(
    "path",
    [
        "/2025/checkpoint",
        "/2025/tile/0/000",
        "/2026/tile/0/002",
        "/2026/tile/0/0",
        "/2026/tile/0/..%2f..%2fcheckpoint",
        "/2026/tile/0/000%00",
        "/2026/receipt/" + "0" * 64,
        "/2025/receipt/" + "0" * 64,
        "/2026/receipt/xyz",
        "/",
    ],
)
async def test_not_there(get: Get, path: str) -> None:
    assert (await get(path))[0] == 404


async def test_receipts(world: LogWorld, get: Get) -> None:
    for leaf in leaves(300)[::37]:
        status, body, _ = await get(f"/2026/receipt/{leaf.leaf_hash.hex()}")
        assert status == 200
        assert verify_receipt(parse_receipt(body), leaf.leaf_hash, world.policy).index == leaf.sequence
    await world.submit(1, 300)
    assert (await get(f"/2026/receipt/{leaves(1, 300)[0].leaf_hash.hex()}"))[::2] == (202, "no-store")


async def test_the_disk_is_away(get: Get, world: LogWorld) -> None:
    (world.folder / "tile/0/000").unlink()
    (world.folder / "tile/0/001.p/44").unlink()
    assert (await get(f"/2026/receipt/{leaves(1)[0].leaf_hash.hex()}"))[::2] == (503, "no-store")


async def test_a_receipt_prefers_the_witnessed_checkpoint(world: LogWorld) -> None:
    async with witness_at(world.folder.with_name("w"), (WITNESS,), lambda: NOW) as watching:
        world.policy = policy_of((WITNESS, watching.url))
        await world.submit(2)
        shard = world.shard()
        await shard.publisher.publish(await shard.sequencer.lead())
        committed = await shard.sequencer.step()
        assert committed is not None
        assert await shard.publisher.publish(committed)
    await world.submit(2, 2)
    committed = await shard.sequencer.step()
    assert committed is not None
    assert not await shard.publisher.publish(committed)  # the witness is gone
    receipts = Receipts(world.pool, shard)
    alone = Policy(world.policy.logs, (), (), None)
    for leaf, policy in zip(leaves(4), (world.policy, world.policy, alone, alone), strict=True):
        made = await receipts.receipt(leaf.leaf_hash)
        assert made is not None
        verify_receipt(made, leaf.leaf_hash, policy)
    shard.sequencer.hang_up()


async def test_a_restart_without_witnesses_takes_nothing_from_what_was_published(world: LogWorld) -> None:
    async with witness_at(world.folder.with_name("w"), (WITNESS,), lambda: NOW) as watching:
        world.policy = policy_of((WITNESS, watching.url))
        await world.grow(2)
    (leaf, _), published = leaves(2), world.published()
    shard = world.shard()
    with pytest.raises(EvidenceUnavailable):
        await Receipts(world.pool, shard).receipt(leaf.leaf_hash)
    committed = await shard.sequencer.lead()
    await shard.publisher.recall()
    assert not await shard.publisher.publish(committed)  # the witness is gone
    assert world.published() == published
    made = await Receipts(world.pool, shard).receipt(leaf.leaf_hash)
    assert made is not None
    verify_receipt(made, leaf.leaf_hash, world.policy)
    shard.sequencer.hang_up()


async def test_partial_tiles_go_and_nothing_is_missed(world: LogWorld) -> None:
    for first, count in ((0, 100), (100, 100), (200, 400)):
        await world.grow(count, first)
    partial = world.folder / "tile/0/000.p"
    assert {p.name for p in partial.iterdir()} == {"100", "200"}
    shard = world.shard(interval=0.01, keep_partials=0.0)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(shard.run())
        async with asyncio.timeout(10):
            while partial.exists() or await world.pool.fetchval("SELECT count(*) FROM log_partial"):
                await asyncio.sleep(0.01)
        task.cancel()
    assert (world.folder / "tile/0/002.p/88").exists()
    assert (await world.fsck()).problems == []
    assert shard.sequencer.root_at(100, 600) == root_of(leaf.leaf_hash for leaf in leaves(100))
