"""What an effect asks of others comes before its claim: no connection is held meanwhile, and what was done stays answered."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from adapters.sdk import Call, Connection, Effect, JsonObject, Prepared, Refused, bootstrap
from adapters.sdk.problems import SourceUnavailable
from tests.support.source import in_use
from tests.unit.adapters.sdk.test_effects import KEY, OTHER, SCHEMA, World, toy


class Others:
    """Another system that is asked. `busy`: connections in use while it was."""

    def __init__(self, pool: Any) -> None:
        self._pool = pool
        self.says: str | Exception = "oak"
        self.busy: list[int] = []
        self.together: asyncio.Barrier | None = None

    async def ask(self, call: Call) -> str:
        self.busy.append(in_use(self._pool))
        if self.together is not None:
            await self.together.wait()
        if isinstance(self.says, Exception):
            raise self.says
        return f"{self.says} {call.body['name']}"


async def put(_: Call, connection: Connection, name: str) -> JsonObject:
    if name == "oak taken":
        raise Refused("taken", code="taken")
    return {"number": await connection.fetchval("insert into thing (name) values ($1) returning number", name)}


@pytest.fixture
def others(source_pool: Any) -> Others:
    return Others(source_pool)


@pytest.fixture
async def world(tmp_path: Path, source_pool: Any, others: Others) -> AsyncIterator[World]:
    effect = Effect("POST", "/v1/shelves/{shelf}/things", Prepared(others.ask, put))
    opened = World(replace(toy(tmp_path), endpoints=lambda _: (effect,)), source_pool)
    await bootstrap(source_pool, "toy", SCHEMA)
    await opened.client.start_server()
    yield opened
    await opened.client.close()


async def test_what_was_found_is_what_is_done(world: World, others: Others) -> None:
    assert (await world.post({"name": "chair"}))[0] == 201
    assert await world.things() == ["oak chair"]
    assert others.busy == [0], "no connection while others are asked"


@pytest.mark.parametrize("by_now", ["pine", SourceUnavailable(), Refused("x", code="unknown")], ids=repr)
async def test_a_repeat_is_answered_whatever_others_say_by_now(world: World, others: Others, by_now: Any) -> None:
    first = await world.post({"name": "chair"})
    others.says = by_now
    assert await world.post({"name": "chair"}) == first
    assert (await world.post({"name": "table"}))[0] == 422, "another request with this key"
    assert (len(others.busy), await world.things()) == (1, ["oak chair"])


@pytest.mark.parametrize(("says", "status"), [(SourceUnavailable(), 503), (Refused("x", code="unknown"), 422)])
async def test_what_others_refuse_claims_nothing(world: World, others: Others, says: Exception, status: int) -> None:
    others.says = says
    assert (await world.post({"name": "chair"}))[0] == status
    assert await world.pool.fetchval("select count(*) from adapter_effect") == 0
    others.says = "oak"
    assert (await world.post({"name": "chair"}))[0] == 201
    assert await world.things() == ["oak chair"]


async def test_two_at_once_ask_twice_and_do_once(world: World, others: Others) -> None:
    others.together = asyncio.Barrier(2)
    answers = await asyncio.gather(*(world.post({"name": "chair"}) for _ in range(2)))
    assert (len(set(answers)), len(others.busy), await world.things()) == (1, 2, ["oak chair"])


async def test_a_refusal_of_the_handler_asks_again(world: World, others: Others) -> None:
    assert (await world.post({"name": "taken"}))[0] == 422
    assert (await world.post({"name": "taken"}))[0] == 422
    assert (await world.post({"name": "chair"}, KEY | {"Idempotency-Key": OTHER}))[0] == 201
    assert (len(others.busy), await world.things()) == (3, ["oak chair"])
