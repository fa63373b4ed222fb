"""HTTP for revocation lists and OCSP answers: bounded in time and size, no redirects, no proxies from the environment."""

from __future__ import annotations

import aiohttp
from cryptography import x509

from gateway.core.documents.revocation import MOST_LIST
from gateway.core.errors import PeerUnavailable
from gateway.core.signing.ocsp import MAX_RESPONSE, ocsp_request

_TIMEOUT = aiohttp.ClientTimeout(total=60, connect=10, sock_read=20)
_ASK = {"Content-Type": "application/ocsp-request", "Accept": "application/ocsp-response"}


def open_session() -> aiohttp.ClientSession:
    """For one round."""
    return aiohttp.ClientSession(timeout=_TIMEOUT, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False)


async def fetch_list(session: aiohttp.ClientSession, url: str) -> bytes:
    """A revocation list, not verified yet. PeerUnavailable."""
    try:
        async with session.get(url, allow_redirects=False) as answer:
            return await _read(answer, url, MOST_LIST)
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as e:
        raise PeerUnavailable(f"{url} cannot be read: {type(e).__name__}") from e


async def fetch_answer(
    session: aiohttp.ClientSession, url: str, certificate: x509.Certificate, issuer: x509.Certificate
) -> bytes:
    """An OCSP response about the certificate, not verified yet. PeerUnavailable."""
    request = ocsp_request(certificate, issuer)
    try:
        async with session.post(url, data=request, headers=_ASK, allow_redirects=False) as answer:
            return await _read(answer, url, MAX_RESPONSE)
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as e:
        raise PeerUnavailable(f"{url} cannot be reached: {type(e).__name__}") from e


async def _read(answer: aiohttp.ClientResponse, url: str, limit: int) -> bytes:
    if answer.status != 200:
        raise PeerUnavailable(f"{url} answers with HTTP status {answer.status}")
    body = bytearray()
    async for chunk in answer.content.iter_chunked(65536):
        body += chunk
        if len(body) > limit:
            raise PeerUnavailable(f"{url} gives more than {limit} bytes")
    return bytes(body)
