"""Seals texts of other tables under the data keys of the log, for whoever keeps them (`core/sealing/texts.py`)."""

from __future__ import annotations

import os
from datetime import date
from uuid import UUID

import asyncpg

from gateway.core.errors import EvidenceUnavailable, MalformedMessage
from gateway.core.sealing.envelope import NONCE_BYTES
from gateway.core.sealing.keys import WrappedKey
from gateway.core.sealing.texts import seal_text, unseal_text
from gateway.messagelog import datakeys
from gateway.messagelog.keysource import KeySource
from gateway.messagelog.sealing import Seal


class SealedTexts:
    """The TextSeal of own services. A text is shredded with what its member exchanged on its day."""

    def __init__(self, pool: asyncpg.Pool, source: KeySource, seal: Seal) -> None:
        self._pool = pool
        self._source = source
        self._seal = seal

    async def seal(self, text: str, what: str, id: UUID, member: str, day: date) -> tuple[bytes, UUID]:
        key = await self._seal.key(day, member)
        return seal_text(text, what, id, key, os.urandom(NONCE_BYTES)), key.id

    async def open(self, envelope: bytes, what: str, id: UUID, sealed_by: UUID) -> str | None:
        stored = await datakeys.find(self._pool, sealed_by)
        if not isinstance(stored, WrappedKey):
            return None
        try:
            return unseal_text(envelope, what, id, await self._source.open(stored))
        except MalformedMessage as e:
            raise EvidenceUnavailable(f"A stored text is damaged: {what} {id}") from e
