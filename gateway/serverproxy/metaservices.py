"""The metaservices of the provider's side: listMethods, allowedMethods, getOpenAPI (reference 2.2). Verified, signed and logged
like any call; access rights are not asked, as in X-Road."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qsl

import yaml

from gateway.core.errors import MalformedMessage, ServiceUnavailable
from gateway.core.messages.rest import SKIPPED_HEADERS, RestRequest
from gateway.core.serverconf.metaservices import allowed_methods, hide_servers, list_methods
from gateway.core.serverconf.model import ServiceKind
from gateway.exchange.ports import BodySink, ServerConfSource, ServicePort
from gateway.exchange.states import DispatchableRequest, ServiceReply

FetchDescription = Callable[[str], Awaitable[bytes]]  # description URL -> document; OSError when it cannot be had
_NOT_ECHOED = {
    "x-road-id",
    "x-road-client",
    "x-road-service",
    "x-road-request-id",
    "x-road-request-hash",
    "content-type",
}


class MetaServices:
    """A ServicePort that answers the metaservices itself and passes every other call on to `services`."""

    def __init__(
        self,
        serverconf: ServerConfSource,
        new_body: Callable[[], BodySink],
        fetch: FetchDescription,
        services: ServicePort,
    ) -> None:
        self._serverconf = serverconf
        self._new_body = new_body
        self._fetch = fetch
        self._services = services

    async def call(self, request: DispatchableRequest) -> ServiceReply:
        if request.authorized.service is not None:
            return await self._services.call(request)
        rest, moment = request.incoming.request, request.incoming.moment
        conf = self._serverconf.current()
        match rest.service.service_code:
            case "listMethods":
                return self._answer(rest, _json(list_methods(conf, rest.service.client)), "application/json")
            case "allowedMethods":
                groups = moment.trust.groups_of(rest.client, moment.now)
                value = allowed_methods(conf, groups, rest.service.client, rest.client)
                return self._answer(rest, _json(value), "application/json")
            case _:
                return self._answer(rest, *await self._open_api(rest))

    async def _open_api(self, rest: RestRequest) -> tuple[bytes, str]:
        query = {name.lower(): value for name, value in parse_qsl(rest.query or "")}
        code = query.get("servicecode")
        if code is None:
            raise MalformedMessage("Missing 'serviceCode' in message body", code="invalid_request")
        owner = self._serverconf.current().clients[rest.service.client]
        service = owner.services.get(code)
        if service is None or service.kind is not ServiceKind.OPENAPI3 or service.description_url is None:
            raise ServiceUnavailable(f"Service {code} has no OpenAPI description", code="internal_error")
        return await self._description(service.description_url)

    async def _description(self, url: str) -> tuple[bytes, str]:
        as_json = url.endswith(".json")
        try:
            document = await self._fetch(url)
            hidden = hide_servers(json.loads(document) if as_json else yaml.safe_load(document))
        except (OSError, ValueError, yaml.YAMLError) as e:
            raise ServiceUnavailable("The OpenAPI description cannot be read", code="internal_error") from e
        if as_json:
            return _json(hidden), "application/json"
        return yaml.safe_dump(hidden, allow_unicode=True, sort_keys=False).encode(), "text/plain"

    def _answer(self, rest: RestRequest, body: bytes, content_type: str) -> ServiceReply:
        """X-Road echoes the request's own headers in front (reference 2.2, quirks)."""
        echoed = [(n, v) for n, v in rest.headers if n.lower() not in SKIPPED_HEADERS and n.lower() not in _NOT_ECHOED]
        sink = self._new_body()
        sink.write(body)
        return ServiceReply(200, "OK", [*echoed, ("Content-Type", content_type)], sink.finish())


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
