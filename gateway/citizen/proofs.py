"""What the public log says, passed on to browsers as it is: receipts, checkpoints, tiles. Nothing here is believed or judged.

A browser may not talk to other hosts (content security policy), so the portal stands between; what it passes on is signed by the
log and its witnesses, or hashes to what is.
"""

from __future__ import annotations

from dataclasses import dataclass

import aiohttp

from gateway.citizen.fetching import Fetched, fetch
from gateway.core.errors import MalformedMessage, ServiceUnavailable
from gateway.core.merkle.hashing import leaf_hash
from gateway.core.merkle.note import MAX_NOTE
from gateway.core.merkle.policy import Policy
from gateway.core.merkle.receipt import MAX_RECEIPT
from gateway.core.merkle.tiles import MAX_TILE_FILE, TILE_WIDTH, Tile, cut, parse_tile_path


@dataclass(frozen=True, slots=True)
class Receipt:
    """`file`: the .tlog-proof; None: the entry still waits."""

    file: bytes | None


class PublicLog:
    """The logs of a policy, one a year, at the addresses that the policy gives."""

    def __init__(self, policy: Policy, http: aiohttp.ClientSession) -> None:
        self._urls = {log.key.name: log.url for log in policy.logs if log.url is not None}
        self._http = http

    def origin(self, year: int) -> str | None:
        """The log that holds records of this year."""
        return next((name for name in self._urls if name.rpartition("/")[2] == str(year)), None)

    async def receipt(self, year: int, leaf: bytes) -> Receipt | None:
        """None: the log does not have this leaf. ServiceUnavailable when that is not known."""
        answer = await self._get(year, f"receipt/{leaf_hash(leaf).hex()}", MAX_RECEIPT)
        match answer.status:
            case 200:
                return Receipt(answer.body)
            case 202:
                return Receipt(None)
            case 404:
                return None
        raise ServiceUnavailable("the public log is out of order")

    async def checkpoint(self, year: int) -> Fetched:
        return await self._get(year, "checkpoint", MAX_NOTE)

    async def tile(self, year: int, path: str) -> Fetched:
        """MalformedMessage for what is no path of a tile."""
        return await self._get(year, parse_tile_path(path).path, MAX_TILE_FILE)

    async def hashes(self, year: int, wanted: Tile) -> bytes:
        """The bytes of a hash tile, cut from the full one when the partial one is gone. ServiceUnavailable without it."""
        found = await self.tile(year, wanted.path)
        if found.status == 404 and wanted.width < TILE_WIDTH:
            return cut((await self.tile(year, Tile(wanted.level, wanted.number).path)).body, wanted)
        if found.status != 200:
            raise ServiceUnavailable("a file of the public log is missing")
        return found.body

    async def _get(self, year: int, path: str, most: int) -> Fetched:
        origin = self.origin(year)
        if origin is None:
            raise MalformedMessage("there is no log of that year")
        return await fetch(self._http, "GET", f"{self._urls[origin]}/{path}", most=most)
