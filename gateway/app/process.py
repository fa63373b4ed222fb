"""Runs one role as a process: event loop, signals, the word READY on standard output, an orderly stop.

A supervised process also stops when its standard input ends, so nothing outlives a supervisor that was killed.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import resource
import signal
import sys
from collections.abc import Coroutine
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeVar

import uvloop

READY = "READY"

T = TypeVar("T")


def _allow_many_files() -> None:
    """As many descriptors as we may have: the soft limit of most systems is that of a program with one user."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run `main` to its end on uvloop. What one task of a group failed with is raised as itself, so that it can be told."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        try:
            return runner.run(main)
        except BaseExceptionGroup as group:
            raise _only_cause(group) from group


def _only_cause(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


async def serve(role: AbstractAsyncContextManager[str], *, supervised: bool) -> None:
    """Enter `role`, say READY and what it says of itself, wait for a signal, leave it."""
    stop = stop_event(supervised=supervised)
    _allow_many_files()
    async with role as words:
        _settle_memory()
        print(READY, words, flush=True)
        await stop.wait()


def _settle_memory() -> None:
    """What is loaded now stays; the collector need not walk it again and again, nor after every few hundred new objects."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)


def stop_event(*, supervised: bool) -> asyncio.Event:
    """Set by SIGINT, SIGTERM or, when supervised, the end of standard input."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    if supervised:
        loop.add_reader(sys.stdin.fileno(), _watch_stdin, loop, stop)
    return stop


def _watch_stdin(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    with contextlib.suppress(BlockingIOError):
        if os.read(sys.stdin.fileno(), 1024):
            return
    loop.remove_reader(sys.stdin.fileno())
    stop.set()
