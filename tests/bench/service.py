"""The provider's information system of the benchmark: 1 kB of JSON, or as many bytes as asked."""

from __future__ import annotations

import asyncio
import sys

import uvloop
from aiohttp import web

from tests.bench.nothing import ANSWER


async def handle(request: web.BaseRequest) -> web.StreamResponse:
    async for _ in request.content.iter_any():
        pass
    size = int(request.query.get("size", 0))
    if not size:
        return web.Response(body=ANSWER, headers={"Content-Type": "application/json"})
    response = web.StreamResponse()
    response.content_length = size
    await response.prepare(request)
    piece = b"\xa5" * (1 << 20)
    for _ in range(size >> 20):
        await response.write(piece)
    await response.write_eof()
    return response


async def main(host: str, port: int) -> None:
    runner = web.ServerRunner(web.Server(handle, access_log=None))
    await runner.setup()
    await web.TCPSite(runner, host, port).start()
    print("READY", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(sys.argv[1], int(sys.argv[2])))
