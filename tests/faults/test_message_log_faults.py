"""Each write failed and lost, failed but kept; then the whole log is looked at: what was acknowledged is there, once.

A record that was not acknowledged may be there (the exchange stopped, its record stands); it is never there twice.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from gateway.core.errors import EvidenceUnavailable, ReplayedRequest
from gateway.messagelog import frames
from gateway.messagelog.groupcommit import LogLimits
from gateway.messagelog.maintenance import LogMaintenance
from gateway.messagelog.writer import MessageLogWriter
from gateway.storage.database import Database, EmbeddedDatabase, open_database, open_pool
from gateway.storage.embedded import EmbeddedPostgres
from tests.support.killing import kill_database
from tests.support.log_states import (
    NOW,
    SERVER,
    PatternBody,
    authorized_request,
    configuration,
    framed,
    refused_request,
    signed_request,
    signed_response,
)
from tests.support.pg_proxy import Cut, CuttingProxy, cutting_proxy

pytestmark = pytest.mark.slow

CUTS: list[Cut] = ["lost", "kept"]


@asynccontextmanager
async def writing(database: Database, limits: LogLimits | None = None) -> AsyncIterator[MessageLogWriter]:
    writer = MessageLogWriter(database.pool, lambda: NOW, SERVER, limits or LogLimits())
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(writer.run())
        yield writer
        await writer.drain()


@asynccontextmanager
async def through_proxy(
    pg: EmbeddedPostgres, database: Database, tmp_path: Path
) -> AsyncIterator[tuple[CuttingProxy, Database]]:
    """The same database by a way that can be cut."""
    name = await database.pool.fetchval("SELECT current_database()")
    with tempfile.TemporaryDirectory() as short:  # tmp_path is too long for a socket
        async with cutting_proxy(pg.dsn_kwargs(name), Path(short)) as (proxy, target):
            cut = Database(await open_pool(target), target)
            try:
                yield proxy, cut
            finally:
                await cut.close()


async def _numbers(database: Database) -> list[int]:
    return [row[0] for row in await database.pool.fetch("SELECT number FROM message_record ORDER BY number")]


async def _check_log(database: Database) -> None:
    """Nothing doubled, every server request claimed once, every configuration and body there."""
    wrong = await database.pool.fetchrow("""
        SELECT (SELECT count(*) FROM (SELECT uid FROM message_record GROUP BY uid HAVING count(*) > 1) AS d) AS doubled,
               (SELECT count(*) FROM message_record WHERE decision IS NOT NULL)
             - (SELECT count(*) FROM replay_claim) AS unclaimed,
               (SELECT count(*) FROM message_record r WHERE NOT EXISTS
                    (SELECT FROM globalconf_snapshot s WHERE s.fingerprint = r.conf_fingerprint)) AS unknown_conf,
               (SELECT count(*) FROM message_record r WHERE frame_digest IS NOT NULL AND NOT EXISTS (
                    SELECT FROM signature_frame f
                    WHERE f.digest = frame_digest AND f.day = (r.time AT TIME ZONE 'UTC')::date)) AS frameless,
               (SELECT count(*) FROM message_record r WHERE body_id IS NOT NULL AND body_size <>
                    (SELECT sum(octet_length(data)) FROM body_chunk c WHERE c.body_id = r.body_id)) AS broken_bodies
    """)
    assert dict(wrong) == {"doubled": 0, "unclaimed": 0, "unknown_conf": 0, "frameless": 0, "broken_bodies": 0}


@pytest.mark.parametrize("how", CUTS)
async def test_a_cut_batch_is_settled_truthfully(
    pg: EmbeddedPostgres, database: Database, tmp_path: Path, how: Cut
) -> None:
    async with through_proxy(pg, database, tmp_path) as (proxy, cut), writing(cut) as writer:
        first = await writer.append_authorized(authorized_request())
        proxy.cut(how)
        appended: list[Any] = await asyncio.gather(
            *(writer.append_authorized(authorized_request()) for _ in range(20)),
            *(writer.append_refused(refused_request()) for _ in range(5)),
            *(writer.append_request(signed_request()) for _ in range(5)),
            writer.append_reply(signed_response(first)),
        )
        assert (proxy.cuts, writer.stats().reconnects, writer.stats().replays) == (1, 1, 0)
    numbers = [first.record_number, *(a.record_number for a in appended)]
    assert await _numbers(database) == sorted(numbers)
    await _check_log(database)


@pytest.mark.parametrize("how", CUTS)
async def test_a_replay_in_a_cut_batch_is_still_a_replay(
    pg: EmbeddedPostgres, database: Database, tmp_path: Path, how: Cut
) -> None:
    async with through_proxy(pg, database, tmp_path) as (proxy, cut), writing(cut) as writer:
        await writer.append_authorized(authorized_request("taken"))
        proxy.cut(how)
        outcomes = await asyncio.gather(
            *(writer.append_authorized(authorized_request(id)) for id in ("taken", "new", "new", "other")),
            return_exceptions=True,
        )
    assert [isinstance(o, ReplayedRequest) for o in outcomes] == [True, False, True, False]
    assert len(await _numbers(database)) == 3
    await _check_log(database)


@pytest.mark.parametrize("how", CUTS)
async def test_every_message_of_the_first_transaction(
    pg: EmbeddedPostgres, database: Database, tmp_path: Path, how: Cut
) -> None:
    """With a new configuration: connect, become the writer, BEGIN, configuration, record, COMMIT. Cut at each of them in turn."""
    async with through_proxy(pg, database, tmp_path) as (proxy, cut):
        for after in range(100):
            async with writing(cut) as writer:
                conf = configuration(f"{how}-{after}")
                proxy.cut(how, after)
                body = PatternBody(2 << 20)
                await writer.append_request(signed_request(conf=conf, body=body, message_id=f"{after}"))
            if proxy.cuts <= after:
                break
            await cut.pool.expire_connections()
        assert 10 < proxy.cuts < 100
        proxy.forget()
    ids = await database.pool.fetch("SELECT message_id, count(*) FROM message_record GROUP BY 1")
    assert Counter({row[0]: row[1] for row in ids}) == Counter(str(n) for n in range(after + 1))
    await _check_log(database)


@pytest.mark.parametrize("how", CUTS)
async def test_every_message_of_a_transaction_with_a_frame(
    pg: EmbeddedPostgres, database: Database, tmp_path: Path, how: Cut
) -> None:
    """BEGIN, frame, records, COMMIT. Cut at each of them in turn: no record names a frame that is not there."""
    written: set[bytes] = set()
    async with through_proxy(pg, database, tmp_path) as (proxy, cut):
        for after in range(100):
            frame = b"frame %d" % after
            requests = [framed(signed_request(), frame) for _ in range(4)]
            async with writing(cut) as writer:
                await writer.append_request(requests[0])
                proxy.cut(how, after)
                await asyncio.gather(*map(writer.append_request, requests[1:]))
            written |= {request.parts.signature for request in requests}
            if proxy.cuts <= after:
                break
            await cut.pool.expire_connections()
        assert 4 < proxy.cuts < 100
        proxy.forget()
    await _check_log(database)
    rows = await database.pool.fetch(f"SELECT {frames.COLUMNS} FROM message_record AS r")  # noqa: S608
    assert Counter(map(frames.signature_of, rows)) == Counter(written)
    assert sum(row["signature"] is None for row in rows) > len(rows) / 2


async def test_the_first_commit_may_still_be_under_way(
    pg: EmbeddedPostgres, database: Database, tmp_path: Path
) -> None:
    """The connection is lost while the server waits for a lock; the same records are written again on a new connection; then both
    get the lock. They are known by their uid: one stays."""
    async with through_proxy(pg, database, tmp_path) as (proxy, cut), writing(cut, LogLimits(patience=20)) as writer:
        await writer.append_request(signed_request())
        async with database.owner() as owner:
            async with owner.transaction():
                await owner.execute("LOCK TABLE message_record_default IN ACCESS EXCLUSIVE MODE")
                appending = asyncio.gather(*(writer.append_authorized(authorized_request()) for _ in range(3)))
                await _until_waiting(owner, 1)
                proxy.hang_up()
                await _until_waiting(owner, 2)
            appended = await appending
    assert len({a.record_number for a in appended}) == 3
    assert len(await _numbers(database)) == 4
    await _check_log(database)


async def _until_waiting(owner: object, sessions: int) -> None:
    statement = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    async with asyncio.timeout(10):
        while await owner.fetchval(statement) < sessions:  # type: ignore[attr-defined]
            await owner.execute("SELECT pg_stat_clear_snapshot()")  # type: ignore[attr-defined]
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("error", ["terminated", "restarted"])
async def test_a_server_that_ends_our_sessions(database: Database, error: str) -> None:
    async with writing(database) as writer:
        await writer.append_request(signed_request())
        async with database.owner() as owner:
            await owner.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        appended: list[Any] = await asyncio.gather(*(writer.append_request(signed_request()) for _ in range(10)))
    assert len(await _numbers(database)) == 11
    assert len({a.record_number for a in appended}) == 10


async def test_a_database_that_stays_away(pg: EmbeddedPostgres, database: Database, tmp_path: Path) -> None:
    async with through_proxy(pg, database, tmp_path) as (proxy, cut), writing(cut, LogLimits(patience=2)) as writer:
        await writer.append_authorized(authorized_request())
        keep_cutting = asyncio.get_running_loop().create_task(_cut_forever(proxy))
        outcomes = await asyncio.gather(
            *(writer.append_authorized(authorized_request()) for _ in range(5)), return_exceptions=True
        )
        keep_cutting.cancel()
        assert [type(o) for o in outcomes] == [EvidenceUnavailable] * 5
        proxy.forget()
        await writer.append_authorized(authorized_request())  # and it recovers
    assert len(await _numbers(database)) == 2


async def _cut_forever(proxy: CuttingProxy) -> None:
    while True:
        proxy.cut("lost")
        await asyncio.sleep(0.001)


async def test_a_claim_survives_a_restart(database: Database) -> None:
    for expected in (False, True):
        async with writing(database) as writer:
            try:
                await writer.append_authorized(authorized_request("once"))
                replayed = False
            except ReplayedRequest:
                replayed = True
        assert replayed is expected


async def test_two_servers_share_claims(database: Database) -> None:
    async with writing(database) as one, writing(database) as two:
        ids = [str(uuid4()) for _ in range(50)]
        outcomes = await asyncio.gather(
            *(writer.append_authorized(authorized_request(id)) for id in ids for writer in (one, two)),
            return_exceptions=True,
        )
    assert sum(isinstance(o, ReplayedRequest) for o in outcomes) == 50
    assert len(await _numbers(database)) == 50


async def test_kill_9_of_postgresql_under_load() -> None:
    """fsync on, as in production. Afterwards every acknowledged record is there, and none twice."""
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    directory = Path(tempfile.mkdtemp(prefix="gateway-test-", dir=memory))
    try:
        database = await open_database(EmbeddedDatabase(directory, "log"))
        await LogMaintenance(database, lambda: NOW).once()
        try:
            acknowledged, refused = await _kill_under_load(database, kills=3)
            found = await database.pool.fetch("SELECT request_id, number FROM message_record")
            await _check_log(database)
        finally:
            await database.close()
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    assert len(found) == len({row["request_id"] for row in found})
    assert acknowledged.items() <= {row["request_id"]: row["number"] for row in found}.items()
    assert len(acknowledged) > 200
    assert not refused  # patience was longer than each outage


async def _kill_under_load(database: Database, kills: int) -> tuple[dict[str, int], list[str]]:
    acknowledged: dict[str, int] = {}
    refused: list[str] = []
    server = database.server
    assert server is not None
    stop = asyncio.Event()

    async def load(writer: MessageLogWriter) -> None:
        while not stop.is_set():
            request = authorized_request()
            id = request.authorized.authentic.incoming.request.request_id
            try:
                acknowledged[id] = (await writer.append_authorized(request)).record_number
            except (EvidenceUnavailable, ReplayedRequest):
                refused.append(id)

    async with writing(database, LogLimits(patience=30)) as writer, asyncio.TaskGroup() as tasks:
        for _ in range(20):
            tasks.create_task(load(writer))
        for kill in range(1, kills + 1):
            async with asyncio.timeout(30):
                while len(acknowledged) < 100 * kill:
                    await asyncio.sleep(0.001)
            await kill_database(server)
        while len(acknowledged) < 100 * (kills + 1):
            await asyncio.sleep(0.001)
        stop.set()
    return acknowledged, refused
