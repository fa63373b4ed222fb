"""An effect is made once for each key: over real HTTP and a real database, calls at the same time included."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer

from adapters.sdk import (
    Adapter,
    Call,
    Conflict,
    Connection,
    DefinitionError,
    Effect,
    JsonObject,
    Pool,
    bootstrap,
    build_app,
)
from adapters.sdk.delivery.messages import parse_receipt
from adapters.sdk.effects import erase_old_answers
from tests.unit.adapters.sdk.toy import HealthyPool

OPENAPI = """
    openapi: 3.0.3
    info: {title: toy, version: 1.0.0}
    paths:
      /v1/shelves/{shelf}/things:
        post:
          parameters:
            - {name: shelf, in: path, required: true, schema: {type: string, maxLength: 20}}
            - {name: Idempotency-Key, in: header, required: true, schema: {type: string, format: uuid}}
          requestBody:
            content:
              application/json:
                schema:
                  type: object
                  required: [name]
                  properties: {name: {type: string, maxLength: 20}, size: {type: integer, default: 1}}
          responses: {'201': {description: put there}}
"""
MANIFEST = """
    name: toy
    title: Toy
    owner: GOV/T01
    service: VN/GOV/T01/toy/things
    synthetic: true
    endpoints: {'POST /v1/shelves/{shelf}/things': {action: {vi: ghi, en: write}, subjects: none}}
"""
SCHEMA = "--- 1: things\ncreate table thing (number bigint generated always as identity, name text, size int);\n"
FIRST, OTHER = "6f2c9b0e-55a4-4a86-9d0e-1f4c6a1f7a10", "6f2c9b0e-55a4-4a86-9d0e-1f4c6a1f7a11"
KEY = {"Idempotency-Key": FIRST}


async def put(call: Call, connection: Connection) -> JsonObject:
    number = await connection.fetchval(
        "insert into thing (name, size) values ($1, $2) returning number", call.body["name"], call.body["size"]
    )
    if call.body["name"] == "taken":
        raise Conflict("taken", code="taken")
    if call.body["name"] == "broken":
        raise RuntimeError("not foreseen")
    return {"number": number, "shelf": call.path["shelf"], "name": call.body["name"]}


def endpoints(_: Pool) -> Sequence[Effect]:
    return (Effect("POST", "/v1/shelves/{shelf}/things", put),)


def toy(folder: Path, openapi: str = OPENAPI) -> Adapter:
    for name, text in (("openapi.yaml", openapi), ("manifest.yaml", MANIFEST), ("schema.sql", SCHEMA)):
        (folder / name).write_text(dedent(text), "utf-8")
    return Adapter(name="toy", folder=folder, endpoints=endpoints)


class World:
    def __init__(self, adapter: Adapter, pool: Any) -> None:
        self.pool = pool
        self.client: TestClient[Any, Any] = TestClient(TestServer(build_app(adapter, pool)))

    async def post(
        self, body: object, headers: Any = KEY, shelf: str = "a", client: str | None = None
    ) -> tuple[int, bytes]:
        sent = dict(headers) | ({} if client is None else {"X-Road-Client": client})
        async with self.client.post(f"/v1/shelves/{shelf}/things", json=body, headers=sent) as answer:
            return answer.status, await answer.read()

    async def things(self) -> list[str]:
        return [row["name"] for row in await self.pool.fetch("select name from thing order by number")]


@pytest.fixture
async def world(tmp_path: Path, source_pool: Any) -> AsyncIterator[World]:
    opened = World(toy(tmp_path), source_pool)
    await bootstrap(source_pool, "toy", SCHEMA)
    await opened.client.start_server()
    yield opened
    await opened.client.close()


async def test_again_gives_the_same_answer_and_does_nothing(world: World) -> None:
    first = await world.post({"name": "chair"})
    status, answer = first
    assert (status, answer.startswith(b'{"number": 1, "shelf": "a", "name": "chair", ')) == (201, True)
    assert [await world.post({"name": "chair"}) for _ in range(3)] == [first] * 3
    assert await world.things() == ["chair"]


async def test_the_answer_is_the_receipt_of_a_message(world: World) -> None:
    _, answer = await world.post({"name": "chair"})
    receipt = parse_receipt(answer)
    assert str(receipt.message_id) == FIRST
    assert receipt.sha512 == hashlib.sha512(b'{"name": "chair"}').digest()


async def test_ten_at_once_are_one(world: World) -> None:
    answers = await asyncio.gather(*(world.post({"name": "chair"}) for _ in range(10)))
    assert len(set(answers)) == 1
    assert answers[0][0] == 201
    assert await world.things() == ["chair"]


@pytest.mark.parametrize(
    ("body", "shelf"), [({"name": "table"}, "a"), ({"size": 1, "name": "chair"}, "a"), ({"name": "chair"}, "b")]
)
async def test_the_key_for_another_request_fail(world: World, body: Any, shelf: str) -> None:
    await world.post({"name": "chair"})
    status, problem = await world.post(body, shelf=shelf)
    assert (status, b'"idempotency_key_reused"' in problem) == (422, True)
    assert await world.things() == ["chair"]


async def test_keys_of_two_clients_are_two_keys(world: World) -> None:
    for client in (None, "VN/GOV/G12/bhxh", "VN/GOV/G15/hotich"):
        assert (await world.post({"name": "chair"}, client=client))[0] == 201
    assert await world.things() == ["chair"] * 3


@pytest.mark.parametrize(("name", "status"), [("taken", 409), ("broken", 500)])
async def test_a_refusal_undoes_everything_and_is_not_remembered(world: World, name: str, status: int) -> None:
    assert (await world.post({"name": name}))[0] == status
    assert await world.things() == []
    assert await world.pool.fetchval("select count(*) from adapter_effect") == 0
    assert (await world.post({"name": "chair"}))[0] == 201


@pytest.mark.parametrize(
    "headers", [{}, {"Idempotency-Key": ""}, {"Idempotency-Key": "first-key"}, {"Idempotency-Key": FIRST.upper()}]
)
async def test_no_proper_key_fail(world: World, headers: Any) -> None:
    status, problem = await world.post({"name": "chair"}, headers)
    assert (status, b'"malformed_request"' in problem) == (400, True)
    assert await world.things() == []


async def test_two_keys_fail(world: World) -> None:
    headers = [("Idempotency-Key", FIRST), ("Idempotency-Key", OTHER)]
    async with world.client.post("/v1/shelves/a/things", json={"name": "chair"}, headers=headers) as answer:
        assert answer.status == 400


async def test_old_answers_are_erased_and_no_effect_is_made_again(world: World) -> None:
    await world.post({"name": "chair"})
    young = await world.post({"name": "table"}, {"Idempotency-Key": OTHER})
    await world.pool.execute("update adapter_effect set done_at = now() - interval '91 days' where key = $1", FIRST)
    await erase_old_answers(world.pool)
    assert [row[0] for row in await world.pool.fetch("select key from adapter_effect where answer is null")] == [FIRST]
    status, problem = await world.post({"name": "chair"})
    assert (status, b'"answer_erased"' in problem) == (409, True)
    assert (await world.post({"name": "table"}))[0] == 422, "another request is still told apart"
    assert await world.post({"name": "table"}, {"Idempotency-Key": OTHER}) == young
    assert await world.things() == ["chair", "table"]


async def test_the_exchange_of_an_effect_is_found(world: World) -> None:
    await world.post({"name": "chair"}, KEY | {"X-Road-Id": "m-1", "X-Road-Request-Id": "r-1"})
    row = await world.pool.fetchrow("select message_id, request_id from adapter_effect")
    assert tuple(row) == ("m-1", "r-1")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (
            "- {name: Idempotency-Key, in: header, required: true, schema: {type: string, format: uuid}}",
            "",
        ),
        ("in: header, required: true", "in: header"),
        ("Idempotency-Key", "X-Trace"),
        ("in: header", "in: cookie"),
        ("{'201': {description: put there}}", "{'200': {description: a}, '201': {description: b}}"),
    ],
    ids=["no key", "optional key", "another header", "a cookie", "two successes"],
)
def test_a_document_that_promises_otherwise_fail(tmp_path: Path, old: str, new: str) -> None:
    assert old in OPENAPI
    with pytest.raises(DefinitionError):
        build_app(toy(tmp_path, OPENAPI.replace(old, new)), HealthyPool())
