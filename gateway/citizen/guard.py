"""What every answer of the portal carries, and what every request must show.

headers   nothing from other hosts, no inline script or style, no frames, no referrer for others; pages are never kept by a cache
host      only our own name: a page elsewhere cannot point its own name at us (DNS rebinding)
cookies   HttpOnly, SameSite=Lax, over https also Secure and `__Host-` (no other host of the domain can set them)
changes   POST from our own origin, with the session's token
"""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Middleware

from gateway.citizen.sessions import Session
from gateway.core.errors import AccessDenied

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",  # no-referrer would make browsers send Origin: null with our own forms (Fetch 3.2)
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
_TWO_YEARS = "max-age=63072000"
_SIGN_IN_SECONDS = 600


@dataclass(frozen=True, slots=True)
class Site:
    """`origin`: as browsers write ours: scheme, host, port."""

    origin: str
    longest: timedelta

    @property
    def secure(self) -> bool:
        return self.origin.startswith("https:")

    @property
    def host(self) -> str:
        return urlsplit(self.origin).netloc

    def cookie(self, name: str) -> str:
        return f"__Host-{name}" if self.secure else name

    def set_cookie(self, answer: web.StreamResponse, name: str, value: str, seconds: int) -> None:
        answer.set_cookie(
            self.cookie(name), value, max_age=seconds, path="/", secure=self.secure, httponly=True, samesite="Lax"
        )

    def open_session(self, answer: web.StreamResponse, session: Session) -> None:
        self.set_cookie(answer, "session", session.token, int(self.longest.total_seconds()))

    def bind_sign_in(self, answer: web.StreamResponse, browser: str) -> None:
        self.set_cookie(answer, "sign-in", browser, _SIGN_IN_SECONDS)

    def forget(self, answer: web.StreamResponse, name: str) -> None:
        answer.del_cookie(self.cookie(name), path="/", secure=self.secure, httponly=True, samesite="Lax")


def protect(app: web.Application, site: Site) -> None:
    """Puts the headers on whatever `app` answers, streams and refusals of the framework too."""

    async def prepared(_: web.Request, answer: web.StreamResponse) -> None:
        answer.headers.update(_HEADERS)
        answer.headers.setdefault("Cache-Control", "no-store")
        if site.secure:
            answer.headers["Strict-Transport-Security"] = _TWO_YEARS

    app.on_response_prepare.append(prepared)


def only_our_name(site: Site) -> Middleware:
    @web.middleware
    async def named(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.host != site.host:
            return web.Response(status=421, text="This portal has another name.\n")
        return await handler(request)

    return named


def check_change(request: web.Request, session: Session, token: str, site: Site) -> None:
    """AccessDenied unless our own page sent this: same origin as far as the browser says, and the session's token."""
    if request.headers.get("Origin", site.origin) != site.origin:
        raise AccessDenied("the request comes from another site")
    if request.headers.get("Sec-Fetch-Site", "same-origin") != "same-origin":
        raise AccessDenied("the request comes from another site")
    if not hmac.compare_digest(token.encode(), session.csrf.encode()):
        raise AccessDenied("the request does not show the token of its session")
