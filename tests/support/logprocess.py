"""A transparency log as a process that can be killed: `python -m tests.support.logprocess <JSON>`.

Takes submissions and runs one shard, as the role does, with the keys of `logkeys.py`. `kill_at`: a step at which it ends itself
with SIGKILL, the `after`-th time it gets there.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from aiohttp import web

from gateway.core.merkle.keys import parse_vkey
from gateway.core.merkle.policy import Group, Policy, PolicyLog, PolicyWitness
from gateway.storage.database import open_pool
from gateway.transparency.files import LogFiles
from gateway.transparency.intake import Intake, build_intake_app
from gateway.transparency.ports import Step
from gateway.transparency.publisher import Publisher
from gateway.transparency.sequencer import Sequencer
from gateway.transparency.shard import LogShard, ShardLimits
from gateway.transparency.witnesses import WitnessClient
from tests.support.logkeys import LOG, LOG_PQ, ORIGIN


async def main(options: dict[str, object]) -> None:
    left = int(str(options.get("after", 1)))

    def on_step(step: Step) -> None:
        nonlocal left
        if step == options.get("kill_at"):
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    def clock() -> datetime:
        return datetime.now(UTC)

    witnesses = tuple(PolicyWitness(f"w{n}", parse_vkey(k), u) for n, (k, u) in enumerate(options["witnesses"]))  # type: ignore[arg-type,var-annotated]
    group = Group("q", len(witnesses), tuple(w.name for w in witnesses))
    policy = Policy(
        (PolicyLog(LOG.verifier), PolicyLog(LOG_PQ.verifier)), witnesses, (group,), "q" if witnesses else None
    )
    pool = await open_pool(options["target"])  # type: ignore[arg-type]
    files = LogFiles(Path(str(options["folder"])))
    sequencer = Sequencer(pool, ORIGIN, (LOG, LOG_PQ), files, clock, on_step, batch=int(str(options["batch"])))
    client = WitnessClient(policy.witnesses, timedelta(seconds=2))
    publisher = Publisher(pool, sequencer, files, policy, client, clock, on_step)
    shard = LogShard(pool, sequencer, publisher, files, ShardLimits(interval=0.02))
    app = build_intake_app(Intake(pool, timedelta(seconds=5)), {"2026": ORIGIN}, lambda _: None)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.UnixSite(runner, str(options["socket"])).start()
    print("READY", flush=True)
    await shard.run()


if __name__ == "__main__":
    asyncio.run(main(json.loads(sys.argv[1])))
