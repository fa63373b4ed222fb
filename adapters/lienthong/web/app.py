"""All pages as one application."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

import aiohttp
from aiohttp import web

from adapters.lienthong.definition import Definition
from adapters.lienthong.desk import Desk
from adapters.lienthong.web.board import Board
from adapters.lienthong.web.consents import Consents
from adapters.lienthong.web.guard import Handler, only_our_name, protect
from adapters.lienthong.web.oidc import IdentityProvider
from adapters.lienthong.web.operators import Operators
from adapters.lienthong.web.persons import Persons
from adapters.lienthong.web.rendering import STATIC, Renderer, static_name
from adapters.lienthong.web.sessions import Sessions
from adapters.lienthong.web.site import Site
from adapters.lienthong.web.words import load_catalogues
from adapters.sdk import Pool
from adapters.sdk.delivery import Outbox

CLIENT = "dieu-phoi-lien-thong"
_TYPES = {".css": "text/css", ".svg": "image/svg+xml"}


def build_pages(
    origin: str,
    issuer: str,
    pool: Pool,
    http: aiohttp.ClientSession,
    definitions: Mapping[str, Definition],
    desk: Desk,
    outbox: Outbox,
    clock: Callable[[], datetime],
) -> web.Application:
    """`origin`: how browsers reach it, `http://127.0.10.121:8650`; `issuer`: the identity provider."""
    app = web.Application(client_max_size=64 * 1024, middlewares=[only_our_name(origin)])
    consents = Consents(pool, desk, clock)
    provider = IdentityProvider(http, issuer, CLIENT, f"{origin}/callback")
    site = Site(origin, provider, Sessions(pool), consents, Renderer(load_catalogues()), clock)
    protect(app, issuer)
    site.add_to(app)
    Operators(site, pool, Board(pool), desk, outbox, definitions).add_to(app)
    Persons(site, consents, definitions).add_to(app)
    for path in STATIC.iterdir():
        app.router.add_get(f"/static/{static_name(path)}", _file(path.read_bytes(), _TYPES[path.suffix]))
    return app


def _file(body: bytes, content_type: str) -> Handler:
    async def answer(_: web.Request) -> web.Response:
        headers = {"Cache-Control": "public, max-age=31536000, immutable"}
        return web.Response(body=body, content_type=content_type, headers=headers)

    return answer
