"""kill -9 of either server and of PostgreSQL at random moments under load; then both logs are read from end to end.

`GATEWAY_KILL_ROUNDS` (default 8, two kills a round) and `GATEWAY_KILL_SEED` change how much is killed and when.
"""

from __future__ import annotations

import os
import random
import shutil
import tempfile
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import pytest

from gateway.app import demo
from gateway.messagelog import frames
from gateway.messagelog.reader import MessageLogReader
from gateway.messagelog.verification import verify_message
from tests.support.country import Country, Server
from tests.support.killing import kill_at_random
from tests.support.load import MESSAGE_ID, loading
from tests.support.service import Service, serving

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

ROUNDS = int(os.environ.get("GATEWAY_KILL_ROUNDS", "8"))
SEED = int(os.environ.get("GATEWAY_KILL_SEED", random.randrange(1 << 32)))
VICTIMS = ("G22", "G01", "postgresql")


@asynccontextmanager
async def pair() -> AsyncIterator[tuple[Country, Service]]:
    """A consumer and a provider whose log keeps what it said it keeps."""
    folder = Path(tempfile.mkdtemp(prefix="kill-", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None))
    try:
        async with serving() as service:
            echo = {"code": "echo", "url": service.url, "rights": [{"to": "GOV/G22/dvc"}]}
            servers = [Server("G22", ["dvc"]), Server("G01", ["dancu"], services={"dancu": [echo]})]
            async with Country(folder, servers, fast=False) as country:
                yield country, service
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@dataclass(frozen=True, slots=True)
class Row:
    request_id: str
    signature: bytes
    part: bytes
    decision: str | None


async def records(pool: asyncpg.Pool, side: str, kind: str) -> dict[str, Row]:
    """By request id; AssertionError when one stands twice."""
    statement = (
        f"SELECT request_id, part, decision, {frames.COLUMNS} FROM message_record AS r WHERE side = $1 AND kind = $2"  # noqa: S608
    )
    rows = [
        Row(row["request_id"], frames.signature_of(row), row["part"], row["decision"])
        for row in await pool.fetch(statement, side, kind)
    ]
    found = {row.request_id: row for row in rows}
    assert len(found) == len(rows)
    return found


async def test_kill_9_at_random_moments_under_load(monkeypatch: pytest.MonkeyPatch) -> None:
    print(f"GATEWAY_KILL_SEED={SEED}")
    chance = random.Random(SEED)
    monkeypatch.setattr(demo, "_RESTART_AFTER", 0.05)
    async with pair() as (country, service):
        url = country.url("G22", "G01/dancu/echo")
        async with loading(url, "VN/GOV/G22/dvc") as load:
            await kill_at_random(country, load, chance, VICTIMS, ROUNDS)
        async with country.log_of("G22") as consumer, country.log_of("G01") as provider:
            await _check(consumer, provider, {o.request_id for o in load.answered}, service)
        outcomes = Counter((o.status, o.error) for o in load.outcomes)
        print(dict(outcomes))
        assert all(status in (0, 200) or error.startswith("server.") for status, error in outcomes)
    assert len(load.answered) >= 10 * (ROUNDS + 1)


async def _check(consumer: asyncpg.Pool, provider: asyncpg.Pool, answered: set[str], service: Service) -> None:
    asked, given = await records(consumer, "client", "request"), await records(consumer, "client", "response")
    taken, replied = await records(provider, "server", "request"), await records(provider, "server", "response")

    # nothing that one side believes came from the other without the other's record of the same signature
    assert {id: (r.signature, r.part) for id, r in taken.items()}.items() <= {
        id: (r.signature, r.part) for id, r in asked.items()
    }.items()
    assert {id: (r.signature, r.part) for id, r in given.items()}.items() <= {
        id: (r.signature, r.part) for id, r in replied.items()
    }.items()
    assert given.keys() <= asked.keys()
    assert replied.keys() <= taken.keys()

    # whoever was answered finds four records; the service saw nothing twice, and nothing without a record
    assert answered <= given.keys()
    called = Counter({n.lower(): v for n, v in headers}["x-road-request-id"] for _, _, headers, _ in service.calls)
    assert set(called.values()) == {1}
    assert called.keys() <= taken.keys()

    for pool in (consumer, provider):
        reports = await verify_message(MessageLogReader(pool), MESSAGE_ID)
        assert len(reports) == len(asked) + len(given) if pool is consumer else len(taken) + len(replied)
        assert [r for r in reports if not r.ok] == []
