"""Batch signing: messages that wait for the same key share its next signature (reference 4.1, 4.3; decisions 0019, 0044).

For keys whose credential says so. A hash over all that wait costs next to nothing, while a hardware token makes a few hundred
signatures a second, and every signature is read, verified and kept by the other side. A message never waits for others to come: who
finds the key idle lets those through that are ready in the same turn of the event loop, and signs; those who come meanwhile are
signed together when it is free. There is no background task: whoever gets the key signs for all.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from gateway.core.digest import Digest
from gateway.core.errors import KeyTokenError
from gateway.core.signing.certificates import der
from gateway.core.signing.xades import SignatureDraft, SigningCredential, draft_batch
from gateway.exchange.ports import Signer

_MOST = 256  # messages under one signature


@dataclass(frozen=True, slots=True)
class SignedDraft:
    """A draft and the signature value that completes it."""

    draft: SignatureDraft
    value: bytes


@dataclass(slots=True, eq=False)
class _Waiting:
    """`woken`: it has an outcome by now, or `leads`."""

    message: Digest
    attachments: Sequence[Digest]
    now: datetime
    woken: asyncio.Future[None]
    leads: bool
    outcome: SignedDraft | KeyTokenError | None = None


@dataclass(slots=True, eq=False)
class _Key:
    """`led`: one of those who wait signs, or is about to."""

    credential: SigningCredential
    led: bool = False
    waiting: list[_Waiting] = field(default_factory=list)

    def hand_over(self) -> None:
        """To whoever has waited longest; those who hung up are passed by."""
        for waiting in self.waiting:
            if not waiting.woken.done():
                waiting.leads = True
                waiting.woken.set_result(None)
                return
        self.led = False


class SigningBatches:
    """Who waits for which key."""

    def __init__(self) -> None:
        self._keys: dict[bytes, _Key] = {}

    async def sign(
        self,
        message: Digest,
        attachments: Sequence[Digest],
        credential: SigningCredential,
        now: datetime,
        signer: Signer,
    ) -> SignedDraft:
        """Signed alone or together with what else waits for `credential`'s key. KeyTokenError when the token cannot."""
        key = self._key(credential)
        woken = asyncio.get_running_loop().create_future()
        mine = _Waiting(message, attachments, now, woken, leads=not key.led)
        key.waiting.append(mine)
        key.led = True
        try:
            if not mine.leads:
                await woken
            while mine.outcome is None:
                await _sign_next(key, signer)
        finally:
            if mine.outcome is None and mine in key.waiting:  # cancelled before it was signed
                key.waiting.remove(mine)
            if mine.leads:
                key.hand_over()
        if isinstance(mine.outcome, KeyTokenError):
            raise KeyTokenError(mine.outcome.safe_detail, code=mine.outcome.code) from mine.outcome
        return mine.outcome

    def _key(self, credential: SigningCredential) -> _Key:
        """By certificate; a newer credential (a fresh OCSP answer) is used from the next signature on."""
        key = self._keys.setdefault(der(credential.certificate), _Key(credential))
        key.credential = credential
        return key


async def _sign_next(key: _Key, signer: Signer) -> None:
    """For whoever leads: those who waited longest get an outcome. When it is cancelled or fails otherwise, they wait on for the
    next one to lead."""
    await asyncio.sleep(0)
    batch, key.waiting = key.waiting[:_MOST], key.waiting[_MOST:]
    try:
        drafts = draft_batch([(w.message, w.attachments) for w in batch], key.credential, max(w.now for w in batch))
        value = await signer.sign(key.credential, drafts[0].signed_info)
    except KeyTokenError as e:
        outcomes: Sequence[SignedDraft | KeyTokenError] = [e] * len(batch)
    except BaseException:  # cancelled, or a bug: raised again, and nobody who waits is forgotten
        key.waiting = [*batch, *key.waiting]
        raise
    else:
        outcomes = [SignedDraft(draft, value) for draft in drafts]
    for waiting, outcome in zip(batch, outcomes, strict=True):
        waiting.outcome = outcome
        if not waiting.woken.done():
            waiting.woken.set_result(None)
