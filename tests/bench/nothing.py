"""The pair that does nothing: A takes plain HTTP and passes it over mutual TLS to B, which answers 1 kB of JSON."""

from __future__ import annotations

import asyncio
import ssl
import sys
from contextlib import AsyncExitStack

import aiohttp
import uvloop
from aiohttp import web

ANSWER = b'{"data":"' + b"x" * 1000 + b'"}'


def _context(side: str, certificate: str, key: str, authority: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER if side == "b" else ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(certificate, key)
    context.load_verify_locations(authority)
    return context


async def main(side: str, host: str, port: int, peer: str, certificate: str, key: str, authority: str) -> None:
    context = _context(side, certificate, key, authority)
    async with AsyncExitStack() as stack:
        if side == "b":

            async def handle(request: web.BaseRequest) -> web.StreamResponse:
                await request.read()
                return web.Response(body=ANSWER, headers={"Content-Type": "application/json"})
        else:
            connector = aiohttp.TCPConnector(ssl=context, limit=0)
            session = await stack.enter_async_context(aiohttp.ClientSession(connector=connector))

            async def handle(request: web.BaseRequest) -> web.StreamResponse:
                async with session.post(peer, data=await request.read()) as answer:
                    return web.Response(body=await answer.read(), headers={"Content-Type": "application/json"})

        runner = web.ServerRunner(web.Server(handle, access_log=None))
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, host, port, ssl_context=context if side == "b" else None).start()
        print("READY", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    side, host, port, *rest = sys.argv[1:]
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(side, host, int(port), *rest))
