"""python -m tests.bench: figures of one run, interleaved; ratios are what counts, the machine is shared."""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from tests.bench.measure import cpu_seconds, family, peak_rss_mb, rss_mb
from tests.bench.nothing import ANSWER
from tests.support.country import CLIENT_PORT, Country, Server

_BODY = b'{"query":"' + b"q" * 1000 + b'"}'
_COUNTERS = ("gateway_tls_handshakes_total", "gateway_chain_verifications_total", "gateway_ocsp_verifications_total")


@dataclass
class Round:
    """Microseconds of CPU per exchange by process; the load generator's own figures."""

    cpu: dict[str, float]
    load: dict[str, Any]

    @property
    def total(self) -> float:
        return sum(self.cpu.values())


async def load(host: str, port: int, request: bytes, *, seconds: float, clients: int) -> dict[str, Any]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.bench.load", host, str(port), str(seconds), str(clients)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate(request)
    result: dict[str, Any] = json.loads(out)
    return result


async def measured(pids: dict[str, int], host: str, port: int, request: bytes, seconds: float, clients: int) -> Round:
    families = {name: family(pid) for name, pid in pids.items()}
    before = {name: cpu_seconds(found) for name, found in families.items()}
    result = await load(host, port, request, seconds=seconds, clients=clients)
    after = {name: cpu_seconds(found) for name, found in families.items()}
    return Round({name: 1e6 * (after[name] - before[name]) / result["count"] for name in pids}, result)


@asynccontextmanager
async def subprocess(*arguments: str) -> AsyncIterator[int]:
    """A process that says READY; killed at the end."""
    process = await asyncio.create_subprocess_exec(sys.executable, *arguments, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    assert (await process.stdout.readline()).startswith(b"READY")
    try:
        yield process.pid
    finally:
        process.kill()
        await process.wait()


async def nothing_pair(stack: AsyncExitStack, country: Country) -> tuple[dict[str, int], str, int]:
    certs = country.folder / "certs"
    keys = [str(certs / "G01-ss1-tls.pem"), str(certs / "G01-ss1-tls.key"), str(certs / "G01-ss1-tls.pem")]
    host = f"{country.network}.90"
    pair = "tests.bench.nothing"
    b = await stack.enter_async_context(subprocess("-m", pair, "b", host, "9443", "-", *keys))
    a = await stack.enter_async_context(subprocess("-m", pair, "a", host, "9080", f"https://{host}:9443/", *keys))
    return {"A": a, "B": b}, host, 9080


def post(path: str, host: str, client: str | None = None) -> bytes:
    who = f"X-Road-Client: VN/GOV/G22/{client}\r\n" if client else ""
    head = f"POST {path} HTTP/1.1\r\nHost: {host}\r\n{who}Content-Type: application/json\r\nContent-Length: {len(_BODY)}\r\n\r\n"
    return head.encode() + _BODY


async def counters(country: Country, name: str) -> dict[str, float]:
    found: dict[str, float] = {}
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://{country.address[name]}:9100/metrics") as answer,
    ):
        for line in (await answer.text()).splitlines():
            if line.startswith(_COUNTERS):
                found[line.rpartition(" ")[0]] = float(line.rpartition(" ")[2])
    return found


async def direct_and_added(country: Country, service: str, request: bytes, seconds: float) -> tuple[float, float]:
    """p50 in ms for one idle client: straight to the service, and through both servers."""
    host, _, port = service.removeprefix("http://").partition("/")[0].partition(":")
    direct = await load(host, int(port), post("/", host), seconds=seconds, clients=1)
    through = await load(country.address["G22-ss1"], CLIENT_PORT, request, seconds=seconds, clients=1)
    return direct["p50_ms"], through["p50_ms"]


async def large_body(country: Country, size: int, *, upload: bool) -> dict[str, float]:
    """One body of `size` bytes; its digest is checked by the signatures on the way and by length here."""
    pids = {name: country.pid(name) for name in ("G22-ss1", "G01-ss1")}
    before = {name: rss_mb(pid) for name, pid in pids.items()}
    piece = b"\x5a" * (1 << 20)

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(size >> 20):
            yield piece

    began = time.perf_counter()
    async with aiohttp.ClientSession(read_bufsize=1 << 20) as session:
        url = country.url("G22", "G01/dancu/big/" + ("take" if upload else f"give?size={size}"))
        more: dict[str, Any] = {"data": pieces()} if upload else {}
        headers = {"X-Road-Client": "VN/GOV/G22/dvc"}
        timeout = aiohttp.ClientTimeout(total=None)
        async with session.request(
            "POST" if upload else "GET", url, headers=headers, timeout=timeout, **more
        ) as answer:
            got = 0
            async for data in answer.content.iter_any():
                got += len(data)
            assert answer.status == 200, answer.status
            assert upload or got == size, got
    seconds = time.perf_counter() - began
    growth = {f"{name} peak growth MB": peak_rss_mb(pid) - before[name] for name, pid in pids.items()}
    return {"MB/s": size / 1e6 / seconds, **growth}


def show(title: str, rounds: Sequence[Round]) -> float:
    names = list(rounds[0].cpu)
    medians = {n: statistics.median(r.cpu[n] for r in rounds) for n in names}
    total = statistics.median(r.total for r in rounds)
    by_process = "  ".join(f"{n} {v:.0f}" for n, v in medians.items())
    figure = {k: statistics.median(r.load[k] for r in rounds) for k in ("per_second", "p50_ms", "p99_ms")}
    bad = sum(r.load["bad"] for r in rounds)
    print(
        f"{title:<22} CPU us/exchange {total:7.0f}  ({by_process})   {figure['per_second']:.0f}/s"
        f"   p50 {figure['p50_ms']:.1f} ms   p99 {figure['p99_ms']:.1f} ms   bad {bad}"
    )
    for r in rounds:
        if r.load["first_bad"]:
            print("   first bad:", r.load["first_bad"])
    return total


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=6.0)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--large", type=int, default=1024, help="MiB of the large body, 0 = none")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="bench"))
    try:
        async with AsyncExitStack() as stack:
            service = await stack.enter_async_context(_service())
            await _run(options, folder, service, stack)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@asynccontextmanager
async def _service() -> AsyncIterator[str]:
    async with subprocess("-m", "tests.bench.service", "127.0.0.1", "9599"):
        yield "http://127.0.0.1:9599"


async def _run(options: argparse.Namespace, folder: Path, service: str, stack: AsyncExitStack) -> None:
    rights = [{"to": "GOV/G22/dvc"}]
    services = [
        {"code": "small", "url": f"{service}/small", "rights": rights},
        {"code": "big", "url": f"{service}/big", "timeout": "10m", "rights": rights},
    ]
    servers = [Server("G22", ["dvc"]), Server("G01", ["dancu"], services={"dancu": services})]
    country = await stack.enter_async_context(Country(folder, servers, fast=False))
    pids, host, port = await nothing_pair(stack, country)
    ours = {"A": country.pid("G22"), "B": country.pid("G01")}
    assert country.postgres is not None
    assert country.postgres.pid is not None
    ours["PG"] = country.postgres.pid
    address = country.address["G22-ss1"]
    request = post("/r1/VN/GOV/G01/dancu/small", address, "dvc")
    for _ in range(2):  # warm: connections, OCSP answers, verdicts, code paths
        await load(host, port, post("/", host), seconds=1, clients=options.clients)
        await load(address, CLIENT_PORT, request, seconds=1.5, clients=options.clients)
    before = {name: await counters(country, name) for name in country.servers}
    nothing: list[Round] = []
    exchange: list[Round] = []
    for _ in range(options.rounds):
        nothing.append(await measured(pids, host, port, post("/", host), options.seconds, options.clients))
        exchange.append(await measured(ours, address, CLIENT_PORT, request, options.seconds, options.clients))
    base = show("pair doing nothing", nothing)
    total = show("signed, logged x4", exchange)
    print(f"ratio {total / base:.2f} (to reach: <= 5)")
    for name in country.servers:
        after = await counters(country, name)
        print(f"{name}: in steady state { ({k: v - before[name].get(k, 0) for k, v in after.items()}) }")
        print(f"{name}: RSS {rss_mb(country.pid(name)):.0f} MB (to reach: <= 150)")
    direct, through = await direct_and_added(country, service, request, options.seconds / 2)
    print(
        f"one idle client: p50 direct {direct:.2f} ms, through both servers {through:.2f} ms: "
        f"adds {through - direct:.2f} ms (to reach: <= 12)"
    )
    if options.large:
        for upload in (True, False):
            figures = await large_body(country, options.large << 20, upload=upload)
            what = "request" if upload else "response"
            print(
                f"{options.large} MiB {what} body:",
                ", ".join(f"{k} {v:.0f}" for k, v in figures.items()),
                "(to reach: growth <= 32 MB)",
            )
    assert ANSWER


if __name__ == "__main__":
    asyncio.run(main())
