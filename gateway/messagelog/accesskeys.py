"""The data keys of a log, for whoever looks for a person in its access records (`storage/accessrecords.py`)."""

from __future__ import annotations

from uuid import UUID

import asyncpg

from gateway.core.sealing.access import AccessKeys
from gateway.core.sealing.keys import DataKey
from gateway.messagelog import datakeys
from gateway.messagelog.keysource import KeySource


class AccessKeyStore:
    """Keys are opened once and kept for as long as they are in use: one that was destroyed is forgotten at the next look."""

    def __init__(self, pool: asyncpg.Pool, source: KeySource) -> None:
        self._pool = pool
        self._source = source
        self._known: dict[UUID, DataKey] = {}

    async def current(self) -> AccessKeys:
        """Of all data keys in use now. DATABASE_ERRORS; EvidenceUnavailable when one does not open."""
        used = await datakeys.ids_in_use(self._pool)
        missing = [id for id in used if id not in self._known]
        new = {key.id: await self._source.open(key) for key in await datakeys.find_all(self._pool, missing)}
        self._known = {id: key for id in used if (key := self._known.get(id) or new.get(id)) is not None}
        return AccessKeys(self._known)
