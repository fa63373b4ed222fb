"""The HTTP application around an adapter's endpoints.

Order of a call:
  1. X-Road headers, when there are any
  2. path, query, body and idempotency key against the OpenAPI document
  3. the handler, with parsed values; one that changes something once a key, inside a transaction (`effects.py`), and what it has
     to ask of others before that (`Prepared`)
  4. the answer, or the one form of problem; one log line either way
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any, Generic, TypeAlias, TypeVar

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from multidict import MultiMapping
from structlog.typing import FilteringBoundLogger

from adapters.sdk.access import adapter_log, correlation_id, where
from adapters.sdk.document import IDEMPOTENCY_KEY, Operation, load_operations
from adapters.sdk.effects import Asked, EffectKey, kept_answer, once, request_digest
from adapters.sdk.manifest import load_manifest
from adapters.sdk.postgres import Connection, Pool, source_errors
from adapters.sdk.problems import CONTENT_TYPE, MalformedCall, Problem
from adapters.sdk.road import RoadHeaders, parse_road_headers
from adapters.sdk.schema import DefinitionError, Formats, parse_json

JsonObject: TypeAlias = Mapping[str, object]

# Answers are about persons: no cache on the way may keep one (RFC 9111 5.2.2.5).
_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
# `%39` for `9`: another reader of the same path, such as the citizens' log, might not decode it and name nobody.
_NEEDLESS_ESCAPE = re.compile(r"%(?:2[DE]|5F|7E|3[0-9]|[46][1-9A-F]|[57][0-9A])", re.IGNORECASE)
_ROAD = web.RequestKey("road", RoadHeaders)
_CORRELATION = web.RequestKey("correlation", str)


@dataclass(frozen=True, slots=True)
class Call:
    """One call, already checked. Values are those of the document's formats: an identifier arrives parsed.

    `raw`: the body as it came; `idempotency_key`: checked where the document describes the header, as it came otherwise."""

    road: RoadHeaders
    path: Mapping[str, Any]
    query: Mapping[str, Any]
    body: Mapping[str, Any]
    raw: bytes = field(repr=False, default=b"")
    idempotency_key: str | None = None


Handler: TypeAlias = Callable[[Call], Awaitable[JsonObject]]
Doer: TypeAlias = Callable[[Call, Connection], Awaitable[JsonObject]]
Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """`path`: the template as it stands in `openapi.yaml`; `handler` returns the successful answer or raises a Problem."""

    method: str
    path: str
    handler: Handler

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"


@dataclass(frozen=True, slots=True)
class Prepared(Generic[Found]):
    """A handler that needs something first: what others know, or a judgement of the call that outlives its refusal.

    `before` runs while nothing is claimed and no connection is held, however long others take to answer. What it returns is all
    that `handler` gets to know of it; what it raises refuses the call, which may come again; what it writes stays. It may run more
    often than `handler`: for a call that comes twice at once, or again after a refusal. A call whose answer is kept meets neither.
    """

    before: Callable[[Call], Awaitable[Found]]
    handler: Callable[[Call, Connection, Found], Awaitable[JsonObject]]

    async def ready(self, call: Call) -> Doer:
        """What is left to do in the transaction."""
        found = await self.before(call)
        return lambda call, connection: self.handler(call, connection, found)


@dataclass(frozen=True, slots=True)
class Effect:
    """An endpoint that changes something: the call has an Idempotency-Key, and its effect is made once for each key.

    `handler` writes through the connection it is given, inside the transaction that also keeps its answer, and through nothing
    else. `messages`: only calls that come through a security server are taken, because the effect depends on who sends."""

    method: str
    path: str
    handler: Doer | Prepared[Any]
    messages: bool = False

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"


@dataclass(frozen=True, slots=True)
class Adapter:
    """`folder` holds openapi.yaml, manifest.yaml and schema.sql. `prepare` runs once before the listener opens (seeding).

    `beside` runs until cancelled while it is open: what the adapter does without being called."""

    name: str
    folder: Path
    endpoints: Callable[[Pool], Sequence[Endpoint | Effect]]
    formats: Formats = field(default_factory=dict)
    prepare: Callable[[Pool, FilteringBoundLogger], Awaitable[None]] | None = None
    beside: Callable[[Pool, FilteringBoundLogger], Coroutine[Any, Any, None]] | None = None
    max_body: int = 64 * 1024
    body_seconds: float = 10.0


def build_app(adapter: Adapter, pool: Pool, log: FilteringBoundLogger | None = None) -> web.Application:
    """DefinitionError unless code, OpenAPI document and manifest name the same endpoints."""
    operations = load_operations(adapter.folder, adapter.formats)
    endpoints = adapter.endpoints(pool)
    promised = {
        "code": sorted(e.name for e in endpoints),
        "openapi.yaml": sorted(operations),
        "manifest.yaml": sorted(load_manifest(adapter.folder).endpoints),
    }
    if len({tuple(names) for names in promised.values()}) > 1:
        raise DefinitionError(f"endpoints differ: {promised}")
    if unkeyed := [e.name for e in endpoints if isinstance(e, Effect) and operations[e.name].key is None]:
        raise DefinitionError(f"effects take the header parameter {IDEMPOTENCY_KEY}: {unkeyed}")
    app = web.Application(
        client_max_size=adapter.max_body, middlewares=[_edge(adapter.name, log or adapter_log(adapter.name))]
    )
    for endpoint in endpoints:
        route = _route(adapter, endpoint, operations[endpoint.name], pool)
        app.router.add_route(endpoint.method, endpoint.path, route)
    app.router.add_route("GET", "/health", _health(adapter.name, pool))
    return app


def _route(
    adapter: Adapter, endpoint: Endpoint | Effect, operation: Operation, pool: Pool
) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def answer(request: web.Request) -> web.Response:
        if _NEEDLESS_ESCAPE.search(request.rel_url.raw_path):
            raise MalformedCall("Đường dẫn có ký tự mã hóa thừa (the path escapes characters that need no escape)")
        path, query = dict(request.match_info), _single(request.query)
        checked = operation.path.check(path, strict=False), operation.query.check(query, strict=False)
        raw = await _body(request, operation, adapter.body_seconds)
        body = {} if operation.body is None else operation.body.check(parse_json(raw))
        call = Call(request[_ROAD], *checked, body, raw, _key(request, operation))
        if isinstance(endpoint, Endpoint):
            return _json(_encoded(await endpoint.handler(call)), operation.status)
        return _json(await perform(pool, endpoint, call, request_digest(path, query, raw)), operation.status)

    return answer


async def perform(pool: Pool, effect: Effect, call: Call, digest: bytes) -> bytes:
    """The answer to a checked call, durable with its effect; a Problem undoes it. `digest`: `request_digest` of what came."""
    if effect.messages and call.road.client is None:
        raise MalformedCall(
            "Thông điệp phải đến qua máy chủ bảo mật (messages come through a security server)", code="client_missing"
        )
    key = EffectKey(str(call.road.client or ""), effect.name, call.idempotency_key or "")
    asked, handler = Asked(key, digest, call.road), effect.handler
    if isinstance(handler, Prepared):
        if (kept := await kept_answer(pool, asked)) is not None:
            return kept  # what was done stays answered, whatever others say by now
        handler = await handler.ready(call)
    return await once(pool, asked, partial(_done, handler, call))


async def _done(handler: Doer, call: Call, connection: Connection) -> bytes:
    """The answer, which is also the receipt of a delivered message (`delivery/messages.py`)."""
    receipt = {"message_id": call.idempotency_key, "sha512": hashlib.sha512(call.raw).hexdigest()}
    return _encoded({**await handler(call, connection), **receipt})


def _key(request: web.Request, operation: Operation) -> str | None:
    given = request.headers.getall(IDEMPOTENCY_KEY, [])
    if len(given) > 1:
        raise MalformedCall(f"Tiêu đề {IDEMPOTENCY_KEY} bị lặp lại (the header {IDEMPOTENCY_KEY} is repeated)")
    if operation.key is None:
        return given[0] if given else None
    key: str = operation.key.check({IDEMPOTENCY_KEY: given[0]} if given else {})[IDEMPOTENCY_KEY]
    return key


def _single(query: MultiMapping[str]) -> dict[str, str]:
    if len(set(query)) != len(query):
        raise MalformedCall("Tham số bị lặp lại (a query parameter is repeated)")
    return dict(query)


async def _body(request: web.Request, operation: Operation, seconds: float) -> bytes:
    if operation.body is None:
        if request.body_exists:
            raise MalformedCall("Dịch vụ này không nhận nội dung (this endpoint takes no body)")
        return b""
    if request.content_type != "application/json" or "Content-Encoding" in request.headers:
        raise Problem(
            "Nội dung phải là application/json không nén (the body must be plain application/json)",
            status=415,
            code="unsupported_media_type",
        )
    try:
        async with asyncio.timeout(seconds):
            return await request.read()
    except TimeoutError as e:
        raise Problem("Nội dung đến quá chậm (the body came too slowly)", status=408, code="request_timeout") from e


def _health(name: str, pool: Pool) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def answer(_: web.Request) -> web.Response:
        await pool.fetchval("select 1")
        return _json(_encoded({"status": "ok", "adapter": name}))

    return answer


def _encoded(value: JsonObject) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


def _json(body: bytes, status: int = 200) -> web.Response:
    return web.Response(body=body, status=status, content_type="application/json", charset="utf-8", headers=_HEADERS)


def _edge(name: str, log: FilteringBoundLogger) -> Any:
    @web.middleware
    async def edge(request: web.Request, handler: Callable[[web.Request], Awaitable[web.Response]]) -> web.Response:
        began = time.perf_counter()
        fields: dict[str, object] = {}
        request[_CORRELATION] = correlation_id(RoadHeaders())
        try:
            road = request[_ROAD] = parse_road_headers(request.headers.items())
            request[_CORRELATION] = correlation_id(road)
            if road.client is not None:
                fields["client"] = str(road.client)
            async with source_errors():
                response = await handler(request)
        except Exception as e:  # noqa: BLE001 - the one place where what nobody foresaw becomes a 500
            problem = _problem(e)
            response = _problem_response(problem, request[_CORRELATION])
            fields |= {"code": problem.code, **(where(e) if problem.status >= 500 else {})}
        resource = request.match_info.route.resource
        log.info(
            "call",
            method=request.method if resource is not None else "-",
            endpoint="-" if resource is None else resource.canonical,
            status=response.status,
            bytes=response.content_length,
            ms=round((time.perf_counter() - began) * 1000, 2),
            correlation_id=request[_CORRELATION],
            **fields,
        )
        return response

    return edge


def _problem(error: Exception) -> Problem:
    match error:
        case Problem():
            return error
        case web.HTTPRequestEntityTooLarge():
            return Problem("Nội dung quá lớn (the body is too large)", status=413, code="body_too_large")
        case web.HTTPNotFound():
            return Problem("Không có dịch vụ này (there is no such endpoint)", status=404, code="unknown_endpoint")
        case web.HTTPMethodNotAllowed():
            return Problem(
                "Phương thức không được dùng ở đây (this method is not allowed here)",
                status=405,
                code="method_not_allowed",
                headers={"Allow": ", ".join(sorted(error.allowed_methods))},
            )
        case web.HTTPException() if error.status < 500:
            return Problem(HTTPStatus(error.status).phrase, status=error.status, code="malformed_request")
        case HttpProcessingError() | web.RequestPayloadError():
            return MalformedCall("Nội dung HTTP bị lỗi (broken HTTP body)")
        case _:
            return Problem("Lỗi nội bộ (internal error)")


def _problem_response(problem: Problem, correlation: str) -> web.Response:
    return web.Response(
        status=problem.status,
        body=problem.body(correlation),
        content_type=CONTENT_TYPE,
        charset="utf-8",
        headers={**_HEADERS, **problem.headers},
    )
