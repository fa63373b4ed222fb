"""The log for everybody, over HTTP. All but receipts are the files of a folder: any web server or cache can serve them as well.

    GET /<year>/checkpoint               cache for seconds
    GET /<year>/tile/...                 C2SP tlog-tiles; for ever the same
    GET /<year>/receipt/<leaf hash>      64 hex digits: 200 a .tlog-proof, 202 still in the queue, 404 not submitted
    GET /policy.txt                      whom to believe (C2SP tlog-policy)

A receipt is a convenience: whoever has the tiles computes it, and whoever has it verifies it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import asyncpg
from aiohttp import web

from gateway.core.errors import EvidenceUnavailable, GatewayError, MalformedMessage
from gateway.core.merkle.proofs import inclusion_proof
from gateway.core.merkle.receipt import Receipt
from gateway.core.merkle.tiles import parse_tile_path
from gateway.storage.failures import DATABASE_ERRORS
from gateway.transparency import rows
from gateway.transparency.shard import LogShard

_FOR_EVER = "public, max-age=31536000, immutable"
_SECONDS = "public, max-age=2"
_MISSING = "public, max-age=1"  # a tile that appears a second later must not stay missing
_WAIT = "no-store"


class Receipts:
    """Receipts of one shard: under the newest checkpoint with the witnesses' quorum when it covers the entry, else the newest."""

    def __init__(self, pool: asyncpg.Pool, shard: LogShard) -> None:
        self._pool = pool
        self._shard = shard

    async def receipt(self, leaf_hash: bytes) -> Receipt | None:
        """None: it waits. LookupError: the log does not have it. EvidenceUnavailable when that cannot be known now."""
        try:
            known, index = await rows.find_leaf(self._pool, self._shard.origin, leaf_hash)
        except DATABASE_ERRORS as e:
            raise EvidenceUnavailable("the log cannot be read") from e
        if not known:
            raise LookupError("not submitted")
        for published in (self._shard.publisher.witnessed, self._shard.publisher.published):
            if index is not None and published is not None and index < published[0]:
                size, note = published
                path = await asyncio.to_thread(self._path, index, size)
                return Receipt(index, path, note)
        if index is not None and self._shard.publisher.published is None:
            raise EvidenceUnavailable("this process does not know yet what was published")
        return None

    def _path(self, index: int, size: int) -> tuple[bytes, ...]:
        return inclusion_proof(index, size, self._shard.sequencer.nodes(size))


def build_public_app(
    shards: Mapping[str, LogShard], receipts: Mapping[str, Receipts], policy: bytes
) -> web.Application:
    """Both by year, as it stands in the path."""

    async def checkpoint(request: web.Request) -> web.Response:
        shard = shards.get(request.match_info["year"])
        found = None if shard is None else await asyncio.to_thread(shard.files.checkpoint)
        return _text(found, _SECONDS)

    async def tile(request: web.Request) -> web.Response:
        shard = shards.get(request.match_info["year"])
        try:
            path = parse_tile_path(request.match_info["path"]).path
        except MalformedMessage:
            return _missing()
        found = None if shard is None else await asyncio.to_thread(shard.files.read, path)
        if found is None:
            return _missing()
        return web.Response(
            body=found, content_type="application/octet-stream", headers={"Cache-Control": _FOR_EVER, **_OPEN}
        )

    async def receipt(request: web.Request) -> web.Response:
        found = receipts.get(request.match_info["year"])
        if found is None:
            return _missing()
        try:
            made = await found.receipt(bytes.fromhex(request.match_info["hash"]))
        except LookupError:
            return _missing()
        if made is None:
            return web.Response(status=202, text="in the queue\n", headers={"Cache-Control": _WAIT, "Retry-After": "1"})
        return _text(bytes(made), _SECONDS)

    async def policy_file(_: web.Request) -> web.Response:
        return _text(policy, _SECONDS)

    app = web.Application(client_max_size=0, middlewares=[_unavailable])
    app.router.add_get("/{year:[0-9]{4}}/checkpoint", checkpoint)
    app.router.add_get("/{year:[0-9]{4}}/{path:tile/.+}", tile)
    app.router.add_get("/{year:[0-9]{4}}/receipt/{hash:[0-9a-f]{64}}", receipt)
    app.router.add_get("/policy.txt", policy_file)
    return app


_OPEN = {"Access-Control-Allow-Origin": "*"}  # public data, for checkers in browsers


@web.middleware
async def _unavailable(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    try:
        return await handler(request)
    except GatewayError:
        return web.Response(status=503, text="try again later\n", headers={"Cache-Control": _WAIT, "Retry-After": "1"})


def _text(body: bytes | None, cache: str) -> web.Response:
    if body is None:
        return _missing()
    return web.Response(
        body=body, content_type="text/plain", charset="utf-8", headers={"Cache-Control": cache, **_OPEN}
    )


def _missing() -> web.Response:
    return web.Response(status=404, text="not found\n", headers={"Cache-Control": _MISSING})
