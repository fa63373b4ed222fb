"""What every answer of a site carries, and what a change must show.

headers   nothing from other hosts, no inline script or style, no frames, no referrer for others; pages are never kept by a cache
words     what the framework refuses is said on a page too, in the reader's language
host      only our own name: a page elsewhere cannot point its own name at us (DNS rebinding)
changes   POST from our own origin, with the session's token
"""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Middleware

from gateway.pages.words import Language

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

FORM = "application/x-www-form-urlencoded"
_HEADERS = {
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",  # no-referrer would make browsers send Origin: null with our own forms (Fetch 3.2)
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
_TWO_YEARS = "max-age=63072000"


def policy(*, scripts: bool = False, forms: str = "") -> str:
    """A content security policy (CSP 3). `scripts`: our own, which may talk to us; `forms`: an origin that a form may be
    redirected to."""
    script = "script-src 'self'; connect-src 'self'; " if scripts else ""
    target = f"'self' {forms}".rstrip()
    return (
        f"default-src 'none'; {script}style-src 'self'; img-src 'self'; "
        f"form-action {target}; base-uri 'none'; frame-ancestors 'none'"
    )


def protect(app: web.Application, policy: str, *, secure: bool) -> None:
    """Puts the headers on whatever `app` answers, streams and refusals of the framework too. `secure`: browsers come over https."""

    async def prepared(_: web.Request, answer: web.StreamResponse) -> None:
        answer.headers.update({**_HEADERS, "Content-Security-Policy": policy})
        answer.headers.setdefault("Cache-Control", "no-store")
        if secure:
            answer.headers["Strict-Transport-Security"] = _TWO_YEARS

    app.on_response_prepare.append(prepared)


def only_our_name(origin: str) -> Middleware:
    """`origin`: as browsers write ours: scheme, host, port."""
    host = urlsplit(origin).netloc

    @web.middleware
    async def named(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.host != host:
            return web.Response(status=421, text="This site has another name.\n")
        return await handler(request)

    return named


def in_words(trouble: Callable[[Language, int], web.Response], programs: tuple[str, ...] = ()) -> Middleware:
    """What the framework refuses by itself, an address that is none or a form that is too large, as a page of the site (`trouble`)
    in the language of the address. Below `programs` no people ask."""

    @web.middleware
    async def worded(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except (web.HTTPNotFound, web.HTTPMethodNotAllowed, web.HTTPRequestEntityTooLarge) as e:
            if request.path.startswith(programs):
                raise
            return trouble("en" if request.path.startswith("/en/") else "vi", e.status)

    return worded


class Forbidden(Exception):
    """Not our own page, or not this session's."""


async def checked_form(request: web.Request, csrf: str, origin: str) -> dict[str, list[str]]:
    """The fields; Forbidden unless our own page of the session with this token sent them."""
    if request.content_type != FORM:
        raise Forbidden
    posted = await request.post()
    form = {key: [v for v in posted.getall(key) if isinstance(v, str)] for key in posted}
    if not is_ours(request, origin, "".join(form.get("csrf", [])), csrf):
        raise Forbidden
    return form


def is_ours(request: web.Request, origin: str, token: str, expected: str) -> bool:
    """Whether our own page sent this: same origin as far as the browser says, and the token of its session."""
    if request.headers.get("Origin", origin) != origin:
        return False
    if request.headers.get("Sec-Fetch-Site", "same-origin") != "same-origin":
        return False
    return hmac.compare_digest(token.encode("utf-8", "surrogatepass"), expected.encode())
