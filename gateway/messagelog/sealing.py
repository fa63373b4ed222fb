"""Which data key seals a new record: that of its day and member, made when it is the first.

    no key --wrapped, written, durable--> in use --records sealed under it--> ...

If we crash behind the first arrow, a key is there that seals nothing; the next record of the day takes it. A record is never sealed
under a key that is not durable, and never written unsealed because a key could not be had.
"""

from __future__ import annotations

import asyncio
import os
from datetime import date, timedelta
from uuid import uuid4

import asyncpg

from gateway.core.errors import EvidenceUnavailable, MalformedMessage
from gateway.core.sealing.envelope import KEY_BYTES
from gateway.core.sealing.keys import DataKey, WrappedKey
from gateway.messagelog import datakeys
from gateway.messagelog.keysource import KeySource
from gateway.storage.failures import DATABASE_ERRORS, Failure, failure

_FIRST_PAUSE = 0.02
_LONGEST_PAUSE = 0.5
_DAY = timedelta(days=1)


class Seal:
    """`patience`: seconds after which a record is refused because its key cannot be had."""

    def __init__(self, pool: asyncpg.Pool, source: KeySource, *, patience: float = 10.0) -> None:
        self._pool = pool
        self._source = source
        self._patience = patience
        self._known: dict[tuple[date, str], DataKey] = {}
        self._making = asyncio.Lock()

    async def key(self, day: date, member: str) -> DataKey:
        """Durable. EvidenceUnavailable when the database or the key-encryption key is not there."""
        known = self._known.get((day, member))
        if known is not None:
            return known
        try:
            async with asyncio.timeout(self._patience), self._making:
                return self._known.get((day, member)) or await self._learn(day, member)
        except TimeoutError as e:
            raise EvidenceUnavailable("The message log does not answer") from e
        except MalformedMessage as e:
            raise EvidenceUnavailable("A data key of the message log does not open") from e

    async def _learn(self, day: date, member: str) -> DataKey:
        key = await self._source.open(await self._in_use(day, member))
        newest = max((day, *(known for known, _ in self._known)))
        self._known = {k: v for k, v in self._known.items() if k[0] >= newest - _DAY}  # older ones have done their work
        self._known[day, member] = key
        return key

    async def _in_use(self, day: date, member: str) -> WrappedKey:
        """Of this day and member. Adding is idempotent, so what was lost on its way is simply done again."""
        pause = _FIRST_PAUSE
        while True:
            try:
                found = await datakeys.in_use(self._pool, day, member)
                if found is not None:
                    return found
                await datakeys.add(self._pool, await self._new(day, member))
                continue  # to what is in use now: this key, or one that another server added before
            except DATABASE_ERRORS as e:
                if failure(e) not in (Failure.LOST, Failure.CONFLICT):
                    raise EvidenceUnavailable("The message log cannot keep a data key") from e
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    async def _new(self, day: date, member: str) -> WrappedKey:
        return await self._source.wrap(os.urandom(KEY_BYTES), uuid4(), day, member)
