"""Time-stamps in a real instance: records of both sides are stamped behind the exchanges, two servers share a log and stamp nothing
twice, and an authority that goes away stops what its operator wanted stopped, until it is back."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

import asyncpg
import pytest

from gateway.messagelog.reader import MessageLogReader
from gateway.messagelog.verification import verify_message
from tests.support.country import Country, Server
from tests.support.service import Service, serving

pytestmark = [pytest.mark.slow, pytest.mark.timeout(100)]


def servers(service: Service) -> list[Server]:
    services = {"dancu": [{"code": "echo", "url": service.url, "rights": [{"to": "GOV/G22/dvc"}]}]}
    stops = {"evidence": {"timestamps": {"interval": "1s", "when_unavailable": "stop", "after": "2s"}}}
    goes_on = {"evidence": {"timestamps": {"interval": "1s", "when_unavailable": "degrade", "after": "1s"}}}
    provider = [Server("G01", ["dancu"], code=c, services=services, log="g01", more=goes_on) for c in ("ss1", "ss2")]
    return [Server("G22", ["dvc"], more=stops), *provider]


async def until(what: Callable[[], Awaitable[bool]]) -> None:
    while not await what():
        await asyncio.sleep(0.2)


async def call(country: Country, message_id: str) -> tuple[int, str]:
    status, _, body = await country.call("G22", "G01/dancu/echo/x", client="dvc", headers={"X-Road-Id": message_id})
    return status, "" if status == 200 else str(json.loads(body)["type"])


async def unstamped(pool: asyncpg.Pool) -> int:
    return int(await pool.fetchval("SELECT count(*) FROM unstamped_commit"))


async def check_all_stamped(country: Country, message_id: str) -> None:
    for name in ("G22", "G01"):
        async with country.log_of(name) as pool:
            await until(lambda pool=pool: _nothing_waits(pool))  # type: ignore[misc]  # bound at once
            reports = await verify_message(MessageLogReader(pool), message_id)
            assert reports
            for report in reports:
                assert report.ok, report
                assert "by 'Test TSA'" in report.steps[-1].what
            assert await pool.fetchval("SELECT sum(last - first + 1) FROM stamped_run") == await pool.fetchval(
                "SELECT count(*) FROM message_record"
            )


async def _nothing_waits(pool: asyncpg.Pool) -> bool:
    return await unstamped(pool) == 0


async def test_behind_the_exchanges_through_an_outage() -> None:
    folder = Path(tempfile.mkdtemp(prefix="stamps-", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None))
    try:
        async with serving() as service, Country(folder, servers(service)) as country:
            for _ in range(6):
                assert await call(country, "before") == (200, "")
            await check_all_stamped(country, "before")
            metrics = await country.metrics("G22")
            assert metrics["gateway_timestamp_waiting_records"] == 0
            assert metrics["gateway_timestamped_records_total"] >= 12
            problems = (await country.health("G22"))["problems"]
            assert [p["what"] for p in problems if "transparency: off" not in p["what"]] == []

            await country.crash("trust")
            assert await call(country, "outage") == (200, "")

            async def refused() -> bool:
                return await call(country, "outage") == (500, "server.clientproxy.logging_failed.timestamping_failed")

            await until(refused)
            health = await country.health("G22")
            assert health["status"] == "fail"
            assert any("Test TSA: it cannot be reached" in p["what"] for p in health["problems"])
            assert any("không giao dịch nào" in p["vi"] for p in health["problems"])
            assert (await country.metrics("G22"))["gateway_timestamp_lag_seconds"] > 2
            assert (await country.health("G01"))["status"] == "warn"  # 'degrade'

            await country.start_again("trust")

            async def answered() -> bool:
                return (await call(country, "after"))[0] == 200

            await until(answered)
            for message_id in ("outage", "after"):
                await check_all_stamped(country, message_id)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
