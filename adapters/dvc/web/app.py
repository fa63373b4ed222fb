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
from adapters.sdk.access import failures
from adapters.sdk.identity import IdentityProvider
from adapters.sdk.server import listening, parse_listen
from gateway.pages.failure import Report, in_both_languages
from gateway.pages.guard import in_words, only_our_name, policy, protect
from gateway.pages.look import Look

CLIENT = "cong-dich-vu-cong"
_FOLDER = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Places:
    """Where things are; the defaults are those of `make run`.

    `pages`: host and port that they listen on; `origin`: as browsers write it, https when something in front of us speaks that;
    `issuer`: the identity provider; `answers`: the coordinator's page, on which questions for consent are answered; `reasons`: the
    controlled list of reasons of returns."""

    pages: str = "127.0.10.122:8660"
    origin: str = "http://127.0.10.122:8660"
    issuer: str = "http://127.0.10.120:8640"
    answers: str = "http://127.0.10.121:8650/"
    reasons: Path = Path("config/codes/return-reasons.yaml")


def places_of(environment: Mapping[str, str]) -> Places:
    """`DVC_PAGES`, `DVC_ORIGIN` (http at that address by default), `DVC_ISSUER`, `DVC_ANSWERS`, `DVC_REASONS`."""
    places = Places()
    pages = environment.get("DVC_PAGES", places.pages)
    return Places(
        pages=pages,
        origin=environment.get("DVC_ORIGIN", f"http://{pages}").rstrip("/"),
        issuer=environment.get("DVC_ISSUER", places.issuer),
        answers=environment.get("DVC_ANSWERS", places.answers),
        reasons=Path(environment.get("DVC_REASONS", places.reasons)),
    )


class Pages:
    """DefinitionError when the list of reasons is none."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self._reasons = load_return_reasons(places.reasons)

    async def run(self, pool: Pool, log: FilteringBoundLogger) -> None:
        """`Adapter.beside`: until cancelled."""
        host, port = parse_listen(self._places.pages)
        async with aiohttp.ClientSession(trust_env=False) as http:
            app = build_pages(self._places, pool, http, self._reasons, lambda: datetime.now(UTC), failures(log))
            async with listening(app, host, port):
                await asyncio.Event().wait()


def build_pages(
    places: Places,
    pool: Pool,
    http: aiohttp.ClientSession,
    reasons: ReturnReasons,
    clock: Callable[[], datetime],
    report: Report,
) -> web.Application:
    origin = places.origin
    look = Look(_FOLDER, PortalWords.load(_FOLDER / "words"))
    provider = IdentityProvider(http, places.issuer, CLIENT, f"{origin}/callback")
    site = Site(origin, provider, Sessions(pool), look, clock)
    guards = [in_both_languages(look, report), only_our_name(origin), in_words(site.trouble, ("/static/",))]
    app = web.Application(client_max_size=16 * 1024, middlewares=guards)
    protect(app, policy(forms=places.issuer), secure=origin.startswith("https:"))
    site.add_to(app)
    Mine(site, pool, reasons, places.answers).add_to(app)
    look.add_static(app)
    return app
