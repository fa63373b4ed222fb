"""What every role is made of: listeners (no access log), background work, the clock; ended by an exit stack."""

from __future__ import annotations

import asyncio
import contextlib
import os
import ssl
from collections.abc import Coroutine, Iterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from gateway.app.connections import AppRunner
from gateway.core.errors import SettingsError
from gateway.httpd.connection import ConnectionCount
from gateway.httpd.server import HttpServer
from gateway.httpd.values import Handler


async def listen(
    stack: AsyncExitStack,
    handler: Handler,
    host: str,
    port: int,
    *,
    count: ConnectionCount | None = None,
    tls: ssl.SSLContext | None = None,
    grace: float = 30.0,
) -> None:
    """Listen until `stack` unwinds; then no new connections, and `grace` seconds for exchanges under way. SettingsError when the
    address is not ours or taken."""

    server = HttpServer(handler, await stack.enter_async_context(asyncio.TaskGroup()), count)
    with _told(host, port):
        opened = await asyncio.get_running_loop().create_server(server, host, port, ssl=tls, backlog=1024)

    async def stop() -> None:
        opened.close()
        await server.stop(grace)

    stack.push_async_callback(stop)


async def listen_app(
    stack: AsyncExitStack, app: web.Application, host: str, port: int, *, tls: ssl.SSLContext | None = None
) -> None:
    """The same for an application with routes, which is aiohttp's."""
    runner = AppRunner(app, access_log=None, shutdown_timeout=5.0)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    with _told(host, port):
        await web.TCPSite(runner, host, port, ssl_context=tls, backlog=256).start()


@contextlib.contextmanager
def _told(host: str, port: int) -> Iterator[None]:
    try:
        yield
    except OSError as e:
        why = os.strerror(e.errno) if e.errno else str(e)
        raise SettingsError([f"cannot listen on {host}:{port}: {why}"]) from e


def background(group: asyncio.TaskGroup, stack: AsyncExitStack, work: Coroutine[Any, Any, None]) -> None:
    """Work that runs until `stack` unwinds to here; when it fails, the whole server ends with its error."""
    task = group.create_task(work)

    async def end() -> None:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    stack.push_async_callback(end)


def clock() -> datetime:
    return datetime.now(UTC)
