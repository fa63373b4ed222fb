"""The front end: takes submissions, durable before the answer. Any number of these can run beside one leader.

POST /<year>/leaves      200 {"leaves": [{"record", "leaf_hash", "index": null | number}]}, in the order submitted
                         400 malformed · 404 no such shard · 409 a record or sequence that stands there with other content
                         503 the database does not answer: submit the same again
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from uuid import UUID

import asyncpg
from aiohttp import web

from gateway.core.errors import EvidenceUnavailable, GatewayError, MalformedMessage
from gateway.core.merkle.text import print_base64
from gateway.storage.failures import DATABASE_ERRORS, Failure, failure
from gateway.transparency import rows
from gateway.transparency.rows import Standing, Submitted
from gateway.transparency.submission import MAX_SUBMISSION, parse_submission

Source = Callable[[web.BaseRequest], str | None]
"""Which security server the connection is authenticated as; None where it is not."""


class ConflictingSubmission(GatewayError):
    """A record, or a sequence number of a source, already stands for something else. Nothing was taken."""

    default_code = "bad_request"

    def __init__(self, records: Sequence[UUID]) -> None:
        self.records = tuple(records)
        super().__init__("these records stand in the log with other content")


class Intake:
    """`taken` counts entries since start, repeated ones too."""

    def __init__(self, pool: asyncpg.Pool, patience: timedelta) -> None:
        self._pool = pool
        self._patience = patience.total_seconds()
        self.taken = 0

    async def submit(self, origin: str, leaves: Sequence[Submitted]) -> tuple[Standing, ...]:
        """All of them durable in the queue, or in the log already. ConflictingSubmission: none was taken. EvidenceUnavailable: it
        is not known, the same again will do."""
        try:
            async with asyncio.timeout(self._patience):
                return await self._submit(origin, leaves)
        except DATABASE_ERRORS as e:
            if failure(e) is Failure.DATA:
                raise MalformedMessage("the log's database does not take these values", code="bad_request") from e
            raise EvidenceUnavailable("the log cannot be written") from e

    async def _submit(self, origin: str, leaves: Sequence[Submitted]) -> tuple[Standing, ...]:
        async with self._pool.acquire() as connection, connection.transaction():
            await rows.insert_entries(connection, origin, leaves)
            standing = await rows.read_entries(connection, [leaf.record for leaf in leaves])
            other = [leaf.record for leaf in leaves if not _same(origin, leaf, standing.get(leaf.record))]
            if other:
                raise ConflictingSubmission(other)
        self.taken += len(leaves)
        return tuple(standing[leaf.record] for leaf in leaves)


def _same(origin: str, leaf: Submitted, standing: Standing | None) -> bool:
    return standing is not None and (standing.origin, standing.submitted) == (origin, leaf)


def build_intake_app(intake: Intake, origins: Mapping[str, str], source: Source) -> web.Application:
    """`origins`: by year, as it stands in the path."""

    async def leaves(request: web.Request) -> web.Response:
        origin = origins.get(request.match_info["year"])
        if origin is None:
            return web.json_response({"error": "no such shard"}, status=404)
        try:
            submitted = parse_submission(await request.read())
            known = source(request)
            if known is not None and any(leaf.source != known for leaf in submitted):
                return web.json_response({"error": "the source is not the security server that connected"}, status=403)
            standing = await intake.submit(origin, submitted)
        except MalformedMessage as e:
            return web.json_response({"error": e.safe_detail}, status=400)
        except ConflictingSubmission as e:
            return web.json_response({"error": e.safe_detail, "records": [str(r) for r in e.records]}, status=409)
        except EvidenceUnavailable as e:
            return web.json_response({"error": e.safe_detail}, status=503, headers={"Retry-After": "1"})
        return web.json_response({"leaves": [_answer(s) for s in standing]}, headers={"Cache-Control": "no-store"})

    app = web.Application(client_max_size=MAX_SUBMISSION)
    app.router.add_post("/{year:[0-9]{4}}/leaves", leaves)
    return app


def _answer(standing: Standing) -> dict[str, object]:
    leaf = standing.submitted
    return {"record": str(leaf.record), "leaf_hash": print_base64(leaf.leaf_hash), "index": standing.index}
