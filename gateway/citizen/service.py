"""The portal as an HTTP application."""

from __future__ import annotations

from aiohttp import web

from gateway.citizen.api import add_api
from gateway.citizen.guard import Handler, Site, only_our_name, protect
from gateway.citizen.oidc import OpenIdProvider
from gateway.citizen.pages import Pages
from gateway.citizen.portal import Portal
from gateway.citizen.rendering import STATIC, Renderer, static_name
from gateway.citizen.sessions import Session
from gateway.citizen.watching import PortalWatch, watched
from gateway.citizen.words import load_catalogues
from gateway.core.errors import BearerRejected
from gateway.storage.failures import DATABASE_ERRORS

_MOST_BYTES = 64 * 1024  # of a form
_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_FOR_EVER = "public, max-age=31536000, immutable"


def build_citizen_app(portal: Portal, provider: OpenIdProvider, site: Site, watch: PortalWatch) -> web.Application:
    async def session_of(request: web.Request) -> Session:
        token = request.cookies.get(site.cookie("session"), "")
        found = await portal.sessions.find(token, portal.clock()) if token else None
        if found is None:
            raise BearerRejected("not signed in")
        return found

    app = web.Application(
        client_max_size=_MOST_BYTES, middlewares=[watched(watch), only_our_name(site), _database_away]
    )
    protect(app, site)
    add_api(app, portal, site, session_of)
    Pages(portal, provider, site, Renderer(load_catalogues()), session_of, watch).add_to(app)
    for path in STATIC.iterdir():
        app.router.add_get(f"/static/{static_name(path)}", _file(path.read_bytes(), _TYPES[path.suffix]))
    return app


@web.middleware
async def _database_away(request: web.Request, handler: Handler) -> web.StreamResponse:
    """A database error's text can hold values: nothing of it goes anywhere."""
    try:
        return await handler(request)
    except DATABASE_ERRORS:
        raise web.HTTPServiceUnavailable(text="try again later\n", headers={"Retry-After": "5"}) from None


def _file(body: bytes, content_type: str) -> Handler:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=body, content_type=content_type, charset="utf-8", headers={"Cache-Control": _FOR_EVER})

    return answer
