"""What encryption at rest costs: one record by itself, then rounds on two pairs of servers in one country, one sealed and one not,
taken in turn."""

from __future__ import annotations

import asyncio
import os
import shutil
import statistics
import tempfile
import time
import timeit
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

from gateway.core.digest import sha512
from gateway.core.messagelog.record import RecordedBody
from gateway.core.sealing.access import seal_access
from gateway.core.sealing.envelope import NONCE_BYTES
from gateway.core.sealing.records import RECORD_NONCES
from gateway.messagelog.access import clear_row, sealed_row
from gateway.messagelog.records import Sealing, record_of
from gateway.messagelog.rows import parameters
from tests.bench.rounds import exchange_target, load, measured, post, subprocess, summary, two_servers
from tests.support.country import Country, Server
from tests.support.log_states import access_entries, signed_request
from tests.support.sealing import data_key

_SERVICE = ("127.0.0.1", 9598)
_ROUNDS = 9
_SECONDS = 4.0
_CLIENTS = 32
_TRIES = 2000


def servers(folder: Path) -> list[Server]:
    """G22 asks G01, both sealed; G32 asks G11, both not."""
    service = f"http://{_SERVICE[0]}:{_SERVICE[1]}"
    sealed = two_servers(service)
    for server in sealed:
        server.more["evidence"] = {"seal_with": f"file:{folder}/certs/{server.name}-log.keys"}
    rights = [{"to": "GOV/G32/dvc"}]
    plain = {"dancu": [{"code": "small", "url": f"{service}/small", "rights": rights}]}
    return [*sealed, Server("G32", ["dvc"]), Server("G11", ["dancu"], services=plain)]


def one_record() -> None:
    """CPU of this process for making rows, without any database."""
    key, request, entry = data_key(), signed_request(body=None), access_entries("999300000017")[0]
    body = b'{"status":"ok"}' * 20
    stored = RecordedBody(len(body), sha512(body), body, None)

    def plain() -> None:
        parameters([record_of(request, uuid4(), stored)], 1)

    def sealed() -> None:
        parameters([record_of(request, uuid4(), stored, Sealing(key, os.urandom(RECORD_NONCES)))], 1)

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


async def main() -> None:
    one_record()
    folder = Path(tempfile.mkdtemp(prefix="bench-sealing"))
    try:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(subprocess("tests.bench.service", *map(str, _SERVICE)))
            country = await stack.enter_async_context(Country(folder, servers(folder), fast=False))
            sealed = exchange_target(country)
            host = country.address["G32-ss1"]
            request = post("/r1/VN/GOV/G11/dancu/small", host, "dvc").replace(b"GOV/G22/", b"GOV/G32/")
            pids = {"A": country.pid("G32"), "B": country.pid("G11"), "PG": sealed.pids["PG"]}
            plain = replace(sealed, host=host, request=request, pids=pids)
            for target in (plain, sealed) * 2:
                await load(target, seconds=1.5, clients=_CLIENTS)
            rounds = [
                [await measured(target, seconds=_SECONDS, clients=_CLIENTS) for target in (plain, sealed)]
                for _ in range(_ROUNDS)
            ]
        base = summary("plain", [first for first, _ in rounds])
        total = summary("sealed at rest", [second for _, second in rounds])
        each = sorted(100 * (second.total / first.total - 1) for first, second in rounds)
        print(
            f"encryption at rest: {total - base:+.0f} us, {100 * (total / base - 1):+.1f} % of an exchange; by round "
            f"{each[0]:+.1f} to {each[-1]:+.1f} %, median {statistics.median(each):+.1f} % (to reach: <= 5)"
        )
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    asyncio.run(main())
