"""Submissions: durable before the answer, the same twice is once, nothing is ever replaced."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio
from aiohttp.test_utils import TestClient, TestServer
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.errors import EvidenceUnavailable, MalformedMessage
from gateway.core.merkle.text import print_base64
from gateway.transparency.intake import Intake, build_intake_app
from gateway.transparency.rows import Submitted
from gateway.transparency.submission import MAX_LEAVES, MAX_SUBMISSION, parse_submission
from tests.support.logkeys import ORIGIN
from tests.support.logworld import SOURCE, LogWorld, leaves


def document(submitted: list[Submitted], source: str = SOURCE) -> dict[str, Any]:
    return {
        "source": source,
        "leaves": [
            {"record": str(leaf.record), "sequence": leaf.sequence, "entry": print_base64(leaf.entry)}
            for leaf in submitted
        ],
    }


@pytest_asyncio.fixture
async def client(world: LogWorld) -> AsyncIterator[TestClient[Any, Any]]:
    app = build_intake_app(Intake(world.pool, timedelta(seconds=5)), {"2026": ORIGIN}, lambda r: r.headers.get("Who"))
    async with TestClient(TestServer(app)) as opened:
        yield opened


async def post(
    client: TestClient[Any, Any], body: object, path: str = "/2026/leaves", **headers: str
) -> tuple[int, Any]:
    async with client.post(path, json=body, headers=headers) as response:
        return response.status, await response.json()


async def test_taken(client: TestClient[Any, Any], world: LogWorld) -> None:
    submitted = leaves(3)
    expected = [
        {"record": str(leaf.record), "leaf_hash": print_base64(leaf.leaf_hash), "index": None} for leaf in submitted
    ]
    assert await post(client, document(submitted)) == (200, {"leaves": expected})
    assert await world.pool.fetchval("SELECT count(*) FROM log_queue") == 3
    await world.grow(0)
    status, answer = await post(client, document(submitted[::-1]))
    assert status == 200
    assert [leaf["index"] for leaf in answer["leaves"]] == [2, 1, 0]
    assert await world.pool.fetchval("SELECT count(*) FROM log_entry") == 3


async def test_the_same_from_many_at_once(client: TestClient[Any, Any], world: LogWorld) -> None:
    answers = await asyncio.gather(*(post(client, document(leaves(50, first))) for first in (0, 25, 0, 25, 50)))
    assert [status for status, _ in answers] == [200] * 5
    await world.grow(0)
    assert (await world.fsck()).size == 100


@pytest.mark.parametrize("sequenced", [False, True])
@pytest.mark.parametrize("what", ["entry", "sequence", "record", "source"])
async def test_another_content_under_the_same_name(
    client: TestClient[Any, Any], world: LogWorld, what: str, sequenced: bool
) -> None:
    await (world.grow if sequenced else world.submit)(1)
    body = document(leaves(2))
    other = {
        "entry": {"entry": print_base64(b"other")},
        "sequence": {"sequence": 9},
        "record": {"record": str(leaves(1, 9)[0].record)},
        "source": {},
    }[what]
    body["leaves"][0] |= other
    body["source"] = "VN/GOV/G02/ss1" if what == "source" else SOURCE
    status, answer = await post(client, body)
    assert (status, answer["records"]) == (409, [body["leaves"][0]["record"]])
    assert (
        await world.pool.fetchval("SELECT count(*) FROM log_entry") == 1
    )  # the innocent second one was not taken either


async def test_the_same_record_for_another_year(world: LogWorld) -> None:
    intake = Intake(world.pool, timedelta(seconds=5))
    app = build_intake_app(intake, {"2026": ORIGIN, "2027": "log.example/access/2027"}, lambda _: None)
    async with TestClient(TestServer(app)) as client:
        assert (await post(client, document(leaves(1))))[0] == 200
        assert (await post(client, document(leaves(1)), "/2027/leaves"))[0] == 409


async def test_refused(client: TestClient[Any, Any]) -> None:
    assert (await post(client, document(leaves(1)), "/2025/leaves"))[0] == 404
    assert (await post(client, {"source": SOURCE}))[0] == 400
    assert (await post(client, document(leaves(1)), Who="VN/GOV/G02/ss1"))[0] == 403
    assert (await post(client, document(leaves(1)), Who=SOURCE))[0] == 200
    async with client.post("/2026/leaves", data=io.BytesIO(b"x" * (MAX_SUBMISSION + 1))) as response:
        assert response.status == 413


async def test_a_database_that_is_away(client: TestClient[Any, Any], world: LogWorld) -> None:
    intake = Intake(world.pool, timedelta(seconds=0))
    with pytest.raises(EvidenceUnavailable):
        await intake.submit(ORIGIN, leaves(1))


GOOD = document(leaves(2))


def altered(**values: object) -> dict[str, Any]:
    first, second = GOOD["leaves"]
    return GOOD | {"leaves": [first | values, second]}


MALFORMED: dict[str, object] = {
    "a list": [],
    "more keys": GOOD | {"more": 1},
    "no source": {"leaves": GOOD["leaves"]},
    "a source with blanks": GOOD | {"source": "VN GOV"},
    "an empty source": GOOD | {"source": ""},
    "no leaves": GOOD | {"leaves": []},
    "too many": GOOD | {"leaves": GOOD["leaves"][:1] * (MAX_LEAVES + 1)},
    "a leaf that is text": GOOD | {"leaves": ["x"]},
    "a leaf with more": altered(more=1),
    "a record that is no UUID": altered(record="x"),
    "a record in capitals": altered(record="ABCDEF00-0000-0000-0000-000000000000"),
    "a record in braces": altered(record="{00000000-0000-0000-0000-000000000000}"),
    "a record twice": altered(record=GOOD["leaves"][1]["record"]),
    "a number twice": altered(sequence=1),
    "a number that is text": altered(sequence="1"),
    "a number that is true": altered(sequence=True),
    "a number below zero": altered(sequence=-1),
    "a number too large": altered(sequence=2**63),
    "a broken number": altered(sequence=1.5),
    "an empty entry": altered(entry=""),
    "an entry that is too long": altered(entry=print_base64(bytes(65_536))),
    "base64 that is not canonical": altered(entry="AB=="),
}


@pytest.mark.parametrize("what", MALFORMED)
def test_parse_fail(what: str) -> None:
    with pytest.raises(MalformedMessage):
        parse_submission(json.dumps(MALFORMED[what]).encode())


def test_parse() -> None:
    assert list(parse_submission(json.dumps(GOOD).encode())) == leaves(2)


@settings(max_examples=50)
@given(st.binary(max_size=200) | st.text(max_size=50).map(lambda t: json.dumps({"source": t, "leaves": [t]}).encode()))
def test_any_bytes(data: bytes) -> None:
    with pytest.raises(MalformedMessage):
        parse_submission(data)
