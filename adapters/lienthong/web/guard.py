"""What every answer carries, and what every change must show: its own origin, and the token of its session."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Middleware

from adapters.lienthong.web.sessions import Session

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; "
    "form-action 'self' {provider}; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",  # no-referrer would make browsers send Origin: null with our own forms (Fetch 3.2)
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}


class Forbidden(Exception):
    """Not our own page, or not this session's."""


def protect(app: web.Application, provider: str) -> None:
    """Headers on whatever `app` answers. `provider`: a form that is redirected there needs its name in the policy (CSP 3)."""
    policy = POLICY.format(provider=provider)

    async def prepared(_: web.Request, answer: web.StreamResponse) -> None:
        answer.headers.update({**_HEADERS, "Content-Security-Policy": policy})
        answer.headers.setdefault("Cache-Control", "no-store")

    app.on_response_prepare.append(prepared)


def only_our_name(origin: str) -> Middleware:
    """A page elsewhere cannot point its own name at us (DNS rebinding)."""
    host = urlsplit(origin).netloc

    @web.middleware
    async def named(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.host != host:
            return web.Response(status=421, text="This site has another name.\n")
        return await handler(request)

    return named


async def checked_form(request: web.Request, session: Session, origin: str) -> dict[str, list[str]]:
    """The fields; Forbidden unless our own page of this session sent them."""
    if request.content_type != "application/x-www-form-urlencoded":
        raise Forbidden
    if request.headers.get("Origin", origin) != origin:
        raise Forbidden
    if request.headers.get("Sec-Fetch-Site", "same-origin") != "same-origin":
        raise Forbidden
    posted = await request.post()
    form = {key: [v for v in posted.getall(key) if isinstance(v, str)] for key in posted}
    if not hmac.compare_digest("".join(form.get("csrf", [])).encode(), session.csrf.encode()):
        raise Forbidden
    return form
