"""What a browser keeps for a site, and how the site keeps what it compares with: names, attributes, hashes of tokens."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from aiohttp import web


@dataclass(frozen=True, slots=True)
class Cookies:
    """HttpOnly and SameSite=Lax, over https also Secure and `__Host-`: no other host of the domain can set them. `secure`: browsers
    come over https."""

    secure: bool

    def name(self, name: str) -> str:
        """As the browser writes it."""
        return f"__Host-{name}" if self.secure else name

    def read(self, request: web.BaseRequest, name: str) -> str | None:
        """What it sent, whatever that is."""
        return request.cookies.get(self.name(name))

    def set(self, answer: web.StreamResponse, name: str, value: str, seconds: int) -> None:
        answer.set_cookie(self.name(name), value, max_age=seconds, **self._attributes())

    def forget(self, answer: web.StreamResponse, name: str) -> None:
        answer.del_cookie(self.name(name), **self._attributes())

    def _attributes(self) -> dict[str, Any]:
        return {"path": "/", "secure": self.secure, "httponly": True, "samesite": "Lax"}


def token_hash(token: str) -> bytes:
    """SHA-256, as which a token is kept. Of whatever a browser sends: bytes that are no UTF-8 come as halves of surrogates."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
