"""Finds records again. Reads only; bodies come in pieces, so memory stays flat."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from uuid import UUID

import asyncpg

from gateway.core.messagelog.record import RecordedBody, StoredRecord
from gateway.messagelog.records import storable
from gateway.messagelog.rows import NAMES, record_of_row
from gateway.messagelog.stamps import StoredStamp, stored_stamp

# Information systems repeat message ids: an exchange is what has one request id.
_KEYS_BY_MESSAGE_ID = """
SELECT time, uid FROM message_record WHERE message_id = $1
ORDER BY max(number) OVER (PARTITION BY request_id) DESC, request_id, number
"""
_KEYS_BY_REQUEST_ID = "SELECT time, uid FROM message_record WHERE request_id = $1 ORDER BY number"
_RECORD = f"SELECT number, {NAMES} FROM message_record WHERE time = $1 AND uid = $2"  # noqa: S608


class MessageLogReader:
    """Errors of the database pass through: there is no exchange to protect here."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def by_message_id(self, message_id: str) -> AsyncIterator[StoredRecord]:
        """Newest exchange first, each exchange's records in the order of writing."""
        async for record in self._find(_KEYS_BY_MESSAGE_ID, message_id):
            yield record

    async def by_request_id(self, request_id: str) -> AsyncIterator[StoredRecord]:
        """One exchange's records in the order of writing; both sides when this server served itself."""
        async for record in self._find(_KEYS_BY_REQUEST_ID, request_id):
            yield record

    async def record(self, key: tuple[datetime, UUID]) -> StoredRecord | None:
        """The record with this time and uid; None when retention was faster."""
        row = await self._pool.fetchrow(_RECORD, *key)
        return None if row is None else record_of_row(row)

    async def body(self, body: RecordedBody) -> AsyncIterator[bytes]:
        """The bytes that are there, in order; whether they are the right ones, their digest says."""
        if body.pieces_id is None:
            yield body.inline or b""
            return
        n = 0
        statement = "SELECT data FROM body_chunk WHERE body_id = $1 AND n = $2"
        while (piece := await self._pool.fetchval(statement, body.pieces_id, n)) is not None:
            yield piece
            n += 1

    async def configuration(self, fingerprint: str) -> Mapping[str, bytes] | None:
        """Files of the global configuration that records were judged by (`globalconf.saved.load_saved` reads them)."""
        row = await self._pool.fetchrow(
            "SELECT names, contents FROM globalconf_snapshot WHERE fingerprint = $1", fingerprint
        )
        return None if row is None else dict(zip(row["names"], row["contents"], strict=True))

    async def time_stamp(self, number: int) -> StoredStamp | None:
        """Of the record with this number; None while it waits. MalformedMessage when what is stored is damaged."""
        return await stored_stamp(self._pool, number)

    async def _find(self, keys: str, id: str) -> AsyncIterator[StoredRecord]:
        """One record in memory at a time, no connection held in between."""
        for key in await self._pool.fetch(keys, storable(id)):
            record = await self.record(tuple(key))
            if record is not None:
                yield record
