"""The witness over HTTP (C2SP tlog-witness). Both prefixes are the address itself.

POST /add-checkpoint         200 cosignature lines; 400, 403, 404, 409, 422 as specified; 503: cannot remember, or its clock
GET  /<origin hash>/checkpoint   the checkpoint cosigned last; 404 when there is none
"""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web

from gateway.core.errors import EvidenceUnavailable, GatewayError, KeyTokenError, MalformedMessage
from gateway.core.merkle.witnessing import (
    MAX_REQUEST,
    Inconsistent,
    NotSignedByLog,
    StaleOldSize,
    UnknownLog,
    parse_add_checkpoint,
)
from gateway.witness.store import origin_hash
from gateway.witness.witness import Witness

_STATUS: dict[type[GatewayError], int] = {
    MalformedMessage: 400,
    NotSignedByLog: 403,
    UnknownLog: 404,
    StaleOldSize: 409,
    Inconsistent: 422,
    EvidenceUnavailable: 503,
    KeyTokenError: 503,
}
Report = Callable[[str, GatewayError], None]


def build_witness_app(witness: Witness, origins: tuple[str, ...], report: Report) -> web.Application:
    """`report(origin, error)` hears of every refusal of a known log: it may be proof of misbehaviour."""
    by_hash = {origin_hash(origin): origin for origin in origins}

    async def add_checkpoint(request: web.Request) -> web.Response:
        body = await request.read()
        try:
            asked = parse_add_checkpoint(body)
        except MalformedMessage as e:
            return _refusal(e)
        try:
            lines = await witness.add_checkpoint(asked)
        except GatewayError as e:
            if asked.checkpoint.origin in origins:
                report(asked.checkpoint.origin, e)
            return _refusal(e)
        return _text("".join(map(str, lines)).encode(), max_age=None)

    async def latest(request: web.Request) -> web.Response:
        note = witness.latest(by_hash.get(request.match_info["hash"], ""))
        return web.Response(status=404, text="not found\n") if note is None else _text(bytes(note), max_age=5)

    app = web.Application(client_max_size=MAX_REQUEST)
    app.router.add_post("/add-checkpoint", add_checkpoint)
    app.router.add_get("/{hash:[0-9a-f]{64}}/checkpoint", latest)
    return app


def _text(body: bytes, *, max_age: int | None) -> web.Response:
    cache = "no-store" if max_age is None else f"max-age={max_age}"
    return web.Response(body=body, content_type="text/plain", charset="utf-8", headers={"Cache-Control": cache})


def _refusal(error: GatewayError) -> web.Response:
    status = next((s for kind, s in _STATUS.items() if isinstance(error, kind)), 500)
    if isinstance(error, StaleOldSize):
        return web.Response(
            status=status, body=f"{error.size}\n".encode(), headers={"Content-Type": "text/x.tlog.size"}
        )
    return web.Response(status=status, text=f"{error.safe_detail}\n")
