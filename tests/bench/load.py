"""A closed loop of keep-alive clients that speak just enough HTTP/1.1. Run as a process of its own, prints one JSON line."""

from __future__ import annotations

import asyncio
import json
import sys
import time

import uvloop


async def one(host: str, port: int, request: bytes, until: float, times: list[float], bad: list[bytes]) -> None:
    reader, writer = await asyncio.open_connection(host, port)
    try:
        while (started := time.perf_counter()) < until:
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
            body = await reader.readexactly(length)
            if not head.startswith(b"HTTP/1.1 200"):
                bad.append(head[:200] + body[:300])
            times.append(time.perf_counter() - started)
    finally:
        writer.close()


async def main(host: str, port: int, seconds: float, clients: int, request: bytes) -> None:
    times: list[float] = []
    bad: list[bytes] = []
    until = time.perf_counter() + seconds
    async with asyncio.TaskGroup() as group:
        for _ in range(clients):
            group.create_task(one(host, port, request, until, times, bad))
    times.sort()
    count = len(times)
    print(
        json.dumps(
            {
                "count": count,
                "bad": len(bad),
                "first_bad": bad[0].decode("latin-1") if bad else None,
                "per_second": count / seconds,
                "p50_ms": 1000 * times[count // 2],
                "p99_ms": 1000 * times[int(count * 0.99)],
            }
        )
    )


if __name__ == "__main__":
    host, port, seconds, clients = sys.argv[1:5]
    request = sys.stdin.buffer.read()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(host, int(port), float(seconds), int(clients), request))
