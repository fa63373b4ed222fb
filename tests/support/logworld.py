"""A transparency log in a test: a real database, a real folder, real keys, witnesses over real HTTP when asked for."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
from aiohttp import web

from gateway.core.merkle.hashing import leaf_hash
from gateway.core.merkle.note import SignedNote, parse_note
from gateway.core.merkle.policy import Group, Policy, PolicyLog, PolicyWitness
from gateway.transparency.files import LogFiles
from gateway.transparency.fsck import FsckReport, fsck
from gateway.transparency.intake import Intake
from gateway.transparency.ports import Step
from gateway.transparency.publisher import Publisher
from gateway.transparency.rows import Submitted
from gateway.transparency.sequencer import Committed, Sequencer
from gateway.transparency.shard import LogShard, ShardLimits
from gateway.transparency.witnesses import WitnessClient
from gateway.witness.service import build_witness_app
from gateway.witness.store import WitnessStore
from gateway.witness.witness import Witness
from tests.support.logkeys import LOG, LOG_PQ, ORIGIN, Key

NOW = datetime(2026, 11, 24, 8, tzinfo=UTC)
SOURCE = "VN/GOV/G01/ss1"
LOG_KEYS = (LOG.verifier, LOG_PQ.verifier)


ALONE = Policy((PolicyLog(LOG.verifier), PolicyLog(LOG_PQ.verifier)), (), (), None)


def nothing(_: Step) -> None:
    pass


def leaves(count: int, first: int = 0) -> list[Submitted]:
    """As one server submits them, in the order of its count. The same numbers give the same leaves."""
    entries = [n.to_bytes(8, "big") + bytes(100) for n in range(first, first + count)]
    return [
        Submitted(uuid.UUID(int=first + n), SOURCE, first + n, entry, leaf_hash(entry))
        for n, entry in enumerate(entries)
    ]


@dataclass
class LogWorld:
    """One shard; `sequencer()` and the others make new ones over the same database and folder, as a restart does."""

    pool: asyncpg.Pool
    folder: Path
    policy: Policy = ALONE
    now: datetime = NOW
    witnessing: list[WitnessClient] = field(default_factory=list)

    @property
    def files(self) -> LogFiles:
        return LogFiles(self.folder)

    def clock(self) -> datetime:
        return self.now

    def sequencer(
        self, on_step: Callable[[Step], None] = nothing, files: LogFiles | None = None, batch: int = 1000
    ) -> Sequencer:
        return Sequencer(self.pool, ORIGIN, (LOG, LOG_PQ), files or self.files, self.clock, on_step, batch=batch)

    def publisher(
        self, sequencer: Sequencer, on_step: Callable[[Step], None] = nothing, files: LogFiles | None = None
    ) -> Publisher:
        client = WitnessClient(self.policy.witnesses, timedelta(seconds=2))
        self.witnessing.append(client)
        return Publisher(self.pool, sequencer, files or self.files, self.policy, client, self.clock, on_step)

    def shard(self, **limits: float) -> LogShard:
        sequencer = self.sequencer()
        return LogShard(self.pool, sequencer, self.publisher(sequencer), self.files, ShardLimits(**limits))

    async def submit(self, count: int, first: int = 0) -> None:
        await Intake(self.pool, timedelta(seconds=10)).submit(ORIGIN, leaves(count, first))

    async def grow(self, count: int, first: int = 0, *, publish: bool = True) -> Committed:
        """Submit, sequence all, publish; everything made anew and closed."""
        await self.submit(count, first)
        sequencer = self.sequencer()
        try:
            committed = await sequencer.lead()
            while (more := await sequencer.step()) is not None:
                committed = more
            if publish:
                await self.publisher(sequencer).publish(committed)
        finally:
            sequencer.hang_up()
        return committed

    async def fsck(self) -> FsckReport:
        return await fsck(self.pool, ORIGIN, LOG_KEYS, self.files)

    def published(self) -> SignedNote:
        data = self.files.checkpoint()
        assert data is not None
        return parse_note(data)

    async def close(self) -> None:
        for client in self.witnessing:
            await client.close()


@dataclass
class RunningWitness:
    witness: Witness
    url: str
    refusals: list[tuple[str, str]]


@asynccontextmanager
async def witness_at(
    state: Path,
    keys: Sequence[Key],
    clock: Callable[[], datetime],
    logs: Sequence[Key] = (LOG, LOG_PQ),
) -> AsyncIterator[RunningWitness]:
    """A witness on a free port that watches ORIGIN."""
    refusals: list[tuple[str, str]] = []
    origins = {ORIGIN: tuple(key.verifier for key in logs)}
    witness = Witness(keys, origins, WitnessStore(state), clock)
    await witness.start()
    app = build_witness_app(witness, tuple(origins), lambda o, e: refusals.append((o, type(e).__name__)))
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    try:
        await site.start()
        port = runner.addresses[0][1]
        yield RunningWitness(witness, f"http://127.0.0.1:{port}", refusals)
    finally:
        await runner.cleanup()
        witness.close()


def policy_of(*witnesses: tuple[Key, str], quorum: int | None = None) -> Policy:
    """Of the log and these witnesses; `quorum`: all of them unless said otherwise."""
    named = tuple(PolicyWitness(f"w{n}", key.verifier, url) for n, (key, url) in enumerate(witnesses))
    group = Group("q", len(named) if quorum is None else quorum, tuple(w.name for w in named))
    return Policy((PolicyLog(LOG.verifier), PolicyLog(LOG_PQ.verifier)), named, (group,), "q")
