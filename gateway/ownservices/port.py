"""Which calls are for us: those of services whose settings say `url: gateway:<name>`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Protocol

from gateway.core.errors import MalformedMessage, ServiceUnavailable
from gateway.exchange.ports import BodySink, ServicePort
from gateway.exchange.states import DispatchableRequest, ServiceReply
from gateway.storage.failures import DATABASE_ERRORS

_REASONS = {200: "OK", 201: "Created", 400: "Bad Request", 404: "Not Found", 409: "Conflict"}


class OwnService(Protocol):
    async def answer(self, request: DispatchableRequest, body: BodySink) -> int:
        """Write JSON; its status. MalformedMessage for what the caller should have sent otherwise; DATABASE_ERRORS."""


class OwnServices:
    """A ServicePort that answers our own services, by URL, and passes every other call on to `services`."""

    def __init__(self, own: Mapping[str, OwnService], new_body: Callable[[], BodySink], services: ServicePort) -> None:
        self._own = own
        self._new_body = new_body
        self._services = services

    async def call(self, request: DispatchableRequest) -> ServiceReply:
        service = request.authorized.service
        found = None if service is None else self._own.get(service.url)
        if found is None:
            return await self._services.call(request)
        body = self._new_body()
        try:
            return _reply(await found.answer(request, body), body)
        except MalformedMessage as e:
            return self._problem(e)
        except DATABASE_ERRORS as e:
            raise ServiceUnavailable("The records cannot be read now", code="internal_error") from e
        finally:
            body.abandon()

    def _problem(self, error: MalformedMessage) -> ServiceReply:
        """RFC 9457; the words are ours and repeat nothing of the call."""
        body = self._new_body()
        value = {"type": "about:blank", "status": 400, "title": "not understood", "detail": error.safe_detail}
        body.write(json.dumps(value).encode())
        return _reply(400, body, "application/problem+json")


def _reply(status: int, body: BodySink, content_type: str = "application/json") -> ServiceReply:
    return ServiceReply(status, _REASONS[status], [("Content-Type", content_type)], body.finish())
