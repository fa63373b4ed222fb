"""Two consumers; a provider served by two security servers that share one message log. One goes down under load, and comes back."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
import time
from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.support.country import Country, Server
from tests.support.load import Load, loading
from tests.support.service import Service, serving

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def servers(service: Service) -> list[Server]:
    rights = [{"to": "GOV/G22/dvc"}, {"to": "GOV/G15/hotich"}]
    services = {"dancu": [{"code": "echo", "url": service.url, "rights": rights}]}
    clustered = [Server("G01", ["dancu"], code=code, services=services, log="g01") for code in ("ss1", "ss2")]
    return [Server("G22", ["dvc"]), Server("G15", ["hotich"]), *clustered]


async def served(country: Country, name: str) -> float:
    """Exchanges that this server has answered as a provider since it started."""
    return (await country.metrics(name))['gateway_exchanges_total{outcome="ok",side="server"}']


def assert_only_calls_in_flight_failed(load: Load, moments: list[tuple[float, float]]) -> None:
    """A call may fail only when a server was killed (`moments`: from just before to just after) while it was under way, and
    then with X-Road's network error: it is never sent a second time."""
    for outcome in load.outcomes:
        if outcome.status != 200:
            assert (outcome.status, outcome.error) == (500, "server.clientproxy.network_error")
            assert any(outcome.began <= after and outcome.ended >= before for before, after in moments), outcome


async def test_one_of_two_servers_goes_down_and_comes_back() -> None:
    folder = Path(tempfile.mkdtemp(prefix="cluster-", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None))
    moments: list[tuple[float, float]] = []

    async def crash(country: Country, name: str) -> None:
        before = time.monotonic()
        await country.crash(name)
        moments.append((before, time.monotonic()))

    try:
        async with serving() as service, Country(folder, servers(service)) as country, AsyncExitStack() as calls:
            loads = [
                await calls.enter_async_context(loading(country.url(member, "G01/dancu/echo"), f"VN/GOV/{client}", 4))
                for member, client in (("G22", "G22/dvc"), ("G15", "G15/hotich"))
            ]

            async def go_on() -> None:
                await asyncio.gather(*(load.until_answered(40) for load in loads))

            await go_on()
            for goes, stays in (("G01-ss1", "G01-ss2"), ("G01-ss2", "G01-ss1")):
                await crash(country, goes)
                await go_on()  # both consumers' calls, through the other one
                assert await served(country, stays) >= 80
                await country.start_again(goes)
                await go_on()
            await calls.aclose()
            for load in loads:
                assert_only_calls_in_flight_failed(load, moments)
            await _check_log(country, loads, service)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def _check_log(country: Country, loads: list[Load], service: Service) -> None:
    """One log of both servers; each request taken once, whoever took it, and the service called once for it."""
    async with country.log_of("G01-ss1") as pool:
        rows = await pool.fetch("SELECT request_id FROM message_record WHERE kind = 'request'")
        claims = await pool.fetch("SELECT request_id FROM replay_claim")
    taken = Counter(row[0] for row in rows)
    called = Counter({n.lower(): v for n, v in headers}["x-road-request-id"] for _, _, headers, _ in service.calls)
    assert set(taken.values()) == set(called.values()) == {1}
    assert called.keys() <= taken.keys() == {row[0] for row in claims}
    assert {o.request_id for load in loads for o in load.answered} <= called.keys()
