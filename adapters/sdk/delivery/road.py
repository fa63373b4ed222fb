"""One attempt: an ordinary exchange through the client proxy of the sender's own security server, signed and logged by it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol

import aiohttp

from adapters.sdk.delivery.judging import Answer
from adapters.sdk.delivery.outbox import Claim
from adapters.sdk.tls import Tls
from gateway.core.identifiers import parse_client_id, parse_service_id

_MOST_ANSWER = 64 * 1024


class NoAnswer(Exception):
    """Nothing is known: the message may have arrived or not. `cause`: a code."""

    def __init__(self, cause: str) -> None:
        super().__init__(cause)
        self.cause = cause


class Road(Protocol):
    async def send(self, claim: Claim) -> Answer:
        """The answer, whatever it says; NoAnswer when there was none. Must end before the lease of a claim does."""


class SecurityServerRoad:
    """`url`: of the client proxy, `http://127.0.10.4:8080`; `client`: `VN/GOV/G22/lienthong`; `seconds`: for one attempt;
    `tls`: for `https://127.0.10.4:8443`, how the two know each other."""

    def __init__(
        self, session: aiohttp.ClientSession, url: str, client: str, seconds: float, tls: Tls | None = None
    ) -> None:
        self._session = session
        self._url = url.rstrip("/")
        self._client = parse_client_id(client).encoded()
        self._seconds = seconds
        self._tls = True if tls is None else tls.calling()

    async def send(self, claim: Claim) -> Answer:
        message = claim.message
        headers = {
            "X-Road-Client": self._client,
            "X-Road-Id": str(claim.attempt_id),
            "X-Road-Issue": message.issue,
            "Idempotency-Key": str(message.message_id),
            "Content-Type": "application/json",
            "Accept": "application/json",
        }
        if message.purpose is not None:
            headers["Purpose-Code"] = message.purpose
        if message.legal_basis is not None:
            headers["Legal-Basis"] = message.legal_basis
        target = f"{self._url}/r1/{parse_service_id(message.service).encoded()}{message.path}"
        try:
            async with asyncio.timeout(self._seconds):
                return await self._post(target, headers, message.body)
        except TimeoutError as e:
            raise NoAnswer("no_answer_in_time") from e
        except (aiohttp.ClientError, OSError) as e:
            raise NoAnswer("security_server_unreachable") from e

    async def _post(self, target: str, headers: dict[str, str], body: bytes) -> Answer:
        async with self._session.post(
            target, data=body, headers=headers, allow_redirects=False, ssl=self._tls
        ) as answer:
            raw = await answer.content.read(_MOST_ANSWER + 1)
            while len(raw) <= _MOST_ANSWER and (more := await answer.content.read(_MOST_ANSWER)):
                raw += more
            return Answer(
                answer.status,
                raw[:_MOST_ANSWER],
                answer.headers.get("X-Road-Error"),
                _printable(answer.headers.get("X-Road-Request-Id")),
            )


def _printable(text: str | None) -> str | None:
    """What a database column can hold, whoever sent it."""
    return text if text is not None and text.isascii() and text.isprintable() else None


@asynccontextmanager
async def open_road(
    url: str, client: str, seconds: float = 60.0, tls: Tls | None = None
) -> AsyncIterator[SecurityServerRoad]:
    """`seconds` bounds one attempt; keep it well below the lease of the outbox."""
    async with aiohttp.ClientSession(trust_env=False, auto_decompress=False) as session:
        yield SecurityServerRoad(session, url, client, seconds, tls)
