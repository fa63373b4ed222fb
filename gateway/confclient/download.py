"""HTTP for the configuration client: bounded in time and size, no redirects, no cookies, no proxies from the environment."""

from __future__ import annotations

from urllib.parse import urljoin, urlsplit

import aiohttp

from gateway.confclient.locations import versioned
from gateway.core.errors import MalformedMessage, PeerUnavailable
from gateway.core.globalconf.directory import MAX_DIRECTORY
from gateway.core.globalconf.xmlform import MAX_DOCUMENT

MAX_ANCHOR = 1024 * 1024
# reference 7.1: X-Road's own limits
_TIMEOUT = aiohttp.ClientTimeout(total=None, connect=10, sock_connect=10, sock_read=30)
_UNREACHABLE = "global_conf_download_url_connection_failure"


def open_session() -> aiohttp.ClientSession:
    """For one round of refreshing."""
    return aiohttp.ClientSession(
        timeout=_TIMEOUT,
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"Accept-Encoding": "identity"},  # what is signed is hashed as received; nothing to inflate
        trust_env=False,
    )


async def fetch_directory(session: aiohttp.ClientSession, location: str) -> bytes:
    """The signed directory of the newest version that the location has. PeerUnavailable or MalformedMessage."""
    for url in versioned(location):
        body = await _get(session, url, MAX_DIRECTORY)
        if body is not None:
            return body
    raise PeerUnavailable(f"{location} has no version that is known here", code="global_conf_get_version_failed")


async def fetch_part(session: aiohttp.ClientSession, location: str, part_location: str) -> bytes:
    """A file of the configuration; `part_location` is relative to the directory's URL (RFC 3986).
    PeerUnavailable or MalformedMessage."""
    return await _required(session, _resolved(location, part_location), MAX_DOCUMENT)


def _resolved(location: str, part_location: str) -> str:
    try:
        url = urljoin(location, part_location)
        if urlsplit(url).scheme in {"http", "https"}:
            return url
    except ValueError as e:
        raise MalformedMessage("a location that is no URL", code="global_conf_header_field_wrong_value") from e
    raise MalformedMessage("a location that is not HTTP", code="global_conf_header_field_wrong_value")


async def fetch_anchor(session: aiohttp.ClientSession, url: str) -> bytes:
    return await _required(session, url, MAX_ANCHOR)


async def _required(session: aiohttp.ClientSession, url: str, limit: int) -> bytes:
    body = await _get(session, url, limit)
    if body is None:
        raise PeerUnavailable(f"{url} does not exist", code=_UNREACHABLE)
    return body


async def _get(session: aiohttp.ClientSession, url: str, limit: int) -> bytes | None:
    """The body; None for 404."""
    try:
        async with session.get(url, allow_redirects=False) as response:
            if response.status == 404:
                return None
            if response.status != 200:
                raise PeerUnavailable(f"{url} answers with HTTP status {response.status}", code=_UNREACHABLE)
            return await _read(response, limit)
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as e:
        raise PeerUnavailable(f"{url} cannot be read: {type(e).__name__}", code=_UNREACHABLE) from e


async def _read(response: aiohttp.ClientResponse, limit: int) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_chunked(65536):
        body += chunk
        if len(body) > limit:
            raise MalformedMessage("A download is larger than its limit", code="conf_download_failed")
    return bytes(body)
