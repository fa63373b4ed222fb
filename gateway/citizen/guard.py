"""The portal's own part of its guard (`gateway/pages/guard.py`): its policy, its cookies, whose change it is.

cookies   HttpOnly, SameSite=Lax, over https also Secure and `__Host-` (no other host of the domain can set them)
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from aiohttp import web

from gateway.citizen.sessions import Session
from gateway.core.errors import AccessDenied
from gateway.pages.guard import is_ours, policy

POLICY = policy(scripts=True)
_SIGN_IN_SECONDS = 600


@dataclass(frozen=True, slots=True)
class Site:
    """`origin`: as browsers write ours: scheme, host, port."""

    origin: str
    longest: timedelta

    @property
    def secure(self) -> bool:
        return self.origin.startswith("https:")

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


def check_change(request: web.Request, session: Session, token: str, site: Site) -> None:
    """AccessDenied unless our own page of this session sent this."""
    if not is_ours(request, site.origin, token, session.csrf):
        raise AccessDenied("the request is not from a page of this session")
