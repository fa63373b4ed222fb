"""Records from an HTTP service: GET with the key as the last piece of the path, a JSON object or 404."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import quote

import aiohttp
from yarl import URL

from adapters.sdk.problems import MalformedCall, SourceUnavailable
from adapters.sdk.schema import parse_json
from adapters.sdk.sources.http import Fetched, fetch
from adapters.sdk.sources.port import Record


@dataclass(frozen=True, slots=True)
class RestSource:
    """`url`: what stands before the key, `http://127.0.0.1:9100/cards/`; `seconds`: for a whole answer."""

    session: aiohttp.ClientSession
    url: str
    seconds: float = 5.0

    async def find(self, key: str) -> Record | None:
        if key in ("", ".", ".."):
            return None  # would be another path
        answer = await fetch(self.session, "GET", URL(self.url + quote(key, safe=""), encoded=True), self.seconds)
        return record_of(answer)


def record_of(answer: Fetched) -> Record | None:
    """Members that are no text are left out: what an adapter gives on is named by it, not by the source."""
    if answer.status == HTTPStatus.NOT_FOUND:
        return None
    if answer.status != HTTPStatus.OK:
        raise SourceUnavailable
    return _record(answer.body)


def _record(body: bytes) -> Record:
    try:
        value = parse_json(body)
    except MalformedCall as e:
        raise SourceUnavailable from e
    if not isinstance(value, dict):
        raise SourceUnavailable
    return {name: text for name, text in value.items() if isinstance(text, str | None)}
