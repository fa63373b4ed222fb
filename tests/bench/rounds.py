"""What is compared: a round of load on the pair that does nothing, and one on our two servers."""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp

from tests.bench.measure import cpu_seconds, family
from tests.support.country import ADMIN_PORT, CLIENT_PORT, Country, Server

_BODY = b'{"query":"' + b"q" * 1000 + b'"}'
_COUNTERS = ("gateway_tls_handshakes_total", "gateway_chain_verifications_total", "gateway_ocsp_verifications_total")
_LIBRARY = (sys.executable, "-m")


@dataclass(frozen=True)
class Target:
    """Something to put load on. `pids`: whose time is counted, descendants included, by name."""

    host: str
    port: int
    request: bytes
    pids: dict[str, int]


@dataclass(frozen=True)
class Round:
    """Microseconds of CPU per exchange by process; the load generator's own figures."""

    cpu: dict[str, float]
    load: dict[str, Any]

    @property
    def total(self) -> float:
        return sum(self.cpu.values())


async def load(target: Target, *, seconds: float, clients: int) -> dict[str, Any]:
    process = await asyncio.create_subprocess_exec(
        *_LIBRARY,
        *("tests.bench.load", target.host, str(target.port), str(seconds), str(clients)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate(target.request)
    result: dict[str, Any] = json.loads(out)
    return result


async def measured(target: Target, *, seconds: float, clients: int, behind: float = 0.0) -> Round:
    """`behind`: seconds for which what the load leaves to do is counted with it."""
    families = {name: family(pid) for name, pid in target.pids.items()}
    before = {name: cpu_seconds(found) for name, found in families.items()}
    result = await load(target, seconds=seconds, clients=clients)
    await asyncio.sleep(behind)
    after = {name: cpu_seconds(found) for name, found in families.items()}
    return Round({name: 1e6 * (after[name] - before[name]) / result["count"] for name in target.pids}, result)


async def idle_cpu(target: Target, seconds: float) -> dict[str, float]:
    """Percent of one processor that each process uses when nobody asks for anything."""
    before = {name: cpu_seconds(family(pid)) for name, pid in target.pids.items()}
    await asyncio.sleep(seconds)
    return {name: 100 * (cpu_seconds(family(pid)) - before[name]) / seconds for name, pid in target.pids.items()}


async def counters(country: Country, server: str) -> dict[str, float]:
    """Handshakes made, chains and OCSP answers verified since the server started."""
    found: dict[str, float] = {}
    url = f"http://{country.address[server]}:{ADMIN_PORT}/metrics"
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        for line in (await answer.text()).splitlines():
            if line.startswith(_COUNTERS):
                found[line.rpartition(" ")[0]] = float(line.rpartition(" ")[2])
    return found


def summary(title: str, rounds: Sequence[Round]) -> float:
    """Prints the medians of these rounds; returns the CPU of an exchange, all processes together."""
    by_process = "  ".join(f"{n} {statistics.median(r.cpu[n] for r in rounds):.0f}" for n in rounds[0].cpu)
    total = statistics.median(r.total for r in rounds)
    per_second, p50, p99 = (statistics.median(r.load[k] for r in rounds) for k in ("per_second", "p50_ms", "p99_ms"))
    bad = sum(r.load["bad"] for r in rounds)
    print(
        f"{title:<20} CPU us/exchange {total:6.0f}  ({by_process})  "
        f"{per_second:.0f}/s  p50 {p50:.1f} ms  p99 {p99:.1f} ms  bad {bad}"
    )
    for text in (r.load["first_bad"] for r in rounds if r.load["first_bad"]):
        print("   first bad:", text)
    return total


@asynccontextmanager
async def subprocess(*arguments: str) -> AsyncIterator[int]:
    """`python -m <arguments>` that says READY; killed at the end."""
    process = await asyncio.create_subprocess_exec(*_LIBRARY, *arguments, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    assert (await process.stdout.readline()).startswith(b"READY")
    try:
        yield process.pid
    finally:
        process.kill()
        await process.wait()


async def nothing_pair(stack: AsyncExitStack, country: Country) -> Target:
    """aiohttp and uvloop, TLS 1.3 with certificates on both sides, P-256, connections kept: and no work at all."""
    certs = country.folder / "certs"
    keys = [str(certs / f"G01-ss1-tls.{kind}") for kind in ("pem", "key", "pem")]
    host = f"{country.network}.90"
    pair = "tests.bench.nothing"
    b = await stack.enter_async_context(subprocess(pair, "b", host, "9443", "-", *keys))
    a = await stack.enter_async_context(subprocess(pair, "a", host, "9080", f"https://{host}:9443/", *keys))
    return Target(host, 9080, post("/", host), {"A": a, "B": b})


def two_servers(service: str) -> list[Server]:
    """A consumer's and a provider's server with everything on."""
    rights = [{"to": "GOV/G22/dvc"}]
    services = [
        {"code": "small", "url": f"{service}/small", "rights": rights},
        {"code": "big", "url": f"{service}/big", "timeout": "10m", "rights": rights},
    ]
    return [Server("G22", ["dvc"]), Server("G01", ["dancu"], services={"dancu": services})]


def exchange_target(country: Country) -> Target:
    assert country.postgres is not None
    assert country.postgres.pid is not None
    pids = {"A": country.pid("G22"), "B": country.pid("G01"), "PG": country.postgres.pid}
    host = country.address["G22-ss1"]
    return Target(host, CLIENT_PORT, post("/r1/VN/GOV/G01/dancu/small", host, "dvc"), pids)


def post(path: str, host: str, client: str | None = None) -> bytes:
    who = f"X-Road-Client: VN/GOV/G22/{client}\r\n" if client else ""
    head = f"POST {path} HTTP/1.1\r\nHost: {host}\r\n{who}Content-Type: application/json\r\nContent-Length: {len(_BODY)}\r\n\r\n"
    return head.encode() + _BODY
