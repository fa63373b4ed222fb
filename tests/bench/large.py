"""One large body through both servers: how fast, how much memory it takes, and whether it arrived as it was sent."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp

from tests.bench.measure import Peaks, rss_mb
from tests.support.country import Country

_SERVERS = ("G22-ss1", "G01-ss1")
_HEADERS = {"X-Road-Client": "VN/GOV/G22/dvc"}
_PIECE = b"\x5a" * (1 << 20)


@dataclass(frozen=True)
class LargeBody:
    """`growth`: MB of resident memory at the peak above the start, by process; of PostgreSQL the sum, shared pages once."""

    megabytes_per_second: float
    growth: dict[str, float]


async def large_body(country: Country, size: int, *, upload: bool) -> LargeBody:
    """`size`: bytes, a multiple of 1 MiB. AssertionError when what arrives is not what was sent."""
    assert country.postgres is not None
    assert country.postgres.pid is not None
    pids = {name: country.pid(name) for name in _SERVERS}
    before = {name: rss_mb(pid) for name, pid in pids.items()}
    began = time.perf_counter()
    peaks = Peaks(pids, country.postgres.pid)
    async with asyncio.TaskGroup() as group:
        watching = group.create_task(peaks.watch())
        await (_send(country, size) if upload else _fetch(country, size))
        watching.cancel()
    seconds = time.perf_counter() - began
    growth = {name: peaks.servers[name] - before[name] for name in _SERVERS}
    return LargeBody(size / 1e6 / seconds, {**growth, "PostgreSQL": peaks.postgres - peaks.postgres_before})


async def _send(country: Country, size: int) -> None:
    """The service answers with the SHA-512 of what it got."""
    sent = hashlib.sha512()

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(size >> 20):
            sent.update(_PIECE)
            yield _PIECE

    async with _request("POST", country.url("G22", "G01/dancu/big/take"), data=pieces()) as answer:
        assert await answer.text() == sent.hexdigest()


async def _fetch(country: Country, size: int) -> None:
    """The service says the SHA-512 of what it sends in a header."""
    got = hashlib.sha512()
    async with _request("GET", country.url("G22", f"G01/dancu/big/give?size={size}")) as answer:
        async for data in answer.content.iter_any():
            got.update(data)
        assert answer.headers["Digest-Sha512"] == got.hexdigest()


@asynccontextmanager
async def _request(verb: str, url: str, **more: Any) -> AsyncIterator[aiohttp.ClientResponse]:
    async with (
        aiohttp.ClientSession(read_bufsize=1 << 20, timeout=aiohttp.ClientTimeout(total=None)) as session,
        session.request(verb, url, headers=_HEADERS, **more) as answer,
    ):
        assert answer.status == 200, (answer.status, await answer.text())
        yield answer
