"""Publication: witnesses asked, their refusal a finding, their absence none; a log that shows two histories is caught."""

from __future__ import annotations

import asyncio
import shutil
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path

import pytest
from aiohttp import web

from gateway.core.merkle.hashing import leaf_hash
from gateway.core.merkle.policy import verify_checkpoint
from gateway.core.merkle.witnessing import parse_add_checkpoint
from gateway.transparency.ports import LogFrozen
from gateway.transparency.sequencer import Committed
from tests.support.logkeys import AUDITOR, LOG, LOG_PQ, WITNESS, Key, checkpoint_of, signed
from tests.support.logworld import NOW, LogWorld, policy_of, witness_at

NOBODY = "http://127.0.0.1:9"


async def test_with_the_quorum(world: LogWorld, tmp_path: Path) -> None:
    async with (
        witness_at(tmp_path / "1", (WITNESS,), lambda: NOW) as one,
        witness_at(tmp_path / "2", (AUDITOR,), lambda: NOW) as two,
    ):
        world.policy = policy_of((WITNESS, one.url), (AUDITOR, two.url))
        await world.submit(700)
        sequencer = world.sequencer(batch=300)
        publisher = world.publisher(sequencer)
        await publisher.publish(await sequencer.lead())
        for size in (300, 600, 700):
            committed = await sequencer.step()
            assert committed is not None
            assert await publisher.publish(committed)
            verified = verify_checkpoint(world.published(), world.policy)
            assert verified.checkpoint.size == size == one.witness.sizes[LOG.name] == two.witness.sizes[LOG.name]
            assert [c.witness for c in verified.cosignatures] == ["w0", "w1"]
            assert publisher.witnessed == publisher.published == (size, world.published())
            assert publisher.unwitnessed_since is None
        assert (one.refusals, two.refusals) == ([], [])
        sequencer.hang_up()
        # a restart learns the witnesses' size from their 409
        await world.grow(100, 700)
        assert verify_checkpoint(world.published(), world.policy).checkpoint.size == 800
        assert one.refusals == [(LOG.name, "StaleOldSize")]


async def test_witnesses_that_are_away_are_no_reason_to_stop(world: LogWorld, tmp_path: Path) -> None:
    async with witness_at(tmp_path / "1", (WITNESS,), lambda: NOW) as one:
        world.policy = policy_of((WITNESS, one.url), (AUDITOR, NOBODY))
        await world.submit(3)
        sequencer = world.sequencer()
        publisher = world.publisher(sequencer)
        await sequencer.lead()
        committed = await sequencer.step()
        assert committed is not None
        assert not await publisher.publish(committed)
        assert publisher.unwitnessed_since == NOW
        assert publisher.witnessed is None
        assert [s.name for s in world.published().signatures] == [LOG.name, LOG_PQ.name, WITNESS.name]
        world.policy = policy_of((WITNESS, one.url), (AUDITOR, NOBODY), quorum=1)
        assert await world.publisher(sequencer).publish(committed)
        sequencer.hang_up()


async def test_an_unchanged_checkpoint_is_witnessed_anew(world: LogWorld, tmp_path: Path) -> None:
    """The times of witnesses say that nothing newer exists; one that is away then takes nothing from what was published."""
    now = [NOW]
    async with AsyncExitStack() as stack:
        one = await stack.enter_async_context(witness_at(tmp_path / "1", (WITNESS,), lambda: now[0]))
        two = await stack.enter_async_context(witness_at(tmp_path / "2", (AUDITOR,), lambda: now[0]))
        world.policy = policy_of((WITNESS, one.url), (AUDITOR, two.url))
        await world.submit(3)
        sequencer = world.sequencer()
        publisher = world.publisher(sequencer)
        await sequencer.lead()
        committed = await sequencer.step()
        assert committed is not None
        assert await publisher.publish(committed)
        now[0] += timedelta(hours=1)
        assert await publisher.publish(committed)
        fresh = world.published()
        assert {c.at for c in verify_checkpoint(fresh, world.policy).cosignatures} == {int(now[0].timestamp())}
        assert (one.refusals, two.refusals) == ([], [])
        await stack.aclose()
        assert not await publisher.publish(committed)
        assert world.published() == fresh
        assert publisher.witnessed == (3, fresh)
        sequencer.hang_up()


ANSWERS = {
    "no lines": (200, b""),
    "junk": (200, b"\xff\xfe"),
    "somebody else's line": (200, str(Key("stranger.example").sign(b"x\n")).encode()),
    "a line over something else": (200, str(WITNESS.sign(b"x\n")).encode()),
    "an error": (500, b""),
    "a redirect": (302, b""),
    "does not know us": (404, b""),
    "does not know our key": (403, b""),
    "a conflict without size": (409, b""),
    "a conflict with junk": (409, "٣\n".encode()),
    "a conflict that never ends": (409, b"1\n"),
    "without end": (200, b"x" * 600_000),
}


@pytest.mark.parametrize("what", ANSWERS)
async def test_a_witness_that_answers_nonsense(world: LogWorld, what: str) -> None:
    status, body = ANSWERS[what]
    async with answering(status, body) as (url, asked):
        world.policy = policy_of((WITNESS, url))
        await world.grow(3)
        assert len(asked) <= 3
        assert [s.name for s in world.published().signatures] == [LOG.name, LOG_PQ.name]


class answering(AsyncExitStack):
    """A server that gives every request the same answer."""

    def __init__(self, status: int, body: bytes) -> None:
        super().__init__()
        self._status, self._body = status, body

    async def __aenter__(self) -> tuple[str, list[bytes]]:  # type: ignore[override]
        asked: list[bytes] = []

        async def handle(request: web.BaseRequest) -> web.Response:
            asked.append(await request.read())
            return web.Response(status=self._status, body=self._body, headers={"Location": "/"})

        runner = web.ServerRunner(web.Server(handle))
        await runner.setup()
        self.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return f"http://127.0.0.1:{runner.addresses[0][1]}", asked


async def test_a_fork_is_caught(world: LogWorld, tmp_path: Path) -> None:
    """The operator keeps two logs under one key: the witness cosigns one of them, and the other one stops for good."""
    async with witness_at(tmp_path / "w", (WITNESS,), lambda: NOW) as watching:
        world.policy = policy_of((WITNESS, watching.url))
        await world.grow(3)
        true = world.published()
        sequencer = world.sequencer()
        await sequencer.lead()
        forged = Committed(
            checkpoint_of([leaf_hash(b"forged")] * 3), signed(checkpoint_of([leaf_hash(b"forged")] * 3)), 0
        )
        with pytest.raises(LogFrozen, match="another history") as caught:
            await world.publisher(sequencer).publish(forged)
        assert await sequencer.freeze(caught.value)
        sequencer.hang_up()
        assert world.published() == true
        (row,) = await world.pool.fetch("SELECT why, names, data FROM log_evidence")
        kept = parse_add_checkpoint(dict(zip(row["names"], row["data"], strict=True))["request"])
        assert kept.note == forged.note  # signed by the log, and of another history than what the witness cosigned
        assert watching.refusals[-1] == (LOG.name, "Inconsistent")


async def test_a_rewind_is_caught(world: LogWorld, tmp_path: Path) -> None:
    """The operator restores database and folder from a backup and loses what was cosigned."""
    async with witness_at(tmp_path / "w", (WITNESS,), lambda: NOW) as watching:
        world.policy = policy_of((WITNESS, watching.url))
        await world.grow(3)
        backup = await _backup(world)
        await world.grow(4, 3)
        await _restore(world, backup)
        shard = world.shard()
        with pytest.raises(LogFrozen, match="seen size 7, and we are at 3") as caught:
            await shard.publisher.publish(await shard.sequencer.lead())
        assert await shard.sequencer.freeze(caught.value)
        shard.sequencer.hang_up()
        assert world.published() == backup[1]
        assert await world.pool.fetchval("SELECT frozen FROM log_shard") == caught.value.why


async def test_a_shard_freezes_itself(world: LogWorld, tmp_path: Path) -> None:
    async with witness_at(tmp_path / "w", (WITNESS,), lambda: NOW) as watching:
        world.policy = policy_of((WITNESS, watching.url))
        await world.grow(3)
        backup = await _backup(world)
        await world.grow(4, 3)
        await _restore(world, backup)
        shard = world.shard(interval=0.01)
        async with asyncio.TaskGroup() as group:
            task = group.create_task(shard.run())
            async with asyncio.timeout(10):
                while shard.frozen is None:
                    await asyncio.sleep(0.01)
            await world.submit(1, 100)  # still taken in, and not sequenced
            task.cancel()
        assert "seen size 7" in shard.frozen
        report = await world.fsck()
        assert (report.size, report.waiting, report.problems) == (3, 5, [])


async def _backup(world: LogWorld) -> tuple[object, object, Path]:
    shard = await world.pool.fetchrow("SELECT size, root, note FROM log_shard")
    copy = world.folder.with_name("backup")
    shutil.copytree(world.folder, copy)
    return shard, world.published(), copy


async def _restore(world: LogWorld, backup: tuple[object, object, Path]) -> None:
    shard, _, copy = backup
    shutil.rmtree(world.folder)
    shutil.copytree(copy, world.folder)
    async with world.pool.acquire() as connection:
        await connection.execute("RESET ROLE")
        await connection.execute(
            "WITH gone AS (DELETE FROM log_place WHERE index >= $1 RETURNING origin, record) "
            "INSERT INTO log_queue (origin, record) SELECT origin, record FROM gone",
            shard["size"],  # type: ignore[index]
        )
        await connection.execute("UPDATE log_shard SET size = $1, root = $2, note = $3", *shard)  # type: ignore[misc]
        await connection.execute("DELETE FROM log_staged")
        await connection.execute("SET ROLE gateway_writer")
