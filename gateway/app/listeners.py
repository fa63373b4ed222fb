"""What every role is made of: listeners (no access log, bodies untouched), background work, the clock; ended by an exit stack."""

from __future__ import annotations

import asyncio
import contextlib
import os
import ssl
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from gateway.app.connections import AppRunner, ConnectionCount, Request, Server
from gateway.core.errors import SettingsError
from gateway.core.messages.rest import MAX_HEADERS

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]

_KEEP_ALIVE = 75.0  # seconds; longer than any of our own clients keeps an idle connection
_PARSER_LINE = 64 * 1024  # what the HTTP parser takes; the proxies' own, smaller limits answer in X-Road's form
_PARSER_FIELD = 64 * 1024


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

    async def handle(request: Request) -> web.StreamResponse:
        return await request.head_accepted() or await handler(request)

    server = Server(
        handle,
        count=count,
        access_log=None,
        auto_decompress=False,  # a body is signed and passed on as it came
        keepalive_timeout=_KEEP_ALIVE,
        max_line_size=_PARSER_LINE,
        max_field_size=_PARSER_FIELD,
        max_headers=MAX_HEADERS,
    )
    runner = web.ServerRunner(server, shutdown_timeout=grace)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    await _open(web.TCPSite(runner, host, port, ssl_context=tls, backlog=1024), host, port)


async def listen_app(
    stack: AsyncExitStack, app: web.Application, host: str, port: int, *, tls: ssl.SSLContext | None = None
) -> None:
    """The same for an application with routes."""
    runner = AppRunner(app, access_log=None, shutdown_timeout=5.0)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    await _open(web.TCPSite(runner, host, port, ssl_context=tls, backlog=256), host, port)


async def _open(site: web.TCPSite, host: str, port: int) -> None:
    try:
        await site.start()
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
