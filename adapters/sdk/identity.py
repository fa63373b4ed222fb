"""Our side of OpenID Connect: authorization code with PKCE, state and nonce; issuer, audience and algorithm are ours to say.

With a question (`authorization_details`, RFC 9396) the ID token holds the answer. It is kept whole: the provider's signature shows
that this person said yes or no to this very text.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import aiohttp
import jwt

_ALGORITHMS = ["ES256"]
_LEEWAY = 30
_MOST_BYTES = 256 * 1024
_REQUIRED = ["iss", "sub", "aud", "exp", "iat", "nonce"]
_SECONDS = 10.0


class SignInRefused(Exception):
    """The provider, or its token, does not say what is needed. Nothing of the token is repeated."""


class ProviderAway(Exception):
    """The provider does not answer."""


@dataclass(frozen=True, slots=True)
class Statement:
    """What the provider says; `token`: as it was signed."""

    claims: Mapping[str, Any] = field(repr=False)
    token: str = field(repr=False)


class IdentityProvider:
    """`issuer`: without a slash at its end; `back`: where browsers return to."""

    def __init__(self, http: aiohttp.ClientSession, issuer: str, client: str, back: str) -> None:
        self._http = http
        self._issuer = issuer
        self._client = client
        self._back = back

    def url(self, state: str, nonce: str, verifier: str, scope: str, question: Mapping[str, Any] | None = None) -> str:
        """Where to send the browser."""
        asked = {
            "response_type": "code",
            "client_id": self._client,
            "redirect_uri": self._back,
            "scope": scope,
            "state": state,
            "nonce": nonce,
            "code_challenge": _challenge(verifier),
            "code_challenge_method": "S256",
        }
        if question is not None:
            asked["authorization_details"] = json.dumps([question], ensure_ascii=False)
        return f"{self._issuer}/authorize?{urlencode(asked)}"

    async def redeem(self, code: str, verifier: str, nonce: str) -> Statement:
        """SignInRefused unless the token is for us, from the issuer, of this sign-in, in time; ProviderAway."""
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._back,
            "code_verifier": verifier,
            "client_id": self._client,
        }
        token = (await self._json("POST", "/token", data=form)).get("id_token")
        if not isinstance(token, str):
            raise SignInRefused
        try:
            keys = jwt.PyJWKSet.from_dict(dict(await self._json("GET", "/jwks"))).keys
            kid = jwt.get_unverified_header(token).get("kid")
            key = next(k for k in keys if k.key_id == kid and k.public_key_use in (None, "sig"))
            claims = jwt.decode(
                token,
                key,
                algorithms=_ALGORITHMS,
                audience=self._client,
                issuer=self._issuer,
                leeway=_LEEWAY,
                options={"require": _REQUIRED, "strict_aud": True},
            )
        except (jwt.PyJWTError, StopIteration) as e:
            raise SignInRefused from e
        if claims["nonce"] != nonce or claims.get("acr") != "level-2":
            raise SignInRefused
        return Statement(claims, token)

    async def _json(self, method: str, path: str, **more: Any) -> Mapping[str, Any]:
        """The endpoints are those of the issuer whom the settings name; nothing the provider says leads elsewhere."""
        timeout = aiohttp.ClientTimeout(total=_SECONDS)
        try:
            async with self._http.request(
                method, f"{self._issuer}{path}", allow_redirects=False, timeout=timeout, **more
            ) as answer:
                body = b""
                async for piece in answer.content.iter_any():
                    if len(body := body + piece) > _MOST_BYTES:
                        raise SignInRefused
                found = json.loads(body)
        except (aiohttp.ClientError, TimeoutError, OSError) as e:
            raise ProviderAway from e
        except ValueError as e:
            raise SignInRefused from e
        if not isinstance(found, dict):
            raise SignInRefused
        return found


def _challenge(verifier: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
