"""One HTTP request to another system: bounded in time and size, no redirects, every mishap the one error."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
from yarl import URL

from adapters.sdk.problems import SourceUnavailable
from adapters.sdk.tls import Tls

MOST_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Fetched:
    """`road_error`: the header X-Road-Error, None when the answer is the service's own."""

    status: int
    body: bytes
    road_error: str | None = None


async def fetch(
    session: aiohttp.ClientSession,
    method: str,
    url: URL,
    seconds: float,
    *,
    data: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    tls: Tls | None = None,
) -> Fetched:
    """SourceUnavailable when there is no whole answer of at most MOST_BYTES within `seconds`."""
    more: dict[str, Any] = {"data": data, "headers": headers, "timeout": aiohttp.ClientTimeout(total=seconds)}
    if tls is not None:
        more["ssl"] = tls.calling()
    try:
        async with session.request(method, url, allow_redirects=False, **more) as answer:
            body = await answer.content.read(MOST_BYTES + 1)
            while len(body) <= MOST_BYTES and (piece := await answer.content.read(MOST_BYTES)):
                body += piece
    except (aiohttp.ClientError, OSError, TimeoutError) as e:
        raise SourceUnavailable from e
    if len(body) > MOST_BYTES:
        raise SourceUnavailable
    return Fetched(answer.status, body, answer.headers.get("X-Road-Error"))
