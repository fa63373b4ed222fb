"""What an OpenID provider says about who signed in, judged (OpenID Connect Core 3.1.3.7).

Algorithms, issuer and audience are fixed by the settings and never taken from the token; the key is chosen by `kid` among the
provider's own, never from the token's `jwk`, `jku` or `x5c`.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import jwt

from gateway.core.errors import BearerRejected, MalformedMessage
from gateway.core.subjects.kinds import Person, person

_LEEWAY = 30  # seconds between the provider's clock and ours
_REQUIRED = ("iss", "sub", "aud", "exp", "iat", "nonce")
_MOST_NAME = 120
MAX_TOKEN = 16 * 1024


@dataclass(frozen=True, slots=True)
class Expected:
    """`assurance`: values of `acr` that are high enough; `person_claim`: holds a number of the kind `person_kind`."""

    issuer: str
    audience: str
    algorithms: tuple[str, ...]
    assurance: tuple[str, ...]
    person_claim: str
    person_kind: str


@dataclass(frozen=True, slots=True)
class Identity:
    """Somebody who signed in."""

    person: Person
    name: str = field(repr=False)


def key_id(token: str) -> str:
    """`kid` of a token that nothing is known of yet. BearerRejected when there is none."""
    if len(token) > MAX_TOKEN:
        raise BearerRejected("an ID token of more than 16 KiB")
    try:
        found = jwt.get_unverified_header(token).get("kid")
    except jwt.PyJWTError as e:
        raise BearerRejected("not an ID token") from e
    if not isinstance(found, str) or not found:
        raise BearerRejected("an ID token that does not name its key")
    return found


def check_id_token(token: str, key: jwt.PyJWK, expected: Expected, nonce: str) -> Identity:
    """BearerRejected, which repeats nothing of the token, unless it is for us, from the issuer, about this very sign-in, in time
    and with enough assurance."""
    try:
        claims: Mapping[str, Any] = jwt.decode(
            token,
            key,
            algorithms=expected.algorithms,
            audience=expected.audience,
            issuer=expected.issuer,
            leeway=_LEEWAY,
            options={"require": list(_REQUIRED), "strict_aud": True},
        )
    except jwt.PyJWTError as e:
        raise BearerRejected("the ID token is not acceptable") from e
    if claims.get("azp", expected.audience) != expected.audience:
        raise BearerRejected("the ID token was made for somebody else")
    if not isinstance(claims["nonce"], str) or not hmac.compare_digest(_bytes(claims["nonce"]), nonce.encode()):
        raise BearerRejected("the ID token belongs to another sign-in")
    if claims.get("acr") not in expected.assurance:
        raise BearerRejected("the sign-in was not with the assurance that is needed")
    return Identity(_person(claims, expected), _name(claims))


def _person(claims: Mapping[str, Any], expected: Expected) -> Person:
    number = claims.get(expected.person_claim)
    try:
        if isinstance(number, str):
            return person(expected.person_kind, number)
    except MalformedMessage as e:
        raise BearerRejected("the ID token names nobody by a number that is known here") from e
    raise BearerRejected("the ID token names nobody")


def _name(claims: Mapping[str, Any]) -> str:
    name = claims.get("name")
    return _bytes(name[:_MOST_NAME]).decode().replace("\0", "") if isinstance(name, str) else ""


def _bytes(text: str) -> bytes:
    """Halves of surrogate pairs, which JSON can carry and nothing else can, become question marks."""
    return text.encode("utf-8", "replace")


def signing_key(keys: Sequence[jwt.PyJWK], kid: str) -> jwt.PyJWK | None:
    """The provider's key of that name which is for signatures."""
    found = [key for key in keys if key.key_id == kid and key.public_key_use in (None, "sig")]
    return found[0] if len(found) == 1 else None
