"""A form of our own page, in a session of its own."""

from __future__ import annotations

from aiohttp import web

from adapters.lienthong.web.sessions import Session
from gateway.pages.guard import FORM, is_ours


class Forbidden(Exception):
    """Not our own page, or not this session's."""


async def checked_form(request: web.Request, session: Session, origin: str) -> dict[str, list[str]]:
    """The fields; Forbidden unless our own page of this session sent them."""
    if request.content_type != FORM:
        raise Forbidden
    posted = await request.post()
    form = {key: [v for v in posted.getall(key) if isinstance(v, str)] for key in posted}
    if not is_ours(request, origin, "".join(form.get("csrf", [])), session.csrf):
        raise Forbidden
    return form
