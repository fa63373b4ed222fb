"""Information systems that call without pause, and remember what each call came to."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp

MESSAGE_ID = "under-load"  # of every call: information systems may repeat it; the request id is what tells calls apart


@dataclass(frozen=True, slots=True)
class Outcome:
    """`status` 0: no answer. `error`: X-Road-Error, or what became of the connection. `promise`: its Access-Record. Times are
    `time.monotonic`."""

    began: float
    ended: float
    status: int
    request_id: str = ""
    error: str = ""
    promise: str = ""


@dataclass
class Load:
    """`pause`: seconds between two calls of one caller; ten times as long after one that nobody answered. Every second call
    is a GET unless `always_post`."""

    url: str
    client: str
    pause: float = 0.02
    outcomes: list[Outcome] = field(default_factory=list)
    stopping: bool = False
    always_post: bool = False

    @property
    def answered(self) -> list[Outcome]:
        return [o for o in self.outcomes if o.status == 200]

    async def until_answered(self, more: int, timeout: float = 120.0) -> None:
        """Wait until this many further calls were answered with 200."""
        wanted = len(self.answered) + more
        async with asyncio.timeout(timeout):
            while len(self.answered) < wanted:
                await asyncio.sleep(0.01)

    async def call_again_and_again(self, session: aiohttp.ClientSession, caller: int) -> None:
        n = 0
        while not self.stopping:
            n += 1
            body = f'{{"caller": {caller}, "n": {n}}}'.encode() if n % 2 or self.always_post else None
            outcome = await self._call(session, body)
            self.outcomes.append(outcome)
            await asyncio.sleep(self.pause if outcome.status else 10 * self.pause)

    async def _call(self, session: aiohttp.ClientSession, body: bytes | None) -> Outcome:
        began = time.monotonic()
        headers = {"X-Road-Client": self.client, "X-Road-Id": MESSAGE_ID}
        try:
            async with session.request(
                "GET" if body is None else "POST", self.url, headers=headers, data=body
            ) as answer:
                await answer.read()
                said = answer.headers
                return Outcome(
                    began,
                    time.monotonic(),
                    answer.status,
                    said.get("x-road-request-id", ""),
                    said.get("X-Road-Error", ""),
                    said.get("Access-Record", ""),
                )
        except (aiohttp.ClientError, TimeoutError) as e:
            return Outcome(began, time.monotonic(), 0, error=type(e).__name__)


@asynccontextmanager
async def loading(
    url: str, client: str, callers: int = 6, pause: float = 0.02, *, always_post: bool = False
) -> AsyncIterator[Load]:
    """`callers` call until the block is left; then calls under way come to their end."""
    load = Load(url, client, pause, always_post=always_post)
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(60)) as session, asyncio.TaskGroup() as callers_of:
        for caller in range(callers):
            callers_of.create_task(load.call_again_and_again(session, caller))
        try:
            yield load
        finally:
            load.stopping = True
