"""For tests of an adapter: it runs over real HTTP, and no answer passes that its own document does not describe."""

from __future__ import annotations

import io
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from uuid import UUID, uuid5

from aiohttp.test_utils import TestClient, TestServer

from adapters.sdk.access import adapter_log
from adapters.sdk.document import IDEMPOTENCY_KEY, response_schema
from adapters.sdk.postgres import Pool, bootstrap
from adapters.sdk.schema import Schema
from adapters.sdk.web import Adapter, build_app

_KEYS = UUID("6f2c9b0e-55a4-4a86-9d0e-1f4c6a1f7a10")


@dataclass(frozen=True, slots=True)
class Answer:
    """`body`: the JSON that was answered, already held against the document."""

    status: int
    body: Mapping[str, Any]

    @property
    def code(self) -> str | None:
        """Of a problem."""
        code: str | None = self.body.get("code")
        return code

    @property
    def outcome(self) -> tuple[int, str | None]:
        return self.status, self.code


def key_of(what: object) -> str:
    """An idempotency key, the same for the same words."""
    return str(uuid5(_KEYS, str(what)))


@dataclass(slots=True)
class Served:
    """A running adapter. `lines`: what it logged."""

    adapter: Adapter
    pool: Pool
    client: TestClient[Any, Any]
    _log: io.StringIO
    _posts: int = 0
    _schemas: dict[tuple[str, int], Schema] = field(default_factory=dict)

    @property
    def log(self) -> str:
        return self._log.getvalue()

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.splitlines()]

    async def get(self, template: str, /, query: str = "", **parameters: str) -> Answer:
        """`template`: as in the document; its parameters by name."""
        return await self._checked("GET", template, template.format(**parameters) + query, {})

    async def post(
        self, template: str, body: object, /, key: object | None = None, client: str | None = None, **parameters: str
    ) -> Answer:
        """With a new idempotency key each time unless `key` names one; `client`: the X-Road client, none for a direct call."""
        self._posts += 1
        headers = {IDEMPOTENCY_KEY: key_of(f"post {self._posts}" if key is None else key)}
        if client is not None:
            headers["X-Road-Client"] = client
        return await self._checked("POST", template, template.format(**parameters), {"json": body, "headers": headers})

    async def _checked(self, method: str, template: str, path: str, more: Mapping[str, Any]) -> Answer:
        async with self.client.request(method, path, **more) as answer:
            body = await answer.json(content_type=None)
            kind = "application/json" if answer.status < HTTPStatus.BAD_REQUEST else "application/problem+json"
            assert answer.content_type == kind, f"{method} {template} answers {answer.status} as {answer.content_type}"
            name = f"{method} {template}"
            if (name, answer.status) not in self._schemas:  # KeyError: this status is not in the document
                found = response_schema(self.adapter.folder, name, answer.status, self.adapter.formats)
                self._schemas[name, answer.status] = found
            self._schemas[name, answer.status].check(body)
            return Answer(answer.status, body)


@asynccontextmanager
async def served(adapter: Adapter, pool: Pool) -> AsyncIterator[Served]:
    """Schema and invented records into the (empty) database of `pool`, then the listener."""
    log = io.StringIO()
    await bootstrap(pool, adapter.name, (adapter.folder / "schema.sql").read_text("utf-8"))
    if adapter.prepare is not None:
        await adapter.prepare(pool, adapter_log(adapter.name, io.StringIO()))
    app = build_app(adapter, pool, adapter_log(adapter.name, log))
    async with TestClient(TestServer(app)) as client:
        yield Served(adapter, pool, client, log)
