"""All pages as one application, and their place beside the adapter."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
from aiohttp import web
from structlog.typing import FilteringBoundLogger

from adapters.dvc.web.mine import Mine
from adapters.dvc.web.reasons import ReturnReasons, load_return_reasons
from adapters.dvc.web.sessions import Sessions
from adapters.dvc.web.site import Site
from adapters.dvc.web.words import PortalWords
from adapters.sdk import Pool
from adapters.sdk.identity import IdentityProvider
from adapters.sdk.server import listening, parse_listen
from gateway.pages.guard import only_our_name, policy, protect
from gateway.pages.look import Look

CLIENT = "cong-dich-vu-cong"
_FOLDER = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Places:
    """Where things are; the defaults are those of `make run`.

    `pages`: host and port of the pages, as browsers reach them; `issuer`: the identity provider; `answers`: the coordinator's page
    on which questions for consent are answered; `reasons`: the controlled list of reasons of returns."""

    pages: str = "127.0.10.122:8660"
    issuer: str = "http://127.0.10.120:8640"
    answers: str = "http://127.0.10.121:8650/"
    reasons: Path = Path("config/codes/return-reasons.yaml")


def places_of(environment: Mapping[str, str]) -> Places:
    """`DVC_PAGES`, `DVC_ISSUER`, `DVC_ANSWERS`, `DVC_REASONS`, each with its default."""
    places = Places()
    return Places(
        pages=environment.get("DVC_PAGES", places.pages),
        issuer=environment.get("DVC_ISSUER", places.issuer),
        answers=environment.get("DVC_ANSWERS", places.answers),
        reasons=Path(environment.get("DVC_REASONS", places.reasons)),
    )


class Pages:
    """DefinitionError when the list of reasons is none."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self._reasons = load_return_reasons(places.reasons)

    async def run(self, pool: Pool, _: FilteringBoundLogger) -> None:
        """`Adapter.beside`: until cancelled."""
        host, port = parse_listen(self._places.pages)
        async with aiohttp.ClientSession(trust_env=False) as http:
            app = build_pages(self._places, pool, http, self._reasons, lambda: datetime.now(UTC))
            async with listening(app, host, port):
                await asyncio.Event().wait()


def build_pages(
    places: Places, pool: Pool, http: aiohttp.ClientSession, reasons: ReturnReasons, clock: Callable[[], datetime]
) -> web.Application:
    origin = f"http://{places.pages}"
    app = web.Application(client_max_size=16 * 1024, middlewares=[only_our_name(origin)])
    look = Look(_FOLDER, PortalWords.load(_FOLDER / "words"))
    provider = IdentityProvider(http, places.issuer, CLIENT, f"{origin}/callback")
    site = Site(origin, provider, Sessions(pool), look, clock)
    protect(app, policy(forms=places.issuer), secure=origin.startswith("https:"))
    site.add_to(app)
    Mine(site, pool, reasons, places.answers).add_to(app)
    look.add_static(app)
    return app
