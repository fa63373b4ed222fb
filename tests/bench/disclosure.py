"""What citizens' records cost: the same exchange through the same processes, about nobody and about one person.

The second has an access record, its leaf and its place in the series, the promise in the signed answer, and the submission to a
public log (which only counts; its own time is not the exchange's, `tests/bench/log.py` measures it).

Many short rounds in the order ABBA, so that what changes slowly in the machine falls on both alike; each with its neighbour is a
pair, and the median of pairs with the interval in which it lies is what counts. A round ends when the outbox has sent what it
gathered, so that nothing of a person's round is counted in nobody's.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import statistics
import tempfile
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

from tests.bench.measure import median_interval
from tests.bench.rounds import Round, Target, exchange_target, load, measured, post, subprocess, summary
from tests.support.contracts import write_contract
from tests.support.country import Country, Server

_SERVICE = ("127.0.0.1", 9598)
_SENT_AFTER = 0.6  # seconds from the last exchange until its leaf is with the log and noted


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


async def disclosure_cost(*, pairs: int, seconds: float, clients: int) -> None:
    """Prints both figures, the difference by process and the ratio."""
    folder = Path(tempfile.mkdtemp(prefix="bench"))
    try:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(subprocess("tests.bench.service", *map(str, _SERVICE)))
            country = Country(folder, _servers(folder), fast=False)
            for server in country.servers.values():  # as in production: tests look for a new configuration every second
                server.more["global_configuration"] = {"anchor": f"http://{country.registry}/anchor.xml"}
            await stack.enter_async_context(country)
            nobody, person = (_target(country, what) for what in ("nobody", "persons"))
            for target in (nobody, person) * 2:
                await load(target, seconds=1.5, clients=clients)
            found = []
            for n in range(pairs):
                order = (nobody, person) if n % 2 == 0 else (person, nobody)
                first, second = [
                    await measured(target, seconds=seconds, clients=clients, behind=_SENT_AFTER) for target in order
                ]
                found.append((first, second) if n % 2 == 0 else (second, first))
            _print(found)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _print(pairs: Sequence[tuple[Round, Round]]) -> None:
    base = summary("about nobody", [nobody for nobody, _ in pairs])
    summary("about a person", [person for _, person in pairs])
    more = {name: [person.cpu[name] - nobody.cpu[name] for nobody, person in pairs] for name in pairs[0][0].cpu}
    parts = "  ".join(f"{name} {_with_interval(values)}" for name, values in more.items())
    total = [person.total - nobody.total for nobody, person in pairs]
    low, high = (100 * end / base for end in median_interval(total))
    print(
        f"access record, leaf, promise, submission: {_with_interval(total)} us ({parts}), "
        f"{100 * statistics.median(total) / base:+.1f} % of {base:.0f} us ({low:+.1f} to {high:+.1f}) (to reach: <= 10)"
    )


def _with_interval(values: Sequence[float]) -> str:
    low, high = median_interval(values)
    return f"{statistics.median(values):+.0f} ({low:+.0f} to {high:+.0f})"


def _target(country: Country, what: str) -> Target:
    target = exchange_target(country)
    path = f"/r1/VN/GOV/G01/dancu/small/{what}/999300000017"
    return replace(target, request=post(path, target.host, "dvc"))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=16)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--clients", type=int, default=32)
    asyncio.run(disclosure_cost(**vars(parser.parse_args())))
