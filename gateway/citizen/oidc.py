"""Our side of OpenID Connect: authorization code with PKCE (RFC 7636, S256), state and nonce.

The provider's description and keys are kept; an unknown key makes us look again, at most once in half a minute, so that nobody
drives us against the provider with invented key names. A key that the provider no longer publishes is forgotten within minutes;
what was good stays in use while the provider is away.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

import aiohttp
import jwt

from gateway.citizen.fetching import fetch
from gateway.citizen.idtoken import Expected, Identity, check_id_token, key_id, signing_key
from gateway.core.errors import BearerRejected, ServiceUnavailable

_LOOK_AGAIN, _KEEP_KEYS = 30.0, 600.0  # seconds
_MOST_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class Client:
    """Who we are at the provider. `secret`: None for a public client; `redirect`: where the browser comes back to."""

    id: str
    secret: str | None
    scope: str
    redirect: str


@dataclass(frozen=True, slots=True)
class _Provider:
    authorize: str
    token: str
    keys: str


class OpenIdProvider:
    """`now`: monotonic seconds."""

    def __init__(
        self, client: Client, expected: Expected, http: aiohttp.ClientSession, now: Callable[[], float]
    ) -> None:
        self._client = client
        self._expected = expected
        self._http = http
        self._now = now
        self._provider: _Provider | None = None
        self._keys: list[jwt.PyJWK] = []
        self._looked = float("-inf")

    async def sign_in_url(self, state: str, nonce: str, verifier: str) -> str:
        """Where to send the browser. ServiceUnavailable when the provider was never reached."""
        provider = await self._discovered()
        query = {
            "response_type": "code",
            "client_id": self._client.id,
            "redirect_uri": self._client.redirect,
            "scope": self._client.scope,
            "state": state,
            "nonce": nonce,
            "code_challenge": challenge(verifier),
            "code_challenge_method": "S256",
            "acr_values": " ".join(self._expected.assurance),
        }
        return f"{provider.authorize}{'&' if urlsplit(provider.authorize).query else '?'}{urlencode(query)}"

    async def describe(self) -> None:
        """Ask it now, whatever is known already. ServiceUnavailable when it does not describe itself."""
        self._provider = await self._describe()

    async def redeem(self, code: str, verifier: str, nonce: str) -> Identity:
        """Who signed in. BearerRejected when the provider or its token say otherwise, ServiceUnavailable when it is away."""
        provider = await self._discovered()
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self._client.redirect,
            "code_verifier": verifier,
            "client_id": self._client.id,
        }
        secret = self._client.secret
        headers = {} if secret is None else {"Authorization": aiohttp.encode_basic_auth(self._client.id, secret)}
        status, answer = await self._json("POST", provider.token, data=form, headers=headers)
        token = answer.get("id_token")
        if status != 200 or not isinstance(token, str):
            raise BearerRejected("the identity provider did not confirm the sign-in")
        return check_id_token(token, await self._key(key_id(token)), self._expected, nonce)

    async def _key(self, kid: str) -> jwt.PyJWK:
        key, age = signing_key(self._keys, kid), self._now() - self._looked
        if age >= (_LOOK_AGAIN if key is None else _KEEP_KEYS):
            self._looked = self._now()
            try:
                self._keys = await self._read_keys((await self._discovered()).keys)
            except ServiceUnavailable:
                if key is None:
                    raise
                self._looked -= _KEEP_KEYS - _LOOK_AGAIN
            else:
                key = signing_key(self._keys, kid)
        if key is None:
            raise BearerRejected("the ID token is signed with a key that the identity provider does not publish")
        return key

    async def _read_keys(self, url: str) -> list[jwt.PyJWK]:
        status, answer = await self._json("GET", url)
        try:
            if status == 200:
                return jwt.PyJWKSet.from_dict(dict(answer)).keys
        except (jwt.PyJWTError, TypeError, AttributeError) as e:
            raise ServiceUnavailable("the identity provider's keys cannot be read") from e
        raise ServiceUnavailable("the identity provider does not give its keys")

    async def _discovered(self) -> _Provider:
        """OpenID Connect Discovery 4.3: the document must name the very issuer we asked."""
        if self._provider is None:
            self._provider = await self._describe()
        return self._provider

    async def _describe(self) -> _Provider:
        issuer = self._expected.issuer
        status, found = await self._json("GET", issuer.rstrip("/") + "/.well-known/openid-configuration")
        if status != 200 or found.get("issuer") != issuer:
            raise ServiceUnavailable("the identity provider does not describe itself")
        urls = [found.get(k) for k in ("authorization_endpoint", "token_endpoint", "jwks_uri")]
        return _Provider(*(_endpoint(url, issuer) for url in urls))

    async def _json(self, method: str, url: str, **more: Any) -> tuple[int, Mapping[str, Any]]:
        answer = await fetch(self._http, method, url, most=_MOST_BYTES, **more)
        if answer.status >= 500:
            raise ServiceUnavailable("the identity provider is out of order")
        return answer.status, answer.json()


def challenge(verifier: str) -> str:
    """PKCE's S256 of a code verifier."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def _endpoint(url: object, issuer: str) -> str:
    """An endpoint over no less than the issuer's own scheme."""
    if not isinstance(url, str) or urlsplit(url).scheme not in ("https", urlsplit(issuer).scheme):
        raise ServiceUnavailable("the identity provider names an endpoint that is no address")
    return url
