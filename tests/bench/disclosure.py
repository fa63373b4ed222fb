"""What citizens' records cost: the same exchange through the same processes, about nobody and about one person, interleaved.

The second has an access record, its leaf and its place in the series, the promise in the signed answer, and the submission to a
public log (which only counts; its own time is not the exchange's).
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import tempfile
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

from tests.bench.rounds import Target, exchange_target, load, measured, post, subprocess, summary
from tests.support.contracts import write_contract
from tests.support.country import Country, Server

_SERVICE = ("127.0.0.1", 9598)


def _servers(folder: Path) -> list[Server]:
    service = {
        "code": "small",
        "url": f"http://{_SERVICE[0]}:{_SERVICE[1]}/small",
        "endpoints": ["POST /nobody/*", "POST /persons/*"],
        "contract": write_contract(folder, "VN/GOV/G01/dancu/small"),
        "rights": [{"to": "GOV/G22/dvc"}],
    }
    log = {"origin": "tlog.vn.example/access", "log": f"http://{_SERVICE[0]}:{_SERVICE[1]}/log", "provider": 1}
    return [
        Server("G22", ["dvc"]),
        Server("G01", ["dancu"], services={"dancu": [service]}, more={"transparency": log}),
    ]


async def disclosure_cost(*, rounds: int, seconds: float, clients: int) -> None:
    """Prints both figures and the ratio."""
    folder = Path(tempfile.mkdtemp(prefix="bench"))
    try:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(subprocess("tests.bench.service", *map(str, _SERVICE)))
            country = await stack.enter_async_context(Country(folder, _servers(folder), fast=False))
            nobody, person = (_target(country, what) for what in ("nobody", "persons"))
            for target in (nobody, person) * 2:
                await load(target, seconds=1.5, clients=clients)
            pairs = [
                [await measured(target, seconds=seconds, clients=clients) for target in (nobody, person)]
                for _ in range(rounds)
            ]
            base = summary("about nobody", [first for first, _ in pairs])
            total = summary("about a person", [second for _, second in pairs])
            each = sorted(second.total / first.total - 1 for first, second in pairs)
            print(
                f"access record, leaf, promise, submission: {total - base:+.0f} us, {100 * (total / base - 1):+.1f} %, "
                f"by round {100 * each[0]:+.1f} to {100 * each[-1]:+.1f} (to reach: <= 10)"
            )
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _target(country: Country, what: str) -> Target:
    target = exchange_target(country)
    path = f"/r1/VN/GOV/G01/dancu/small/{what}/999300000017"
    return replace(target, request=post(path, target.host, "dvc"))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--clients", type=int, default=32)
    asyncio.run(disclosure_cost(**vars(parser.parse_args())))
