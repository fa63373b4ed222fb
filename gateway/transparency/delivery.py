"""Leaves over HTTP to the log's front end: `POST <log>/<year>/leaves`, one request for each yearly log.

Over TLS each side knows the other by its certificate: the log whose leaves it takes, this server who promises to hold them.
"""

from __future__ import annotations

import ssl
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import aiohttp

from gateway.core.errors import EvidenceUnavailable
from gateway.core.merkle.text import print_base64
from gateway.transparency.waiting import WaitingLeaf


class LogDelivery:
    """The LogSubmission of a security server. `url`: the log's front end, without the year; `context`: for one at https://, None on
    loopback; `close` it."""

    def __init__(self, url: str, server: str, timeout: float, context: ssl.SSLContext | None = None) -> None:
        self._url = url.rstrip("/")
        self._server = server
        self._tls = context or True
        self._session = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=timeout),
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    async def close(self) -> None:
        await self._session.close()

    async def __call__(self, leaves: Sequence[WaitingLeaf]) -> bool:
        years: defaultdict[int, list[WaitingLeaf]] = defaultdict(list)
        for leaf in leaves:
            years[leaf.time.year].append(leaf)
        return all([await self._post(year, found) for year, found in years.items()])

    async def _post(self, year: int, leaves: Sequence[WaitingLeaf]) -> bool:
        document = {
            "source": self._server,
            "leaves": [{"record": str(x.record), "sequence": x.number, "entry": print_base64(x.leaf)} for x in leaves],
        }
        try:
            async with self._session.post(
                f"{self._url}/{year}/leaves", json=document, ssl=self._tls, allow_redirects=False
            ) as answer:
                if answer.status != 200:
                    raise EvidenceUnavailable(f"the public log answers with status {answer.status}")
                return _all_included(await answer.json(content_type=None), len(leaves))
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as e:
            raise EvidenceUnavailable("the public log does not answer") from e


def _all_included(answer: Any, submitted: int) -> bool:
    """Whether each has its index in the tree. EvidenceUnavailable when the answer is not about what was submitted."""
    found = answer.get("leaves") if isinstance(answer, dict) else None
    if not isinstance(found, list) or len(found) != submitted or not all(isinstance(x, dict) for x in found):
        raise EvidenceUnavailable("the public log answers something else")
    return all(isinstance(x.get("index"), int) for x in found)
