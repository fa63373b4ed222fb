"""One witness: judge, store, cosign, in this order.

1. judge   `core/merkle/witnessing.py`, against what was cosigned last
2. cosign  never with an earlier time than before: a clock that went back stops the witness
3. store   durable; only then
4. answer
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from gateway.core.errors import EvidenceUnavailable, GatewayError, ProofRejected, SettingsError
from gateway.core.merkle.checkpoint import Checkpoint, parse_checkpoint
from gateway.core.merkle.keys import VerifierKey
from gateway.core.merkle.note import NoteSignature, SignedNote
from gateway.core.merkle.policy import verify_note
from gateway.core.merkle.witnessing import AddCheckpoint, judge_checkpoint
from gateway.exchange.ports import Clock
from gateway.witness.store import WitnessStore


class Cosigner(Protocol):
    @property
    def verifier(self) -> VerifierKey: ...

    def sign(self, text: bytes, at: int) -> NoteSignature:
        """The line over the checkpoint in `text` at this POSIX time. KeyTokenError when it cannot."""


@dataclass(frozen=True, slots=True)
class _Seen:
    note: SignedNote
    checkpoint: Checkpoint
    at: int


class Witness:
    """`logs`: the keys trusted for each origin. For health and metrics: `cosigned` and `refused` count since start."""

    def __init__(
        self,
        cosigners: Sequence[Cosigner],
        logs: Mapping[str, tuple[VerifierKey, ...]],
        store: WitnessStore,
        clock: Clock,
    ) -> None:
        self._cosigners = cosigners
        self._logs = logs
        self._store = store
        self._clock = clock
        self._seen: dict[str, _Seen] = {}
        self._locks = {origin: asyncio.Lock() for origin in logs}
        self.cosigned = 0
        self.refused = 0

    async def start(self) -> None:
        """Read what was cosigned. SettingsError when that cannot be believed: a witness without memory must not start."""
        await asyncio.to_thread(self._store.open)
        for origin in self._logs:
            try:
                note = await asyncio.to_thread(self._store.load, origin)
                if note is not None:
                    self._seen[origin] = self._remembered(origin, note)
            except (GatewayError, OSError) as e:
                raise SettingsError([f"what this witness cosigned of {origin} cannot be read: retire its key"]) from e

    def close(self) -> None:
        self._store.close()

    def latest(self, origin: str) -> SignedNote | None:
        """The checkpoint cosigned last, with the lines of the log and of this witness."""
        seen = self._seen.get(origin)
        return None if seen is None else seen.note

    @property
    def sizes(self) -> Mapping[str, int]:
        return {origin: seen.checkpoint.size for origin, seen in self._seen.items()}

    async def add_checkpoint(self, request: AddCheckpoint) -> tuple[NoteSignature, ...]:
        """The cosignatures; durable that they were given. The errors of `judge_checkpoint`; EvidenceUnavailable when the disk
        refuses or the clock went back."""
        origin = request.checkpoint.origin
        try:
            keys = self._logs.get(origin, ())
            async with self._locks.get(origin, asyncio.Lock()):
                seen = self._seen.get(origin)
                judge_checkpoint(request, keys, None if seen is None else seen.checkpoint)
                at = int(self._clock().timestamp())
                if seen is not None and at < seen.at:
                    raise EvidenceUnavailable("the clock of this witness went back")
                lines = tuple(c.sign(request.note.text, at) for c in self._cosigners)
                trusted = [line for line in request.note.signatures if any(key.made(line) for key in keys)]
                kept = SignedNote(request.note.text, (*trusted, *lines))
                try:
                    await asyncio.to_thread(self._store.save, origin, kept)
                except OSError as e:
                    raise EvidenceUnavailable("this witness cannot remember") from e
                # if we crash here: cosigned and not answered; the log learns our size and asks again from there
                self._seen[origin] = _Seen(kept, request.checkpoint, at)
        except GatewayError:
            self.refused += 1
            raise
        self.cosigned += 1
        return lines

    def _remembered(self, origin: str, note: SignedNote) -> _Seen:
        checkpoint = parse_checkpoint(note.text)
        times = [at for _, at in verify_note(note, [c.verifier for c in self._cosigners]) if at is not None]
        if checkpoint.origin != origin or not times:
            raise ProofRejected("not what this witness cosigned")
        return _Seen(note, checkpoint, max(times))
