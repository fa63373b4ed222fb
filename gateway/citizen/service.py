"""The portal as an HTTP application."""

from __future__ import annotations

from pathlib import Path

from aiohttp import web

from gateway.citizen.api import PREFIX, add_api
from gateway.citizen.guard import POLICY, Site
from gateway.citizen.oidc import OpenIdProvider
from gateway.citizen.pages import Pages
from gateway.citizen.portal import Portal
from gateway.citizen.sessions import Session
from gateway.citizen.watching import PortalWatch, watched
from gateway.core.errors import BearerRejected
from gateway.pages.failure import Report, in_both_languages
from gateway.pages.guard import in_words, only_our_name, protect
from gateway.pages.look import Look
from gateway.pages.words import Catalogue, Language

_MOST_BYTES = 64 * 1024  # of a form
_PROGRAMS = (PREFIX, "/static/")
FOLDER = Path(__file__).parent
"""With `templates`, `static` and `words`."""


def build_citizen_app(
    portal: Portal, provider: OpenIdProvider, site: Site, watch: PortalWatch, report: Report
) -> web.Application:
    async def session_of(request: web.Request) -> Session:
        token = site.cookies.read(request, "session") or ""
        found = await portal.sessions.find(token, portal.clock()) if token else None
        if found is None:
            raise BearerRejected("not signed in")
        return found

    look = Look(FOLDER, Catalogue.load(FOLDER / "words"))
    pages = Pages(portal, provider, site, look, session_of, watch)

    def refused(language: Language, status: int) -> web.Response:
        return pages.trouble(language, status, "size" if status == 413 else "address")

    app = web.Application(
        client_max_size=_MOST_BYTES,
        middlewares=[
            watched(watch),
            in_both_languages(look, report, _PROGRAMS),
            only_our_name(site.origin),
            in_words(refused, _PROGRAMS),
        ],
    )
    protect(app, POLICY, secure=site.secure)
    add_api(app, portal, site, session_of)
    pages.add_to(app)
    look.add_static(app)
    return app
