"""What encryption at rest costs: one record by itself, then two pairs of servers that are the same but for it, under load.

Both pairs are loaded at the same time, so whatever else the machine does falls on both; a round compares the processor time of an
exchange of one with that of the other, PostgreSQL's back ends included. Two pairs are never quite alike, whatever they do (where
their memory lies, which processor they began on): after some rounds all servers start anew, and the other pair is the sealed one.

A share of a few percent drowns in that on a busy machine. So at last the sealed pair runs with a stopwatch on the code that seals
(`accounted.py`): what that takes is compared with all that an exchange takes in the same rounds. It counts no larger rows.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import statistics
import tempfile
import time
import timeit
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import uuid4

import asyncpg

from gateway.core.digest import sha512
from gateway.core.messagelog.record import RecordedBody
from gateway.core.sealing.access import seal_access
from gateway.core.sealing.envelope import NONCE_BYTES
from gateway.core.sealing.records import RECORD_NONCES
from gateway.messagelog.access import clear_row, sealed_row
from gateway.messagelog.frames import whole
from gateway.messagelog.records import Sealing, facts_of, record_of
from gateway.messagelog.rows import parameters
from tests.bench.accounted import ACCOUNT
from tests.bench.measure import cpu_seconds, median_interval
from tests.bench.rounds import Target, exchange_target, load, post, subprocess, two_servers
from tests.support.country import Country, Server
from tests.support.log_states import access_entries, signed_request
from tests.support.sealing import data_key

_SERVICE = ("127.0.0.1", 9598)
_PAIRS = (("G22", "G01"), ("G32", "G11"))
_RECORDS_OF_A_SERVER = 2  # in an exchange
_TRIES = 2000
_BACK_ENDS = "SELECT pid, datname FROM pg_stat_activity WHERE backend_type = 'client backend'"


def servers() -> list[Server]:
    """Both pairs, nothing sealed yet: G22 asks G01, G32 asks G11."""
    service = f"http://{_SERVICE[0]}:{_SERVICE[1]}"
    rights = [{"to": "GOV/G32/dvc"}]
    other = {"dancu": [{"code": "small", "url": f"{service}/small", "rights": rights}]}
    return [*two_servers(service), Server("G32", ["dvc"]), Server("G11", ["dancu"], services=other)]


def one_record() -> None:
    """CPU of this process for making rows, without any database."""
    key, request, entry = data_key(), signed_request(body=None), access_entries("999300000017")[0]
    body = b'{"status":"ok"}' * 20
    stored = RecordedBody(len(body), sha512(body), body, None)

    def plain() -> None:
        record = record_of(facts_of(request), uuid4(), stored)
        parameters([record], whole([record]), 1)

    def sealed() -> None:
        record = record_of(facts_of(request), uuid4(), stored, Sealing(key, os.urandom(RECORD_NONCES)))
        parameters([record], whole([record]), 1)

    def clear_entry() -> None:
        clear_row(entry)

    def sealed_entry() -> None:
        sealed_row(entry, seal_access(entry, key, os.urandom(NONCE_BYTES)))

    for what, before, after in (("message record", plain, sealed), ("access record", clear_entry, sealed_entry)):
        first, second = _each(before), _each(after)
        print(f"one {what}: {first:.1f} us in clear, {second:.1f} us sealed ({second - first:+.1f})")


def _each(work: Callable[[], None]) -> float:
    """Microseconds of CPU, the best of many tries: others on the machine can only add."""
    return min(timeit.repeat(work, number=_TRIES, repeat=15, timer=time.process_time)) / _TRIES * 1e6


@dataclass(frozen=True)
class Bench:
    """`targets`: in the order of `_PAIRS`. `database`: sees whose back ends there are."""

    country: Country
    targets: tuple[Target, Target]
    database: asyncpg.Connection
    seconds: float
    clients: int

    async def start(self, n: int) -> int:
        """All four servers for the `n`-th time, with new logs, and warm. Which pair is sealed."""
        sealed = n % 2
        names = [f"{member}-ss1" for pair in _PAIRS for member in pair]
        for name in names:
            if self.country.running(name):
                await self.country.crash(name)
        for name in names:
            server = self.country.servers[name]
            seal = {"seal_with": f"file:{self.country.cert(f'{name}-log.keys')}"}
            server.log = f"{server.member}_{n}".lower()
            server.more = {"evidence": seal} if server.member in _PAIRS[sealed] else {}
            self.country.write_server(server)
        for name in names:
            await self.country.start_again(name)
        await self.round()
        return sealed

    async def account(self, n: int, rounds: int) -> tuple[float, float]:
        """Microseconds of an exchange that sealing takes in the `n`-th start, and all that it takes."""
        pair = [f"{member}-ss1" for member in _PAIRS[n % 2]]
        files = [self.country.folder / f"{name}-account.json" for name in pair]
        for name, file in zip(pair, files, strict=True):
            child = self.country.children[name]
            child.arguments = ("tests.bench.accounted", *child.arguments[1:])
            child.environment = {ACCOUNT: str(file)}
        sealed = await self.start(n)
        whole = statistics.median([(await self.round())[sealed] for _ in range(rounds)])
        for name in pair:
            await self.country.stop(name)
        told = [json.loads(file.read_text()) for file in files]
        return sum(_RECORDS_OF_A_SERVER * 1e6 * one["seconds"] / one["records"] for one in told), whole

    async def round(self) -> list[float]:
        """Microseconds of processor time for an exchange, pair by pair."""
        before = [await self._times(pair) for pair in _PAIRS]
        loads = (load(target, seconds=self.seconds, clients=self.clients) for target in self.targets)
        found = await asyncio.gather(*loads)
        after = [await self._times(pair) for pair in _PAIRS]
        assert not any(f["bad"] for f in found), [f["first_bad"] for f in found]
        used = [
            sum(time - then.get(pid, 0.0) for pid, time in now.items()) for then, now in zip(before, after, strict=True)
        ]
        return [1e6 * seconds / f["count"] for seconds, f in zip(used, found, strict=True)]

    async def _times(self, pair: tuple[str, str]) -> dict[int, float]:
        """By process: the servers of a pair, and the back ends of their databases."""
        databases = {self.country.servers[f"{member}-ss1"].log for member in pair}
        back_ends = [row["pid"] for row in await self.database.fetch(_BACK_ENDS) if row["datname"] in databases]
        return {pid: cpu_seconds([pid]) for pid in (*map(self.country.pid, pair), *back_ends)}


async def sealing_cost(*, starts: int = 4, rounds: int = 9, seconds: float = 2.0, clients: int = 16) -> None:
    """Prints the figures. `starts`: of all servers; `rounds` after each, of so many `seconds`."""
    one_record()
    folder = Path(tempfile.mkdtemp(prefix="bench-sealing"))
    try:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(subprocess("tests.bench.service", *map(str, _SERVICE)))
            country = await stack.enter_async_context(Country(folder, servers(), fast=False))
            assert country.postgres is not None
            database = await asyncpg.connect(**country.postgres.dsn_kwargs())
            stack.push_async_callback(database.close)
            bench = Bench(country, _targets(country), database, seconds, clients)
            costs: list[list[tuple[float, float]]] = []
            for n in range(starts):
                sealed = await bench.start(n)
                found = [await bench.round() for _ in range(rounds)]
                costs.append([(both[1 - sealed], both[sealed]) for both in found])
            alone, whole = await bench.account(starts, rounds)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(words(costs))
    print(
        f"    of it the sealing itself, by a stopwatch in the servers: {alone:.0f} us of {whole:.0f}, {100 * alone / whole:.1f} %"
    )


def words(costs: list[list[tuple[float, float]]]) -> str:
    """`costs`: microseconds in clear and sealed, round by round, start by start."""
    by_start = [[100 * (sealed / clear - 1) for clear, sealed in some] for some in costs]
    shares = [share for some in by_start for share in some]
    low, high = median_interval(shares)
    clear = statistics.median(c for some in costs for c, _ in some)
    each = " ".join(f"{statistics.median(some):+.1f}" for some in by_start)
    return (
        f"encryption at rest: {statistics.median(shares):+.1f} % ({low:+.1f} to {high:+.1f}) of {clear:.0f} us in clear; "
        f"by start {each} (to reach: <= 5)"
    )


def _targets(country: Country) -> tuple[Target, Target]:
    first = exchange_target(country)
    host = country.address["G32-ss1"]
    request = post("/r1/VN/GOV/G11/dancu/small", host, "dvc").replace(b"GOV/G22/", b"GOV/G32/")
    return first, replace(first, host=host, request=request)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.bench.sealing", description=sealing_cost.__doc__)
    parser.add_argument("--starts", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--clients", type=int, default=16)
    asyncio.run(sealing_cost(**vars(parser.parse_args())))
