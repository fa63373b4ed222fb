"""The portal's own part of its guard (`gateway/pages/guard.py`): its policy, what its cookies hold, whose change it is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from aiohttp import web

from gateway.citizen.sessions import Session
from gateway.core.errors import AccessDenied
from gateway.pages.cookies import Cookies
from gateway.pages.guard import is_ours, policy
from gateway.pages.signin import SIGN_IN_TIME

POLICY = policy(scripts=True)


@dataclass(frozen=True, slots=True)
class Site:
    """`origin`: as browsers write ours: scheme, host, port."""

    origin: str
    longest: timedelta

    @property
    def secure(self) -> bool:
        return self.origin.startswith("https:")

    @property
    def cookies(self) -> Cookies:
        return Cookies(self.secure)

    def open_session(self, answer: web.StreamResponse, session: Session) -> None:
        self.cookies.set(answer, "session", session.token, int(self.longest.total_seconds()))

    def bind_sign_in(self, answer: web.StreamResponse, browser: str) -> None:
        self.cookies.set(answer, "sign-in", browser, int(SIGN_IN_TIME.total_seconds()))


def check_change(request: web.Request, session: Session, token: str, site: Site) -> None:
    """AccessDenied unless our own page of this session sent this."""
    if not is_ours(request, site.origin, token, session.csrf):
        raise AccessDenied("the request is not from a page of this session")
