"""The key that makes pseudonyms of officials, in a sealed log: wrapped as a data key is, in the same table, and so wrapped anew and
given up as those are. It is of no day and never destroyed with one: who destroyed it would give every official another pseudonym.

    in clear in `official_key` --wrapped, durable--> in both --the clear one removed, no version of it left--> wrapped

If we crash in between, the next start goes on; both are the same key.
"""

from __future__ import annotations

import secrets
from uuid import uuid4

from gateway.core.errors import EvidenceUnavailable, MalformedMessage
from gateway.core.sealing.envelope import KEY_BYTES
from gateway.messagelog import datakeys
from gateway.messagelog.keysource import KeySource
from gateway.storage.database import Database

_CLEAR = "SELECT key FROM official_key WHERE server = $1"
_REMOVE = "DELETE FROM official_key WHERE server = $1"


class SealedOfficialKey:
    """Of the security server with this id. Servers that share the log and the id share it."""

    def __init__(self, database: Database, source: KeySource, server: str) -> None:
        self._database = database
        self._source = source
        self._server = server

    async def key(self) -> bytes:
        """The one that there is, sealed or not; made when there is none. EvidenceUnavailable when it does not open."""
        pool = self._database.pool
        clear: bytes | None = await pool.fetchval(_CLEAR, self._server)
        while (stored := await datakeys.in_use(pool, datakeys.FOR_EVER, self._server)) is None:
            key = clear or secrets.token_bytes(KEY_BYTES)
            await datakeys.add(pool, await self._source.wrap(key, uuid4(), datakeys.FOR_EVER, self._server))
        if clear is not None:
            await self._forget_clear()
        try:
            return await self._source.open_bytes(stored)
        except MalformedMessage as e:
            raise EvidenceUnavailable("The key of officials' pseudonyms does not open") from e

    async def _forget_clear(self) -> None:
        async with self._database.owner() as owner:
            await owner.execute(_REMOVE, self._server)
            await owner.execute("VACUUM (FULL) official_key")
