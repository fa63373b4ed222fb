"""What nobody foresaw: one page in both languages, with a number that also stands in the operator's log line.

Nothing of a site's own stands on the page, neither its catalogue nor its session: they may be what failed.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from http import HTTPStatus
from typing import TypeAlias

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.typedefs import Middleware

from gateway.pages.guard import Handler
from gateway.pages.look import Look

Report: TypeAlias = Callable[[str, str, Exception], None]
"""Tells the operator: the number, the route as it was declared (never the path, which may name somebody), the error."""


def in_both_languages(look: Look, report: Report, programs: tuple[str, ...] = ()) -> Middleware:
    """Goes around all that answers; below `programs` it is a problem of RFC 9457. What the framework refuses goes through, and
    so does whatever befalls an answer that has begun: its connection ends."""

    @web.middleware
    async def told(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except web.HTTPException:
            raise
        except (HttpProcessingError, web.RequestPayloadError) as e:
            raise web.HTTPBadRequest from e
        except Exception as e:  # the one place where what nobody foresaw becomes a 500
            transport = request.transport
            if transport is None or transport.is_closing():
                raise  # whoever asked is gone
            number = secrets.token_hex(8)
            report(number, _declared(request), e)
            if request.writer.output_size:
                raise
            return _problem(number) if request.path.startswith(programs) else _page(look, number)

    return told


def _declared(request: web.Request) -> str:
    resource = request.match_info.route.resource
    return "-" if resource is None else resource.canonical


def _page(look: Look, number: str) -> web.Response:
    text = look("vi", "failure", number=number)
    return web.Response(text=text, status=500, content_type="text/html", charset="utf-8")


def _problem(number: str) -> web.Response:
    status = HTTPStatus.INTERNAL_SERVER_ERROR
    body = {"type": "about:blank", "status": status, "title": status.phrase, "correlation_id": number}
    return web.json_response(body, status=status, content_type="application/problem+json")
