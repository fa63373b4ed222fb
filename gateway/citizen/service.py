"""The portal as an HTTP application."""

from __future__ import annotations

from pathlib import Path

from aiohttp import web

from gateway.citizen.api import add_api
from gateway.citizen.guard import POLICY, Site
from gateway.citizen.oidc import OpenIdProvider
from gateway.citizen.pages import Pages
from gateway.citizen.portal import Portal
from gateway.citizen.sessions import Session
from gateway.citizen.watching import PortalWatch, watched
from gateway.core.errors import BearerRejected
from gateway.pages.guard import Handler, only_our_name, protect
from gateway.pages.look import Look
from gateway.pages.words import Catalogue
from gateway.storage.failures import DATABASE_ERRORS

_MOST_BYTES = 64 * 1024  # of a form
FOLDER = Path(__file__).parent
"""With `templates`, `static` and `words`."""


def build_citizen_app(portal: Portal, provider: OpenIdProvider, site: Site, watch: PortalWatch) -> web.Application:
    async def session_of(request: web.Request) -> Session:
        token = request.cookies.get(site.cookie("session"), "")
        found = await portal.sessions.find(token, portal.clock()) if token else None
        if found is None:
            raise BearerRejected("not signed in")
        return found

    app = web.Application(
        client_max_size=_MOST_BYTES, middlewares=[watched(watch), only_our_name(site.origin), _database_away]
    )
    protect(app, POLICY, secure=site.secure)
    look = Look(FOLDER, Catalogue.load(FOLDER / "words"))
    add_api(app, portal, site, session_of)
    Pages(portal, provider, site, look, session_of, watch).add_to(app)
    look.add_static(app)
    return app


@web.middleware
async def _database_away(request: web.Request, handler: Handler) -> web.StreamResponse:
    """A database error's text can hold values: nothing of it goes anywhere."""
    try:
        return await handler(request)
    except DATABASE_ERRORS:
        raise web.HTTPServiceUnavailable(text="try again later\n", headers={"Retry-After": "5"}) from None
