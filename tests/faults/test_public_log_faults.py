"""A whole instance with its public log: kill -9 of whoever takes part in a disclosure, and a log that is away.

Afterwards every answered call's promised leaves stand in the published log once, the log is sound, and the provider's series has no
gap. `GATEWAY_KILL_ROUNDS` (default 6) and `GATEWAY_KILL_SEED` say how often is killed and when; `GATEWAY_LOG_AWAY` (seconds,
default 8) how long the log is away under load.
"""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from gateway.app import demo
from gateway.app.transparency import fsck_of
from gateway.core.disclosure.promise import parse_promise
from tests.support.contracts import write_contract
from tests.support.country import Country, Server
from tests.support.killing import kill_at_random
from tests.support.load import Load, loading
from tests.support.service import serving

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

ROUNDS = int(os.environ.get("GATEWAY_KILL_ROUNDS", "6"))
SEED = int(os.environ.get("GATEWAY_KILL_SEED", random.randrange(1 << 32)))
AWAY = float(os.environ.get("GATEWAY_LOG_AWAY", "8"))
VICTIMS = ("G22", "G01", "transparency", "witness", "postgresql")
PERSON = "999300000017"


@asynccontextmanager
async def instance(**disclosing: Any) -> AsyncIterator[Country]:
    """A consumer, a provider that asks nobody for the purpose, the log and a witness; what is written is on the disk."""
    folder = Path(tempfile.mkdtemp(prefix="public-", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None))
    try:
        async with serving() as service:
            about = {
                "code": "small",
                "url": service.url,
                "endpoints": ["POST /nobody/*", "POST /persons/*"],
                "contract": write_contract(folder, "VN/GOV/G01/dancu/small"),
                "rights": [{"to": "GOV/G22/dvc"}],
            }
            servers = [
                Server("G22", ["dvc"]),
                Server("G01", ["dancu"], services={"dancu": [about]}, disclosing=disclosing),
            ]
            async with Country(folder, servers, fast=False, public_log=True) as country:
                yield country
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@asynccontextmanager
async def asking(country: Country, callers: int = 6) -> AsyncIterator[Load]:
    url = country.url("G22", f"G01/dancu/small/persons/{PERSON}")
    async with loading(url, "VN/GOV/G22/dvc", callers, always_post=True) as load:
        yield load


async def eventually(found: Callable[[], Any], timeout: float = 60.0) -> None:
    async with asyncio.timeout(timeout):
        while not await found():
            await asyncio.sleep(0.1)


async def check_disclosed(country: Country, load: Load) -> None:
    """Every record reaches the log; then everything that was promised is in it, and nothing is in it twice."""
    promised = [leaf for outcome in load.answered for leaf in parse_promise(outcome.promise).leaves]
    assert len(promised) == len(load.answered)
    async with country.log_of("G01") as provider, country.public_log() as log:
        await eventually(lambda: _all_published(country, provider, log))
        series = await provider.fetchrow("SELECT count(*) AS n, min(number), max(number) FROM access_record")
        assert series is not None
        assert (series["min"], series["max"]) == (1, series["n"])
        rows = await log.fetch("SELECT leaf_hash, sequence FROM log_entry JOIN log_place USING (record) ORDER BY index")
        assert sorted(row["sequence"] for row in rows) == list(range(1, series["n"] + 1))
        leaves = Counter(bytes(row["leaf_hash"]) for row in rows)
        assert set(leaves.values()) == {1}
        assert set(promised) <= leaves.keys()
    for report in await fsck_of(country.folder / "transparency.yaml"):
        assert report.problems == []


async def _all_published(country: Country, provider: asyncpg.Pool, log: asyncpg.Pool) -> bool:
    wanted = await provider.fetchval("SELECT count(*) FROM access_record")
    placed = await log.fetchval("SELECT count(*) FROM log_place")
    published = sum(report.published or 0 for report in await fsck_of(country.folder / "transparency.yaml"))
    return bool(wanted == placed == published)


async def test_kill_9_of_everybody_who_takes_part(monkeypatch: pytest.MonkeyPatch) -> None:
    print(f"GATEWAY_KILL_SEED={SEED}")
    chance = random.Random(SEED)
    monkeypatch.setattr(demo, "_RESTART_AFTER", 0.05)
    async with instance() as country:
        async with asking(country) as load:
            await kill_at_random(country, load, chance, VICTIMS, ROUNDS)
        print(dict(Counter((o.status, o.error) for o in load.outcomes)))
        await check_disclosed(country, load)
    assert len(load.answered) >= 10 * (ROUNDS + 1)


async def test_exchanges_go_on_while_the_log_is_away() -> None:
    async with instance() as country:
        async with asking(country) as load:
            await load.until_answered(10)
            await country.crash("transparency")
            began = time.monotonic()
            await asyncio.sleep(AWAY)
            meanwhile = [o for o in load.outcomes if o.began > began]
            await country.start_again("transparency")
            await load.until_answered(10)
        assert len(meanwhile) > AWAY
        assert {o.status for o in load.outcomes} == {200}
        await check_disclosed(country, load)


async def test_exchanges_stop_when_the_log_is_away_too_long_and_go_on_afterwards() -> None:
    async with instance(backlog={"alert_after": "1s", "stop_after": "2s"}) as country:
        async with asking(country, callers=2) as load:
            await load.until_answered(10)
            await country.crash("transparency")
            await eventually(lambda: _refuses(load))
            health = await country.health("G01")
            assert health["status"] == "fail"
            assert any("public log" in problem["what"] for problem in health["problems"])
            await country.start_again("transparency")
            await load.until_answered(10)
        refused = [o for o in load.outcomes if o.status != 200]
        assert {(o.status, o.error) for o in refused} == {(500, "server.serverproxy.logging_failed")}
        await check_disclosed(country, load)


async def _refuses(load: Load) -> bool:
    return load.outcomes[-1].status != 200
