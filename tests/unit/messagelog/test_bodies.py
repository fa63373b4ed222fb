"""Large bodies: flat memory, exact bytes, no half body taken for a whole one."""

from __future__ import annotations

import asyncio
import hashlib
import tracemalloc

import asyncpg
import pytest

from gateway.core.digest import Digest, DigestAlgorithm
from gateway.core.errors import EvidenceUnavailable
from gateway.core.messagelog.record import RecordedBody
from gateway.messagelog import bodies
from gateway.messagelog.bodies import PIECE, store_body
from gateway.messagelog.reader import MessageLogReader
from gateway.storage.database import Database
from gateway.transport.spool import InlineBody
from tests.support.log_states import PatternBody, digest_of_nothing


async def _digest(body: PatternBody) -> Digest:
    running = hashlib.sha512()
    async for piece in body.chunks():
        running.update(piece)
    return Digest(DigestAlgorithm.SHA512, running.digest())


async def _read(database: Database, stored: RecordedBody) -> tuple[int, bytes]:
    running, pieces = hashlib.sha512(), 0
    async for piece in MessageLogReader(database.pool).body(stored):
        running.update(piece)
        pieces += 1
    return pieces, running.digest()


async def test_twenty_mebibytes_in_flat_memory(database: Database) -> None:
    size = 20 * PIECE + 17
    digest = await _digest(PatternBody(size))
    body = PatternBody(size, digest=digest)
    await database.pool.fetchval("SELECT 1")
    tracemalloc.start()
    try:
        stored = await store_body(database.pool, body, inline_below=1000, patience=10)
        read = await _read(database, stored)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert read == (21, digest.value)
    assert (stored.size, stored.digest, stored.inline) == (size, digest, None)
    assert peak < 8 * PIECE


@pytest.mark.parametrize("size", [0, 1, 1000])
async def test_small_ones_stand_in_the_record(database: Database, size: int) -> None:
    for body in (PatternBody(size), InlineBody(PatternBody(size).whole())):
        stored = await store_body(database.pool, body, inline_below=1000, patience=1)
        assert (stored.inline, stored.pieces_id) == (PatternBody(size).whole(), None)


@pytest.mark.parametrize("size", [10, 3 * PIECE])
async def test_a_body_that_is_not_as_long_as_it_says(database: Database, size: int) -> None:
    class Cut(PatternBody):
        @property
        def size(self) -> int:
            return super().size + 1

    with pytest.raises(EvidenceUnavailable, match="changed"):
        await store_body(database.pool, Cut(size, digest=digest_of_nothing()), inline_below=1000, patience=1)
    assert await database.pool.fetchval("SELECT count(*) FROM body_chunk") == 0


@pytest.mark.parametrize(
    ("errors", "readings"),
    [([ConnectionResetError()], 2), ([asyncpg.DeadlockDetectedError(), TimeoutError()], 3)],
)
async def test_a_lost_connection_starts_the_body_anew(
    database: Database, monkeypatch: pytest.MonkeyPatch, errors: list[Exception], readings: int
) -> None:
    _fail_at_the_end(monkeypatch, errors)
    body = PatternBody(2 * PIECE, digest=digest_of_nothing())
    stored = await store_body(database.pool, body, inline_below=0, patience=1)
    assert body.readings == readings
    assert (await _read(database, stored))[0] == 2


async def test_gives_up_in_words(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    for errors in ([asyncpg.DiskFullError()], [OSError()] * 9):
        _fail_at_the_end(monkeypatch, list(errors))
        with pytest.raises(EvidenceUnavailable, match="cannot take the body"):
            await store_body(database.pool, PatternBody(PIECE), inline_below=0, patience=1)


def _fail_at_the_end(monkeypatch: pytest.MonkeyPatch, errors: list[Exception]) -> None:
    monkeypatch.setattr(bodies, "_FIRST_PAUSE", 0.001)

    def check(body: object, size: int) -> None:
        if errors:
            raise errors.pop()

    monkeypatch.setattr(bodies, "_check_size", check)


async def test_several_large_bodies_at_once(database: Database) -> None:
    body = PatternBody(2 * PIECE)
    stored = await asyncio.gather(*(store_body(database.pool, body, inline_below=0, patience=10) for _ in range(12)))
    assert len({s.pieces_id for s in stored}) == 12
