"""What the portal tells its operator: how many requests of which kind ended how, and whether what it needs is there. Never whose.

Kinds and outcomes are closed sets, decided here; a path holds record ids and goes nowhere.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeAlias

from aiohttp import web
from aiohttp.typedefs import Middleware

from gateway.pages.guard import Handler

Kind: TypeAlias = Literal["page", "api", "log", "static", "sign-in"]
SignInOutcome: TypeAlias = Literal["confirmed", "refused", "unreachable"]
_PATHS: tuple[tuple[str, Kind], ...] = (
    ("/static/", "static"),
    ("/citizen/v1/log/", "log"),
    ("/citizen/v1/", "api"),
    ("/callback", "sign-in"),
    ("/sign-in", "sign-in"),
    ("/en/sign-in", "sign-in"),
)
_EVERY = 10.0  # seconds
_PATIENCE = 5.0


class PortalWatch(Protocol):
    def answered(self, kind: Kind, status: int, seconds: float) -> None: ...

    def signed_in(self, outcome: SignInOutcome) -> None: ...


def watched(watch: PortalWatch) -> Middleware:
    """Goes around everything else: what the framework refuses is counted too."""

    @web.middleware
    async def measured(request: web.Request, handler: Handler) -> web.StreamResponse:
        began = time.perf_counter()
        status = 500
        try:
            answer = await handler(request)
            status = answer.status
            return answer
        except web.HTTPException as e:
            status = e.status
            raise
        finally:
            watch.answered(kind_of(request.path), status, time.perf_counter() - began)

    return measured


def kind_of(path: str) -> Kind:
    return next((kind for prefix, kind in _PATHS if path.startswith(prefix)), "page")


Probe: TypeAlias = Callable[[], Awaitable[object]]


@dataclass(slots=True)
class Probes:
    """Asks each of `probes` now and then; `away`: those that did not answer the last time. `errors`: what being away raises."""

    probes: Mapping[str, Probe]
    errors: tuple[type[BaseException], ...]
    away: frozenset[str] = field(default_factory=frozenset)

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self.once()
            await asyncio.sleep(_EVERY)

    async def once(self) -> None:
        found = await asyncio.gather(*map(self._answers, self.probes.values()))
        self.away = frozenset(name for name, there in zip(self.probes, found, strict=True) if not there)

    async def _answers(self, probe: Probe) -> bool:
        try:
            async with asyncio.timeout(_PATIENCE):
                await probe()
        except self.errors:
            return False
        return True
