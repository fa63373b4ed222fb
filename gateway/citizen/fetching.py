"""HTTP calls of the portal: bounded in time and size, no redirects, one error."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from gateway.core.errors import ServiceUnavailable


@dataclass(frozen=True, slots=True)
class Fetched:
    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)

    def json(self) -> Mapping[str, Any]:
        """An object; ServiceUnavailable for anything else."""
        try:
            found = json.loads(self.body)
        except ValueError as e:
            raise ServiceUnavailable("the answer is not JSON") from e
        if not isinstance(found, dict):
            raise ServiceUnavailable("the answer is not a JSON object")
        return found


async def fetch(http: aiohttp.ClientSession, method: str, url: str, *, most: int, **more: Any) -> Fetched:
    """ServiceUnavailable when it does not answer in the session's time, or with more than `most` bytes."""
    try:
        async with http.request(method, url, allow_redirects=False, **more) as answer:
            pieces, size = [], 0
            async for piece in answer.content.iter_any():
                size += len(piece)
                if size > most:
                    raise ServiceUnavailable("the answer is too large")
                pieces.append(piece)
            return Fetched(answer.status, answer.headers, b"".join(pieces))
    except (aiohttp.ClientError, TimeoutError, OSError) as e:
        raise ServiceUnavailable("it does not answer") from e
