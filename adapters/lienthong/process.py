"""The coordinator as it runs: what agencies call, the pages, the worker that sends its messages, the ticker."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
from structlog.typing import FilteringBoundLogger

from adapters.lienthong.definition import load_definitions
from adapters.lienthong.desk import Desk
from adapters.lienthong.portal import SERVICE, Portal
from adapters.lienthong.reasons import load_reasons
from adapters.lienthong.service import build_adapter
from adapters.lienthong.ticker import Ticker
from adapters.lienthong.web.app import build_pages
from adapters.sdk import Adapter, Pool
from adapters.sdk.access import failures
from adapters.sdk.delivery import DeliveryWorker, Outbox, bootstrap_delivery, open_road
from adapters.sdk.server import listening, parse_listen
from adapters.sdk.tls import Tls, road_of
from adapters.sdk.workingdays import load_working_days

CLIENT = "VN/GOV/G22/lienthong"


@dataclass(frozen=True, slots=True)
class Places:
    """Where things are; the defaults are those of `make run`.

    `pages`: host and port of the pages, as browsers reach them; `issuer`: the identity provider; `road`: the client proxy
    of our security server, `tls` for an https one; `reasons`: the controlled list of reasons of returns; `portal`: the service that
    is told of each change of a dossier, empty for none; `holidays`: the list of public holidays."""

    pages: str = "127.0.10.121:8650"
    issuer: str = "http://127.0.10.120:8640"
    road: str = "http://127.0.10.4:8080"
    reasons: Path = Path("config/codes/return-reasons.yaml")
    portal: str = SERVICE
    holidays: Path = Path("config/codes/holidays.yaml")
    tls: Tls | None = None


def places_of(environment: Mapping[str, str]) -> Places:
    """`LIENTHONG_PAGES`, `LIENTHONG_ISSUER`, `LIENTHONG_REASONS`, `LIENTHONG_HOLIDAYS`, `LIENTHONG_PORTAL`, each with its default,
    and what `tls.road_of` finds."""
    places = Places()
    road, tls = road_of(environment, places.road)
    return Places(
        pages=environment.get("LIENTHONG_PAGES", places.pages),
        issuer=environment.get("LIENTHONG_ISSUER", places.issuer),
        road=road,
        reasons=Path(environment.get("LIENTHONG_REASONS", places.reasons)),
        holidays=Path(environment.get("LIENTHONG_HOLIDAYS", places.holidays)),
        portal=environment.get("LIENTHONG_PORTAL", places.portal),
        tls=tls,
    )


def build_coordinator(places: Places) -> Adapter:
    """The adapter with everything that runs beside it. DefinitionError when a definition, the list of reasons or that of public
    holidays is none."""
    definitions = load_definitions(calendar=load_working_days(places.holidays))
    clock, reasons = _now, load_reasons(places.reasons)
    desk = Desk(definitions, clock, Portal(reasons, places.portal) if places.portal else None)

    async def prepare(pool: Pool, _: FilteringBoundLogger) -> None:
        await bootstrap_delivery(pool)

    async def beside(pool: Pool, log: FilteringBoundLogger) -> None:
        host, port = parse_listen(places.pages)
        outbox = Outbox(pool, clock, random.random)
        async with AsyncExitStack() as stack:
            http = await stack.enter_async_context(aiohttp.ClientSession(trust_env=False))
            road = await stack.enter_async_context(open_road(places.road, CLIENT, tls=places.tls))
            origin = f"http://{places.pages}"
            world = (definitions, desk, outbox, clock, reasons, failures(log))
            pages = build_pages(origin, places.issuer, pool, http, *world)
            await stack.enter_async_context(listening(pages, host, port))
            async with asyncio.TaskGroup() as running:
                running.create_task(DeliveryWorker(outbox, road, log, lanes=2).run(pool))
                running.create_task(Ticker(pool, desk, clock).run())

    return replace(build_adapter(desk, reasons), prepare=prepare, beside=beside)


def _now() -> datetime:
    return datetime.now(UTC)
