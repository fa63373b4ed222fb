"""Starting and stopping an adapter: database, schema, preparation, listener; and the opposite order at the end."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping, Sequence
from typing import Any

import uvloop
from aiohttp import web

from adapters.sdk.access import adapter_log, http_log
from adapters.sdk.effects import erase_old_answers, keep_erasing
from adapters.sdk.postgres import bootstrap, database_parameters, open_pool
from adapters.sdk.schema import DefinitionError
from adapters.sdk.tls import Tls, tls_of
from adapters.sdk.web import Adapter, build_app

_SHUTDOWN_SECONDS = 5.0
_HEADER_BYTES = 64 * 1024  # X-Road servers pass on header lines of 20 kB and 200 headers (reference, confirmed live)
_HEADERS = 512


async def serve(
    adapter: Adapter,
    host: str,
    port: int,
    dsn_kwargs: Mapping[str, Any],
    ready: Callable[[], None] | None = None,
    tls: Tls | None = None,
) -> None:
    """Serve until cancelled; calls in progress then have five seconds. `ready` is called once the listener is open. `tls`: with it
    only the security server reaches the listener."""
    log = adapter_log(adapter.name)
    async with open_pool(dsn_kwargs, adapter.name) as pool:
        await bootstrap(pool, adapter.name, (adapter.folder / "schema.sql").read_text("utf-8"))
        await erase_old_answers(pool)
        if adapter.prepare is not None:
            await adapter.prepare(pool, log)
        async with listening(build_app(adapter, pool, log), host, port, tls), asyncio.TaskGroup() as beside:
            beside.create_task(keep_erasing(pool))
            if adapter.beside is not None:
                beside.create_task(adapter.beside(pool, log))
            log.info("listening", address=f"{host}:{port}")
            if ready is not None:
                ready()
            try:
                await asyncio.Event().wait()
            finally:
                log.info("stopped")


@contextlib.asynccontextmanager
async def listening(app: web.Application, host: str, port: int, tls: Tls | None = None) -> AsyncIterator[None]:
    """The application behind its port, with the limits that X-Road servers need; calls in progress have five seconds to end."""
    runner = web.AppRunner(
        app,
        access_log=None,  # its lines hold the path, and the path holds a person
        logger=http_log(),
        shutdown_timeout=_SHUTDOWN_SECONDS,
        max_line_size=_HEADER_BYTES,
        max_field_size=_HEADER_BYTES,
        max_headers=_HEADERS,
    )
    context = None if tls is None else tls.listening()
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port, ssl_context=context).start()
        yield
    finally:
        await runner.cleanup()


def run(
    adapter: Adapter,
    listen: str,
    database: str,
    ready: Callable[[], None] | None = None,
    *,
    supervised: bool = False,
    tls: Tls | None = None,
) -> None:
    """Serve until SIGINT, SIGTERM or, when supervised, the end of standard input: nothing outlives a killed supervisor.

    `listen`: `host:port`; `database`: see `postgres.database_parameters`. ValueError when either is not of that form.
    """
    host, port = parse_listen(listen)
    parameters = database_parameters(database)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_until_told(supervised, serve(adapter, host, port, parameters, ready, tls)))


async def _until_told(supervised: bool, serving: Coroutine[Any, Any, None]) -> None:
    loop = asyncio.get_running_loop()
    task = asyncio.current_task()
    assert task is not None
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, task.cancel)
    if supervised:
        loop.add_reader(sys.stdin.fileno(), _watch_stdin, loop, task)
    with contextlib.suppress(asyncio.CancelledError):
        await serving


def _watch_stdin(loop: asyncio.AbstractEventLoop, task: asyncio.Task[Any]) -> None:
    with contextlib.suppress(BlockingIOError):
        if os.read(sys.stdin.fileno(), 1024):
            return
    loop.remove_reader(sys.stdin.fileno())
    task.cancel()


def parse_listen(text: str) -> tuple[str, int]:
    """`127.0.10.1:9000` or `[::1]:9000`; ValueError otherwise."""
    host, colon, port = text.rpartition(":")
    if not colon or not host or not (port.isascii() and port.isdigit()) or int(port) > 65535:
        raise ValueError("listen is host:port")
    return host.strip("[]"), int(port)


def command_line(adapter: Adapter, listen: str, arguments: Sequence[str] | None = None) -> None:
    """`--listen`, `--database`, `--supervised`; exit code 2 with one line when one of them is wrong. The listener speaks TLS when
    the environment says with which files (`tls.tls_of`)."""
    parser = _parser(adapter.name, listen)
    parser.add_argument(
        "--database",
        default="env:ADAPTER_DATABASE_URL",
        help="env:NAME, file:PATH, postgresql:// without a password, or a JSON object for asyncpg (default: %(default)s)",
    )
    chosen = parser.parse_args(arguments)
    with start_errors(adapter.name):
        tls = tls_of(os.environ)
        ready = _ready(chosen.listen, "http" if tls is None else "https")
        run(adapter, chosen.listen, chosen.database, ready, supervised=chosen.supervised, tls=tls)


def serve_app_from_command_line(
    name: str, build: Callable[[str], web.Application], listen: str, arguments: Sequence[str] | None = None
) -> None:
    """The same for something that is no adapter of data and makes its own application, given its address."""
    parser = _parser(name, listen)
    chosen = parser.parse_args(arguments)
    with start_errors(name):
        host, port = parse_listen(chosen.listen)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            serving = _serve_app(build(chosen.listen), host, port, _ready(chosen.listen))
            runner.run(_until_told(chosen.supervised, serving))


async def _serve_app(app: web.Application, host: str, port: int, ready: Callable[[], None]) -> None:
    runner = web.AppRunner(app, access_log=None, logger=http_log(), shutdown_timeout=_SHUTDOWN_SECONDS)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        ready()
        await asyncio.Event().wait()
    finally:
        await runner.cleanup()


def _parser(name: str, listen: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"python -m adapters.{name}")
    parser.add_argument("--listen", default=listen, help="host:port (default: %(default)s)")
    parser.add_argument("--supervised", action="store_true", help="stop when standard input ends")
    return parser


def _ready(listen: str, scheme: str = "http") -> Callable[[], None]:
    return lambda: print(f"READY {scheme}://{listen}", flush=True)


@contextlib.contextmanager
def start_errors(name: str) -> Iterator[None]:
    """Whatever is wrong with how `python -m adapters.<name>` is started: one line on standard error, and exit code 2."""
    try:
        yield
    except (ValueError, OSError, DefinitionError) as e:
        print(f"python -m adapters.{name}: {e}", file=sys.stderr)
        raise SystemExit(2) from e
