"""Takes what is due out of the outbox and sends it, until cancelled. Any number of workers, in any number of processes, may run."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from structlog.typing import FilteringBoundLogger

from adapters.sdk.access import where
from adapters.sdk.delivery.judging import Answer, Failed, Verdict, judge
from adapters.sdk.delivery.outbox import CHANNEL, Claim, Outbox
from adapters.sdk.delivery.road import NoAnswer, Road
from adapters.sdk.postgres import Pool, source_errors
from adapters.sdk.problems import SourceUnavailable


class DeliveryWorker:
    """`lanes` claims go on at once, of `batch` messages each; `poll` seconds is the longest wait for something that is due."""

    def __init__(
        self,
        outbox: Outbox,
        road: Road,
        log: FilteringBoundLogger,
        *,
        lanes: int = 4,
        batch: int = 1,
        poll: float = 1.0,
    ) -> None:
        self._outbox = outbox
        self._road = road
        self._log = log
        self._lanes = lanes
        self._batch = batch
        self._poll = poll

    async def run(self, pool: Pool) -> None:
        """`pool`: for the hints of the database that something was posted; without them it is found by polling."""
        async with _hints(pool) as posted, asyncio.TaskGroup() as lanes:
            for _ in range(self._lanes):
                lanes.create_task(self._lane(posted))

    async def _lane(self, posted: asyncio.Event) -> None:
        while True:
            posted.clear()
            try:
                async with source_errors():
                    worked = await self.step()
            except SourceUnavailable:
                worked = 0
            if not worked:
                with contextlib.suppress(TimeoutError):
                    # Not wait_for: that of Python 3.11 loses a cancel that comes together with the hint.
                    async with asyncio.timeout(self._poll):
                        await posted.wait()

    async def step(self) -> int:
        """One claim, sent and settled. How many messages it was."""
        claims = await self._outbox.claim(self._batch)
        if len(claims) == 1:
            await self._attempt(claims[0])
        elif claims:
            async with asyncio.TaskGroup() as group:
                for claim in claims:
                    group.create_task(self._attempt(claim))
        return len(claims)

    async def _attempt(self, claim: Claim) -> None:
        answer: Answer | None = None
        verdict: Verdict
        try:
            answer = await self._road.send(claim)
            verdict = judge(answer, claim.message.message_id, claim.message.sha512)
        except NoAnswer as e:
            verdict = Failed(e.cause, permanent=False)
        except Exception as e:  # noqa: BLE001 - an attempt must end in the table; what nobody foresaw is tried again
            self._log.error("attempt failed unexpectedly", attempt_id=str(claim.attempt_id), **where(e))
            verdict = Failed("internal_error", permanent=False)
        try:
            async with source_errors():
                await self._outbox.settle(claim, verdict, answer)
        except SourceUnavailable:
            return  # the attempt stands without an end; when its lease is over there is another
        if isinstance(verdict, Failed):
            self._log.warning(
                "not delivered",
                attempt_id=str(claim.attempt_id),
                service=claim.message.service,
                number=claim.number,
                cause=verdict.cause,
                permanent=verdict.permanent,
            )


@asynccontextmanager
async def _hints(pool: Pool) -> AsyncIterator[asyncio.Event]:
    """Set whenever something is posted. When its connection breaks, polling is all there is."""
    posted = asyncio.Event()

    def set_it(*_: object) -> None:
        posted.set()

    stack = contextlib.AsyncExitStack()
    try:
        with contextlib.suppress(SourceUnavailable):
            async with source_errors():
                connection = await stack.enter_async_context(pool.acquire())
                await connection.add_listener(CHANNEL, set_it)
                stack.push_async_callback(connection.remove_listener, CHANNEL, set_it)
        yield posted
    finally:
        with contextlib.suppress(SourceUnavailable):  # the database may be gone before us
            async with source_errors():
                await stack.aclose()
