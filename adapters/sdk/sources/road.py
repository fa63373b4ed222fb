"""Records of another agency: an ordinary exchange through the client proxy of one's own security server, signed and logged."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

import aiohttp
from yarl import URL

from adapters.sdk.problems import SourceUnavailable
from adapters.sdk.sources.http import fetch
from adapters.sdk.sources.port import Record
from adapters.sdk.sources.rest import record_of
from adapters.sdk.tls import Tls
from gateway.core.identifiers import parse_client_id, parse_service_id


@dataclass(frozen=True, slots=True)
class RoadSource:
    """`url`: of the client proxy, `http://127.0.10.3:8080`; `client`: as whom we ask; `service`: in full; `path`: below it, up to
    the key; `purpose`: why we ask, which the person concerned reads; `seconds`: for a whole answer; `tls`: for an https `url`.

    What the security servers say in the service's stead (no right, nobody there) is no answer about a record. Each question has a
    connection of its own: registers ask other registers seldom."""

    url: str
    client: str
    service: str
    path: str
    purpose: str
    seconds: float = 8.0
    tls: Tls | None = None

    async def find(self, key: str) -> Record | None:
        if key in ("", ".", ".."):
            return None  # would be another path
        service = parse_service_id(self.service).encoded()
        target = URL(f"{self.url.rstrip('/')}/r1/{service}{self.path}{quote(key, safe='')}", encoded=True)
        headers = {
            "X-Road-Client": parse_client_id(self.client).encoded(),
            "Purpose-Code": self.purpose,
            "Accept": "application/json",
        }
        async with aiohttp.ClientSession(trust_env=False) as session:
            answer = await fetch(session, "GET", target, self.seconds, headers=headers, tls=self.tls)
        if answer.road_error is not None:
            raise SourceUnavailable
        return record_of(answer)
