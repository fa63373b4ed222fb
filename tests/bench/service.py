"""The provider's information system of the benchmark: 1 kB of JSON; the digest of what it was sent; or as many bytes as asked.
And a public log that takes whatever comes."""

from __future__ import annotations

import asyncio
import hashlib
import sys

import uvloop
from aiohttp import web

from tests.bench.nothing import ANSWER

_PIECE = b"\xa5" * (1 << 20)


async def handle(request: web.BaseRequest) -> web.StreamResponse:
    if request.path.startswith("/big/give"):
        return await _give(request, int(request.query["size"]) >> 20)
    if request.path.startswith("/big/take"):
        return await _take(request)
    if request.path.startswith("/log/"):
        leaves = (await request.json())["leaves"]
        return web.json_response({"leaves": [{"index": leaf["sequence"]} for leaf in leaves]})
    await request.read()
    return web.Response(body=ANSWER, headers={"Content-Type": "application/json"})


async def _give(request: web.BaseRequest, pieces: int) -> web.StreamResponse:
    digest = hashlib.sha512()
    for _ in range(pieces):
        digest.update(_PIECE)
    response = web.StreamResponse(headers={"Digest-Sha512": digest.hexdigest()})
    response.content_length = pieces * len(_PIECE)
    await response.prepare(request)
    for _ in range(pieces):
        await response.write(_PIECE)
    await response.write_eof()
    return response


async def _take(request: web.BaseRequest) -> web.Response:
    digest = hashlib.sha512()
    async for data in request.content.iter_any():
        digest.update(data)
    return web.Response(text=digest.hexdigest())


async def main(host: str, port: int) -> None:
    runner = web.ServerRunner(web.Server(handle, access_log=None))
    await runner.setup()
    await web.TCPSite(runner, host, port).start()
    print("READY", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(sys.argv[1], int(sys.argv[2])))
