"""The portal as an HTTP application."""

from __future__ import annotations

from pathlib import Path

from aiohttp import web
from aiohttp.typedefs import Middleware

from gateway.citizen.api import PREFIX, add_api
from gateway.citizen.guard import POLICY, Site
from gateway.citizen.oidc import OpenIdProvider
from gateway.citizen.pages import Pages
from gateway.citizen.portal import Portal
from gateway.citizen.sessions import Session
from gateway.citizen.watching import PortalWatch, watched
from gateway.core.errors import BearerRejected
from gateway.pages.guard import Handler, only_our_name, protect
from gateway.pages.look import Look
from gateway.pages.words import Catalogue, Language

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

    look = Look(FOLDER, Catalogue.load(FOLDER / "words"))
    pages = Pages(portal, provider, site, look, session_of, watch)
    app = web.Application(
        client_max_size=_MOST_BYTES, middlewares=[watched(watch), only_our_name(site.origin), _in_words(pages)]
    )
    protect(app, POLICY, secure=site.secure)
    add_api(app, portal, site, session_of)
    pages.add_to(app)
    look.add_static(app)
    return app


def _in_words(pages: Pages) -> Middleware:
    """What the framework refuses by itself, as a page: addresses that are none, forms that are too large."""

    @web.middleware
    async def worded(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except (web.HTTPNotFound, web.HTTPMethodNotAllowed, web.HTTPRequestEntityTooLarge) as e:
            if request.path.startswith((PREFIX, "/static/")):
                raise
            language: Language = "en" if request.path.startswith("/en/") else "vi"
            return pages.trouble(language, e.status, "size" if e.status == 413 else "address")

    return worded
