"""Finds records again, and opens what is sealed. Reads only; bodies come in pieces, so memory stays flat."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime
from uuid import UUID

import asyncpg

from gateway.core.errors import EvidenceUnavailable, MalformedMessage
from gateway.core.messagelog.record import RecordedBody, StoredRecord, UnreadableRecord
from gateway.core.sealing.keys import DataKey, WrappedKey
from gateway.core.sealing.records import emptied, unseal_piece, unseal_record
from gateway.messagelog import datakeys, frames
from gateway.messagelog.bodies import pieces_of
from gateway.messagelog.keysource import KeySource
from gateway.messagelog.records import storable
from gateway.messagelog.rows import NAMES, record_of_row
from gateway.messagelog.stamps import StoredStamp, stored_stamp

# Information systems repeat message ids: an exchange is what has one request id.
_KEYS_BY_MESSAGE_ID = """
SELECT time, uid FROM message_record WHERE message_id = $1
ORDER BY max(number) OVER (PARTITION BY request_id) DESC, request_id, number
"""
_KEYS_BY_REQUEST_ID = "SELECT time, uid FROM message_record WHERE request_id = $1 ORDER BY number"
_RECORD = f"""
SELECT number, {NAMES}, {frames.FRAME}, {datakeys.COLUMNS} FROM message_record AS r LEFT JOIN data_key ON data_key.id = sealed_by
WHERE time = $1 AND uid = $2
"""  # noqa: S608
_LEFT_OUT = {"body": "NULL::bytea AS body", "signature": "''::bytea AS signature"}
_PARTS = ", ".join(_LEFT_OUT.get(name, name) for name in NAMES.split(", "))
_RESPONSES = f"""
SELECT number, {_PARTS}, {datakeys.COLUMNS}
FROM (SELECT r.* FROM unnest($1::timestamptz[], $2::uuid[]) AS k (time, uid) JOIN message_record AS r USING (time, uid)) AS m
LEFT JOIN data_key ON data_key.id = sealed_by WHERE side = 'client' AND kind = 'response' ORDER BY number
"""  # noqa: S608


class MessageLogReader:
    """Errors of the database pass through: there is no exchange to protect here. `keys`: None reads only what is not sealed, and
    says EvidenceUnavailable at what is."""

    def __init__(self, pool: asyncpg.Pool, keys: KeySource | None = None) -> None:
        self._pool = pool
        self._keys = keys

    async def by_message_id(self, message_id: str) -> AsyncIterator[StoredRecord | UnreadableRecord]:
        """Newest exchange first, each exchange's records in the order of writing."""
        async for record in self._find(_KEYS_BY_MESSAGE_ID, message_id):
            yield record

    async def by_request_id(self, request_id: str) -> AsyncIterator[StoredRecord | UnreadableRecord]:
        """One exchange's records in the order of writing; both sides when this server served itself."""
        async for record in self._find(_KEYS_BY_REQUEST_ID, request_id):
            yield record

    async def record(self, key: tuple[datetime, UUID]) -> StoredRecord | UnreadableRecord | None:
        """The record with this time and uid; None when retention was faster."""
        row = await self._pool.fetchrow(_RECORD, *key)
        return None if row is None else await self._opened(row)

    async def responses(self, times: Sequence[datetime], uids: Sequence[UUID]) -> list[StoredRecord | UnreadableRecord]:
        """Of the records with these times and uids the responses to our own clients, without the bytes of body and signature."""
        return [await self._opened(row) for row in await self._pool.fetch(_RESPONSES, times, uids)]

    async def body(self, body: RecordedBody) -> AsyncIterator[bytes]:
        """The bytes that are there, in order; whether they are the right ones, their digest says. MalformedMessage as soon as a
        sealed piece is not the one that belongs there, EvidenceUnavailable when its key was destroyed."""
        if body.pieces_id is None:
            yield body.inline or b""
            return
        if body.pieces_sealed_by is not None:
            async for piece in self._sealed_pieces(body, body.pieces_id, body.pieces_sealed_by):
                yield piece
            return
        n = 0
        while (stored := await self._piece(body.pieces_id, n)) is not None:
            yield stored
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

    async def _find(self, keys: str, id: str) -> AsyncIterator[StoredRecord | UnreadableRecord]:
        """One record in memory at a time, no connection held in between."""
        for key in await self._pool.fetch(keys, storable(id)):
            record = await self.record(tuple(key))
            if record is not None:
                yield record

    # --- sealed ----------------------------------------------------------------------------------------------------------

    async def _opened(self, row: asyncpg.Record) -> StoredRecord | UnreadableRecord:
        number = row["number"]
        try:
            record = record_of_row(row, frames.signature_of(row))
        except MalformedMessage as e:
            return UnreadableRecord(
                number, emptied(record_of_row(row, b"")), f"damaged: {e.safe_detail}", shredded=False
            )
        if record.sealed_by is None:
            return StoredRecord(number, record)
        if row["id"] is None:
            return UnreadableRecord(number, emptied(record), "damaged: its data key is not in the log", shredded=False)
        stored = datakeys.key_of(row)
        if isinstance(stored, datakeys.Destroyed):
            return UnreadableRecord(number, emptied(record), _shredded(stored), shredded=True)
        try:
            return StoredRecord(number, unseal_record(record, await self._data_key(stored)))
        except MalformedMessage as e:
            return UnreadableRecord(number, emptied(record), f"damaged: {e.safe_detail}", shredded=False)

    async def _data_key(self, stored: WrappedKey) -> DataKey:
        if self._keys is None:
            raise EvidenceUnavailable(f"The record is sealed, and its key-encryption key '{stored.kek}' is not here")
        return await self._keys.open(stored)

    async def _sealed_pieces(self, body: RecordedBody, pieces_id: UUID, key_id: UUID) -> AsyncIterator[bytes]:
        stored = await datakeys.find(self._pool, key_id)
        if not isinstance(stored, WrappedKey):
            raise EvidenceUnavailable("The data key of a body is not there any more")
        key, count = await self._data_key(stored), pieces_of(body.size)
        for n in range(count):
            envelope = await self._piece(pieces_id, n)
            if envelope is None:
                raise MalformedMessage(f"piece {n + 1} of {count} of the body is missing")
            yield unseal_piece(envelope, key, pieces_id, n, last=n == count - 1)

    async def _piece(self, pieces_id: UUID, n: int) -> bytes | None:
        found: bytes | None = await self._pool.fetchval(
            "SELECT data FROM body_chunk WHERE body_id = $1 AND n = $2", pieces_id, n
        )
        return found


def _shredded(key: datakeys.Destroyed) -> str:
    return (
        f"shredded: the data key of {key.member} for {key.day} was destroyed at {key.time.isoformat(timespec='seconds')} "
        f"by {key.by} ({key.reason})"
    )
