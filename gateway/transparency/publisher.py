"""The publisher of one shard: the newest committed checkpoint to the witnesses, then to the public.

Sequencing does not wait for it, and it does not wait for every batch: it takes the newest checkpoint each time. Witnesses that do
not answer are no reason to stop (the log says how long it has been without quorum); a witness that has seen another history is.
"""

from __future__ import annotations

import asyncio
from datetime import datetime

import asyncpg

from gateway.core.errors import ProofRejected
from gateway.core.merkle.checkpoint import parse_checkpoint
from gateway.core.merkle.note import SignedNote, parse_note
from gateway.core.merkle.policy import Policy, verify_checkpoint
from gateway.exchange.ports import Clock
from gateway.transparency import rows
from gateway.transparency.files import LogFiles
from gateway.transparency.ports import LeadLost, LogFrozen, OnStep
from gateway.transparency.sequencer import Committed, Sequencer
from gateway.transparency.witnesses import WitnessClient


class Publisher:
    """`published` and `witnessed` (with the policy's quorum): the newest such notes and their sizes, None before the first.
    `unwitnessed_since`: when a published checkpoint was first without quorum; None while all is well."""

    def __init__(
        self,
        pool: asyncpg.Pool,
        sequencer: Sequencer,
        files: LogFiles,
        policy: Policy,
        witnesses: WitnessClient,
        clock: Clock,
        on_step: OnStep,
    ) -> None:
        self._pool = pool
        self._sequencer = sequencer
        self._files = files
        self._policy = policy
        self._witnesses = witnesses
        self._clock = clock
        self._on_step = on_step
        self.published: tuple[int, SignedNote] | None = None
        self.witnessed: tuple[int, SignedNote] | None = None
        self.published_at: datetime | None = None
        self.unwitnessed_since: datetime | None = None

    async def recall(self) -> None:
        """What an earlier process published, once `lead` found it to be of this log: what stood there with its quorum is not
        replaced by the same without, and receipts need not wait for the witnesses."""
        data = None if self.published else await asyncio.to_thread(self._files.checkpoint)
        if data is not None:
            note = parse_note(data)
            self.published = parse_checkpoint(note.text).size, note
            self.witnessed = self.published if self._has_quorum(note) else None

    async def publish(self, committed: Committed) -> bool:
        """Ask the witnesses and replace `checkpoint`; whether the quorum cosigned. LogFrozen on evidence of a fork or rewind,
        LeadLost when another process leads: then nothing was published."""
        size = committed.checkpoint.size
        lines = await self._witnesses.cosign(committed.note, committed.checkpoint, lambda: self._sequencer.nodes(size))
        note = committed.note.with_signatures(lines)
        self._on_step("witnessed")
        quorum = self._has_quorum(note)
        if not quorum and self.witnessed is not None and self.witnessed[0] == size:
            return False  # what is published has its quorum, if an older one
        await self._replace(committed, note)
        self._on_step("published")
        now = self._clock()
        self.published, self.published_at = (size, note), now
        if not quorum:
            self.unwitnessed_since = self.unwitnessed_since or now
            return False
        self.witnessed, self.unwitnessed_since = (size, note), None
        return True

    async def _replace(self, committed: Committed, note: SignedNote) -> None:
        """Under the row's lock: a leader that was replaced while it slept must not publish an older checkpoint."""
        async with self._pool.acquire() as connection, connection.transaction():
            shard = await rows.lock_shard(connection, self._sequencer.origin)
            if shard.fence != committed.fence:
                raise LeadLost("another process leads this shard")
            if shard.frozen is not None:
                raise LogFrozen(shard.frozen)
            await asyncio.to_thread(self._files.replace_checkpoint, bytes(note))

    def _has_quorum(self, note: SignedNote) -> bool:
        try:
            verify_checkpoint(note, self._policy)
        except ProofRejected:
            return False
        return True
