"""`/metrics` and `/health` over plain HTTP, on loopback.

There is no authentication here, so whoever reaches the port reads it: it binds to loopback, and a request whose Host is a DNS
name is refused, because a web page can point its own name at 127.0.0.1 (DNS rebinding) but cannot make a browser send an address
or `localhost` as Host.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Awaitable, Callable

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from gateway.core.errors import SettingsError
from gateway.monitoring.health import Health

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def require_loopback(host: str, *, path: str = "listen.admin") -> None:
    """SettingsError unless `host` is a loopback address (or `localhost`)."""
    if host == "localhost":
        return
    address = _address(host)
    if address is None or not address.is_loopback:
        raise SettingsError(
            [f"{path}: {host!r} is not a loopback address; this port shows everything to whoever reaches it"]
        )


def build_admin(registry: CollectorRegistry, health: Health) -> web.Application:
    """The admin application; the caller serves it with `access_log=None` on an address that `require_loopback` took."""

    async def metrics(request: web.Request) -> web.Response:
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        return web.Response(body=encode(registry), headers={"Content-Type": content_type})

    async def report(_: web.Request) -> web.Response:
        found = health.report()
        return web.Response(
            text=json.dumps(found.json_value(), ensure_ascii=False),
            status=503 if found.status == "fail" else 200,
            content_type="application/json",
            headers={"Cache-Control": "no-store"},
        )

    app = web.Application(middlewares=[_only_addresses], client_max_size=0)
    app.router.add_get("/metrics", metrics)
    app.router.add_get("/health", report)
    return app


@web.middleware
async def _only_addresses(request: web.Request, handler: _Handler) -> web.StreamResponse:
    host = _without_port(request.host)
    if host != "localhost" and _address(host) is None:
        return web.Response(status=421, text="The admin port answers to addresses and localhost only.\n")
    return await handler(request)


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.rpartition(":")[0] if host.count(":") == 1 else host


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
