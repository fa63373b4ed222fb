"""Large bodies: stored in pieces of 1 MiB before the record that names them, so that memory stays flat.

If we crash between the pieces and the record, pieces without a record remain; maintenance removes them a day later.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import asyncpg

from gateway.core.errors import EvidenceUnavailable
from gateway.core.messagelog.record import RecordedBody
from gateway.core.sealing.envelope import NONCE_BYTES
from gateway.core.sealing.keys import DataKey
from gateway.core.sealing.records import seal_piece
from gateway.exchange.content import whole
from gateway.exchange.states import Body
from gateway.storage.failures import DATABASE_ERRORS, Failure, failure

PIECE = 1 << 20
_ATTEMPTS = 4
_FIRST_PAUSE = 0.05
_INSERT = "INSERT INTO body_chunk (body_id, n, data) VALUES ($1, $2, $3)"


def in_record(body: Body, inline_below: int) -> RecordedBody | None:
    """A small body that is in memory stands in the record itself, which is to seal it."""
    data = body.inline
    return None if data is None or len(data) > inline_below else RecordedBody(len(data), body.digest, data, None)


async def store_body(
    pool: asyncpg.Pool, body: Body, *, inline_below: int, patience: float, key: DataKey | None = None
) -> RecordedBody:
    """Pieces are durable on return, sealed under `key`; a body of at most `inline_below` bytes is only read into memory, and is for
    the record to seal. `patience`: seconds each statement may take. EvidenceUnavailable when the database does not take it or the
    body is not as long as it says."""
    if body.size <= inline_below:
        data = await whole(body)
        _check_size(body, len(data))
        return RecordedBody(body.size, body.digest, data, None)
    pause = _FIRST_PAUSE
    for attempt in range(1, _ATTEMPTS + 1):
        pieces_id = uuid4()  # never the id of an attempt of which nobody knows whether it was kept
        try:
            await _store_pieces(pool, body, pieces_id, patience, key)
        except DATABASE_ERRORS as e:
            if failure(e) not in (Failure.LOST, Failure.CONFLICT) or attempt == _ATTEMPTS:
                raise EvidenceUnavailable("The message log cannot take the body") from e
            await asyncio.sleep(pause)
            pause *= 2
        else:
            break
    return RecordedBody(body.size, body.digest, None, pieces_id, None if key is None else key.id)


def pieces_of(size: int) -> int:
    """How many pieces a body of `size` bytes has."""
    return -(-size // PIECE)


async def _store_pieces(pool: asyncpg.Pool, body: Body, pieces_id: UUID, patience: float, key: DataKey | None) -> None:
    size = n = 0
    end = pieces_of(body.size) - 1
    async with pool.acquire(timeout=patience) as connection, connection.transaction():
        async for piece in _repack(body.chunks()):
            stored = piece
            if key is not None:
                stored = seal_piece(piece, key, pieces_id, n, last=n == end, nonce=os.urandom(NONCE_BYTES))
            await connection.execute(_INSERT, pieces_id, n, stored, timeout=patience)
            size += len(piece)
            n += 1
        _check_size(body, size)


async def _repack(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The same bytes in pieces of exactly PIECE bytes, except the last."""
    pending = bytearray()
    async for chunk in chunks:
        pending += chunk
        while len(pending) >= PIECE:
            yield bytes(pending[:PIECE])
            del pending[:PIECE]
    if pending:
        yield bytes(pending)


def _check_size(body: Body, size: int) -> None:
    if size != body.size:
        raise EvidenceUnavailable("A message body changed before it was recorded")
