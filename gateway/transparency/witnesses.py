"""Asking witnesses (C2SP tlog-witness, the client's side). What they refuse is not a failure but a finding.

cosigned      lines of that witness's key, verified
unavailable   it did not answer, or not in a form that means anything: try later
LogFrozen     it has seen a larger tree than ours, or another history: evidence of a fork or a rewind
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Sequence
from datetime import timedelta

import aiohttp

from gateway.core.errors import MalformedMessage, ProofRejected
from gateway.core.merkle.checkpoint import Checkpoint
from gateway.core.merkle.hashing import Nodes
from gateway.core.merkle.note import MAX_NOTE, NoteSignature, SignedNote, parse_signature_lines
from gateway.core.merkle.policy import PolicyWitness, verify_note
from gateway.core.merkle.proofs import consistency_proof
from gateway.core.merkle.text import parse_decimal
from gateway.core.merkle.witnessing import AddCheckpoint
from gateway.transparency.ports import LogFrozen

_ATTEMPTS = 3
_PAUSE = 0.01  # seconds, ten times as long each time


class WitnessClient:
    """All witnesses of the policy that have an address. `timeout`: of one request."""

    def __init__(self, witnesses: Sequence[PolicyWitness], timeout: timedelta) -> None:
        self._witnesses = [w for w in witnesses if w.url is not None]
        self._sizes: dict[str, int] = {}
        self._timeout = aiohttp.ClientTimeout(total=timeout.total_seconds())
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def cosign(
        self, note: SignedNote, checkpoint: Checkpoint, new_nodes: Callable[[], Nodes]
    ) -> tuple[NoteSignature, ...]:
        """The lines of those that cosigned; LogFrozen when one of them gives evidence. `new_nodes`: of the checkpoint's tree."""
        if not self._witnesses:
            return ()
        if self._session is None:
            self._session = aiohttp.ClientSession(
                timeout=self._timeout, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False
            )
        asking = [self._ask(self._session, w, note, checkpoint, new_nodes) for w in self._witnesses]
        answers = await asyncio.gather(*asking, return_exceptions=True)
        for answer in answers:
            if isinstance(answer, BaseException):
                raise answer
        return tuple(line for answer in answers if not isinstance(answer, BaseException) for line in answer)

    async def _ask(
        self,
        session: aiohttp.ClientSession,
        witness: PolicyWitness,
        note: SignedNote,
        checkpoint: Checkpoint,
        new_nodes: Callable[[], Nodes],
    ) -> tuple[NoteSignature, ...]:
        url, pause = f"{(witness.url or '').rstrip('/')}/add-checkpoint", _PAUSE
        for _ in range(_ATTEMPTS):
            old = self._sizes.get(witness.name, 0)
            if old > checkpoint.size:
                return ()  # an older checkpoint than this witness has cosigned for us already
            proof = await asyncio.to_thread(_proof, old, checkpoint.size, new_nodes)
            body = bytes(AddCheckpoint(old, proof, note, checkpoint))
            try:
                async with session.post(url, data=body, allow_redirects=False) as response:
                    status, answer = response.status, await _read(response)
            except (aiohttp.ClientError, TimeoutError, OSError, MalformedMessage):
                return ()
            if status == 200:
                lines = _verified(witness, note, answer)
                if lines:
                    self._sizes[witness.name] = checkpoint.size
                return lines
            if status == 422:
                raise LogFrozen(f"the witness {witness.name} found another history (422)", _evidence(body, answer))
            if status != 409:
                return ()
            size = _size(answer)
            if size is None:
                return ()
            if size > checkpoint.size:
                why = f"the witness {witness.name} has seen size {size}, and we are at {checkpoint.size} (409)"
                raise LogFrozen(why, _evidence(body, answer))
            self._sizes[witness.name] = size
            await asyncio.sleep(pause)
            pause *= 10
        return ()


def _proof(old: int, new: int, new_nodes: Callable[[], Nodes]) -> tuple[bytes, ...]:
    return consistency_proof(old, new, new_nodes())


def _verified(witness: PolicyWitness, note: SignedNote, answer: bytes) -> tuple[NoteSignature, ...]:
    """The witness's own line; nothing when it is not there or does not hold. Lines of others are ignored."""
    try:
        lines = parse_signature_lines(answer.decode("utf-8"))
        own = tuple(line for line in lines if witness.key.made(line))
        verify_note(SignedNote(note.text, own), [witness.key])
    except (MalformedMessage, ProofRejected, UnicodeDecodeError):
        return ()
    return own


def _size(answer: bytes) -> int | None:
    found = re.fullmatch(rb"([0-9]{1,19})\n", answer)
    try:
        return None if found is None else parse_decimal(found[1].decode())
    except MalformedMessage:
        return None


def _evidence(request: bytes, answer: bytes) -> tuple[tuple[str, bytes], ...]:
    return (("request", request), ("answer", answer))


async def _read(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_chunked(65536):
        body += chunk
        if len(body) > MAX_NOTE:
            raise MalformedMessage("a witness's answer of more than 512 KiB")
    return bytes(body)
