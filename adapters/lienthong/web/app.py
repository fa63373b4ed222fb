"""All pages as one application."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path

import aiohttp
from aiohttp import web

from adapters.lienthong.definition import Definition
from adapters.lienthong.desk import Desk
from adapters.lienthong.reasons import Reasons
from adapters.lienthong.web.board import Board
from adapters.lienthong.web.consents import Consents
from adapters.lienthong.web.operators import Operators
from adapters.lienthong.web.persons import Persons
from adapters.lienthong.web.sessions import Sessions
from adapters.lienthong.web.site import Site
from adapters.lienthong.web.words import BoardWords
from adapters.sdk import Pool
from adapters.sdk.delivery import Outbox
from adapters.sdk.identity import IdentityProvider
from gateway.pages.failure import Report, in_both_languages
from gateway.pages.guard import in_words, only_our_name, policy, protect
from gateway.pages.look import Look

CLIENT = "dieu-phoi-lien-thong"
_FOLDER = Path(__file__).parent


def build_pages(
    origin: str,
    issuer: str,
    pool: Pool,
    http: aiohttp.ClientSession,
    definitions: Mapping[str, Definition],
    desk: Desk,
    outbox: Outbox,
    clock: Callable[[], datetime],
    reasons: Reasons,
    report: Report,
) -> web.Application:
    """`origin`: how browsers reach it, `http://127.0.10.121:8650`; `issuer`: the identity provider; `reasons`: for their words."""
    consents = Consents(pool, desk, clock)
    provider = IdentityProvider(http, issuer, CLIENT, f"{origin}/callback")
    words = BoardWords.load(_FOLDER / "words")
    look = Look(_FOLDER, words)
    site = Site(origin, provider, Sessions(pool), consents, look, words, clock, reasons)
    guards = [in_both_languages(look, report), only_our_name(origin), in_words(site.trouble, ("/static/",))]
    app = web.Application(client_max_size=64 * 1024, middlewares=guards)
    protect(app, policy(forms=issuer), secure=origin.startswith("https:"))
    site.add_to(app)
    Operators(site, pool, Board(pool), desk, outbox, definitions).add_to(app)
    Persons(site, consents, definitions).add_to(app)
    look.add_static(app)
    return app
