"""python -m tests.bench: figures of one run, interleaved; ratios are what counts, the machine is shared."""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import shutil
import tempfile
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

from gateway.messagelog import frames
from tests.bench.citizen import citizen_figures
from tests.bench.disclosure import disclosure_cost
from tests.bench.large import large_body
from tests.bench.log import log_figures
from tests.bench.measure import family_mb, fdatasync_ms, rss_mb
from tests.bench.rounds import (
    Target,
    counters,
    exchange_target,
    idle_cpu,
    load,
    measured,
    nothing_pair,
    post,
    subprocess,
    summary,
    two_servers,
)
from tests.bench.sealing import sealing_cost
from tests.bench.stamps import stamp_cost, words
from tests.support.country import Country

_SERVICE = ("127.0.0.1", 9599)


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench ARGS=...", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="pairs of rounds, nothing against exchange")
    parser.add_argument("--seconds", type=float, default=5.0, help="length of a round")
    parser.add_argument("--clients", type=int, default=32, help="connections, each with one request at a time")
    parser.add_argument("--pairs", type=int, default=40, help="pairs of short rounds, about nobody and about a person")
    parser.add_argument("--large", type=int, default=1024, help="MiB of the large body, 0: none")
    parser.add_argument("--leaves", type=int, default=40_000, help="leaves into the transparency log, 0: none")
    parser.add_argument("--records", type=int, default=1_000_000, help="access records, 1,000 of one citizen, 0: none")
    parser.add_argument("--sealing", type=int, default=4, help="starts of two pairs, one sealed, 0: none")
    parser.add_argument("--soak", type=int, default=0, help="exchanges to make while memory is watched, 0: none")
    return parser.parse_args()


async def main() -> None:
    chosen = options()
    folder = Path(tempfile.mkdtemp(prefix="bench"))
    try:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(subprocess("tests.bench.service", *map(str, _SERVICE)))
            country = Country(folder, two_servers(f"http://{_SERVICE[0]}:{_SERVICE[1]}"), fast=False)
            for server in country.servers.values():  # as in production: tests look for a new configuration every second
                server.more["global_configuration"] = {"anchor": f"http://{country.registry}/anchor.xml"}
            await stack.enter_async_context(country)
            print(
                f"{os.cpu_count()} processors, {platform.machine()}, Python {platform.python_version()}, {platform.system()}"
            )
            await _figures(chosen, country, await nothing_pair(stack, country))
        for batch in (20, 200) if chosen.leaves else ():
            await log_figures(chosen.leaves, batch)
        await disclosure_cost(pairs=chosen.pairs, seconds=1.0, clients=chosen.clients)
        if chosen.sealing:
            await sealing_cost(starts=chosen.sealing)
        if chosen.records:
            await citizen_figures(records=chosen.records)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def _figures(chosen: argparse.Namespace, country: Country, nothing: Target) -> None:
    exchange = exchange_target(country)
    await _idle(exchange)
    await _compare(chosen, country, nothing, exchange)
    _memory(country, exchange)
    await _one_client(chosen, exchange, country.folder)
    if chosen.soak:
        await _soak(chosen, country, exchange)
    for upload in (True, False) if chosen.large else ():
        found = await large_body(country, chosen.large << 20, upload=upload)
        growth = ", ".join(f"{name} +{megabytes:.0f} MB" for name, megabytes in found.growth.items())
        what = "request" if upload else "answer"
        print(
            f"{chosen.large} MiB {what}: SHA-512 right at the other end, {found.megabytes_per_second:.0f} MB/s, "
            f"memory {growth} (to reach: a server <= +32)"
        )


async def _idle(exchange: Target) -> None:
    """Before the load: for a minute behind it a server still makes time-stamps of what was asked."""
    await asyncio.sleep(3.0)  # what a server does once it has started
    idle = await idle_cpu(exchange, 10.0)
    print(
        "nobody asks: " + "  ".join(f"{name} {percent:.1f} %" for name, percent in idle.items()) + " of one processor"
    )


async def _compare(chosen: argparse.Namespace, country: Country, nothing: Target, exchange: Target) -> None:
    for target in (nothing, exchange) * 2:  # warm: connections, OCSP answers, verdicts, code
        await load(target, seconds=1.5, clients=chosen.clients)
    before = {name: await counters(country, name) for name in country.servers}
    rounds = [
        [await measured(target, seconds=chosen.seconds, clients=chosen.clients) for target in (nothing, exchange)]
        for _ in range(chosen.rounds)
    ]
    base = summary("pair doing nothing", [first for first, _ in rounds])
    total = summary("signed, logged x4", [second for _, second in rounds])
    each = sorted(second.total / first.total for first, second in rounds)
    print(f"ratio {total / base:.2f}, by round {each[0]:.2f} to {each[-1]:.2f} (to reach: <= 5)")
    for name in country.servers:
        grown = {k: v - before[name].get(k, 0) for k, v in (await counters(country, name)).items()}
        print(f"{name} meanwhile: " + ", ".join(f"{k.removeprefix('gateway_')} +{v:.0f}" for k, v in grown.items()))
    async with country.log_of("G22") as pool:
        signature = await pool.fetchval(f"SELECT avg({frames.LENGTH})::integer FROM message_record AS r")  # noqa: S608
    print(words(await stamp_cost(signature), total))


def _memory(country: Country, exchange: Target) -> None:
    servers = "  ".join(f"{name} {rss_mb(country.pid(name)):.0f} MB" for name in country.servers)
    print(f"resident: {servers} (to reach: <= 150)  PostgreSQL {family_mb(exchange.pids['PG']):.0f} MB")


async def _one_client(chosen: argparse.Namespace, exchange: Target, folder: Path) -> None:
    direct = replace(exchange, host=_SERVICE[0], port=_SERVICE[1], request=post("/small", _SERVICE[0]))
    alone, through = [
        (await load(target, seconds=chosen.seconds / 2, clients=1))["p50_ms"] for target in (direct, exchange)
    ]
    print(
        f"one idle client: p50 direct {alone:.2f} ms, through both servers {through:.2f} ms: "
        f"adds {through - alone:.2f} ms (to reach: <= 12), four commits among it; fdatasync alone {fdatasync_ms(folder):.2f} ms"
    )


async def _soak(chosen: argparse.Namespace, country: Country, exchange: Target) -> None:
    done = 0
    while done < chosen.soak:
        done += (await load(exchange, seconds=30.0, clients=chosen.clients))["count"]
        print(f"after {done} exchanges:", end=" ")
        _memory(country, exchange)


if __name__ == "__main__":
    asyncio.run(main())
