"""ID tokens of the stand-in, and the codes that are exchanged for them. Keys and codes live as long as the process."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import time
from dataclasses import dataclass, field
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

from adapters.vneid.questions import Question

_CODE_SECONDS = 60.0
_TOKEN_SECONDS = 300
_MOST_CODES = 10_000


@dataclass(frozen=True, slots=True)
class Citizen:
    number: str
    name: str
    assurance: str

    def claims(self) -> dict[str, Any]:
        return {"acr": self.assurance, "name": self.name, "personal_number": self.number}


@dataclass(frozen=True, slots=True)
class Officer:
    """Somebody at work: `code` instead of a name, `role` says what for. No personal number leaves this provider."""

    code: str
    role: str
    office: str

    @property
    def number(self) -> str:
        return self.code

    def claims(self) -> dict[str, Any]:
        return {"acr": "level-2", "officer": self.code, "role": self.role, "office": self.office}


@dataclass(frozen=True, slots=True)
class Answer:
    """What a person said to a client's question (`authorization_details`, RFC 9396): the question as shown, and yes or no."""

    question: Question = field(repr=False)
    granted: bool

    def claim(self) -> list[dict[str, Any]]:
        return [{**self.question.model_dump(mode="json"), "decision": "granted" if self.granted else "refused"}]


@dataclass(frozen=True, slots=True)
class Grant:
    """What a code stands for. `challenge`: PKCE's S256."""

    client: str
    redirect: str
    nonce: str
    challenge: str = field(repr=False)
    citizen: Citizen | Officer = field(repr=False)
    until: float
    answer: Answer | None = None


class Issuer:
    """One signing key (ES256), made at start."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._kid = secrets.token_hex(8)
        self._codes: dict[str, Grant] = {}

    def keys(self) -> dict[str, Any]:
        """The JWKS (RFC 7517)."""
        public: dict[str, Any] = json.loads(ECAlgorithm.to_jwk(self._key.public_key()))
        return {"keys": [{**public, "kid": self._kid, "use": "sig", "alg": "ES256"}]}

    def code(
        self,
        client: str,
        redirect: str,
        nonce: str,
        challenge: str,
        citizen: Citizen | Officer,
        answer: Answer | None = None,
    ) -> str:
        now = time.monotonic()
        self._codes = {code: grant for code, grant in self._codes.items() if grant.until > now}
        if len(self._codes) >= _MOST_CODES:
            self._codes.clear()
        code = secrets.token_urlsafe(24)
        self._codes[code] = Grant(client, redirect, nonce, challenge, citizen, now + _CODE_SECONDS, answer)
        return code

    def redeem(self, code: str, client: str, redirect: str, verifier: str) -> Grant | None:
        """Once. None: unknown, used, too old, or of another client, address or verifier."""
        grant = self._codes.pop(code, None)
        if grant is None or grant.until < time.monotonic() or (grant.client, grant.redirect) != (client, redirect):
            return None
        digest = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
        return grant if hmac.compare_digest(digest, grant.challenge) else None

    def id_token(self, grant: Grant) -> str:
        now = int(time.time())
        claims: dict[str, Any] = {
            "iss": self.url,
            "sub": hashlib.sha256(f"{grant.client}\0{grant.citizen.number}".encode()).hexdigest(),
            "aud": grant.client,
            "iat": now,
            "exp": now + _TOKEN_SECONDS,
            "auth_time": now,
            "nonce": grant.nonce,
            **grant.citizen.claims(),
        }
        if grant.answer is not None:
            claims["authorization_details"] = grant.answer.claim()
        return jwt.encode(claims, self._key, algorithm="ES256", headers={"kid": self._kid})
