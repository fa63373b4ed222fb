"""`make bench`: leaves a second through PostgreSQL into published, cosigned checkpoints; `python -m tests.bench.log` alone.

Everything durable as in production (fsync on). Submitters send batches as outboxes do; time runs until the last leaf is in the
published checkpoint.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import tempfile
import time
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

from gateway.storage.database import EmbeddedDatabase, open_database
from gateway.transparency.intake import Intake
from gateway.transparency.shard import LogShard, ShardLimits
from tests.support.logkeys import AUDITOR, ORIGIN, WITNESS
from tests.support.logworld import LogWorld, leaves, policy_of, witness_at


def _clock() -> datetime:
    return datetime.now(UTC)


async def log_figures(total: int, batch: int, submitters: int = 4) -> None:
    folder = Path(tempfile.mkdtemp(prefix="bench"))
    try:
        async with AsyncExitStack() as stack:
            database = await open_database(EmbeddedDatabase(folder / "pg", "log"))
            stack.push_async_callback(database.close)
            one = await stack.enter_async_context(witness_at(folder / "w1", (WITNESS,), _clock))
            two = await stack.enter_async_context(witness_at(folder / "w2", (AUDITOR,), _clock))
            world = LogWorld(database.pool, folder / "log", policy_of((WITNESS, one.url), (AUDITOR, two.url)))
            stack.push_async_callback(world.close)
            sequencer = world.sequencer()
            shard = LogShard(database.pool, sequencer, world.publisher(sequencer), world.files, ShardLimits())
            await _measure(shard, Intake(database.pool, timedelta(seconds=30)), total, batch, submitters)
            print("   ", f"fsck: {len((await world.fsck()).problems)} problems")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def _measure(shard: LogShard, intake: Intake, total: int, batch: int, submitters: int) -> None:
    firsts = iter(range(0, total, batch))

    async def submit() -> None:
        for first in firsts:
            await intake.submit(ORIGIN, leaves(batch, first))

    async with asyncio.TaskGroup() as group:
        running = group.create_task(shard.run())
        while shard.publisher.published is None:
            await asyncio.sleep(0.01)
        began = time.monotonic()
        async with asyncio.TaskGroup() as load:
            for _ in range(submitters):
                load.create_task(submit())
        taken = time.monotonic() - began
        while shard.publisher.witnessed is None or shard.publisher.witnessed[0] < total:
            await asyncio.sleep(0.01)
        done = time.monotonic() - began
        running.cancel()
    print(
        f"log  {submitters} submitters, {batch} leaves a submission: {total / done:,.0f} leaves/s into cosigned checkpoints "
        f"({total:,} in {done:.1f} s; all taken after {taken:.1f} s, so {done - taken:.2f} s behind at the end)"
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.log", description=__doc__)
    parser.add_argument("--leaves", type=int, default=40_000)
    chosen = parser.parse_args()
    for batch in (20, 200):
        asyncio.run(log_figures(chosen.leaves, batch))


if __name__ == "__main__":
    main()
