"""Notices are taken in once, as they came, and given out by number; the tool that sends them says what was said."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import pytest
import pytest_asyncio
from aiohttp.test_utils import TestClient, TestServer

from adapters.people.dice import Dice
from adapters.people.generator import generate
from adapters.sdk import bootstrap, build_app
from adapters.sdk.contract import contract_text
from adapters.sdk.document import response_schema
from adapters.sdk.manifest import load_manifest
from adapters.yte import build_adapter
from adapters.yte.emit import Hospital, emit, main, message, send
from adapters.yte.invent import invent_birth, invent_death
from adapters.yte.notices import Notice, print_notice
from certs.generate import generate as make_certs
from certs.generate import load_topology

ROOT = Path(__file__).resolve().parents[4]
FOLDER = ROOT / "adapters" / "yte"
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
PEOPLE = generate(400).persons
BIRTH, DEATH = invent_birth(PEOPLE, "99901", NOW, Dice(3)), invent_death(PEOPLE, "99901", NOW, Dice(3))


@pytest_asyncio.fixture
async def yte(source_pool: Any) -> AsyncIterator[TestClient[Any, Any]]:
    adapter = build_adapter()
    await bootstrap(source_pool, "yte", (FOLDER / "schema.sql").read_text("utf-8"))
    async with TestClient(TestServer(build_app(adapter, source_pool))) as client:
        yield client


async def sent(yte: TestClient[Any, Any], body: bytes, key: str | None = None) -> tuple[int, Any]:
    headers = {"Content-Type": "application/json", "Idempotency-Key": key or str(uuid4())}
    async with yte.post("/v1/notices", data=body, headers=headers) as answer:
        return answer.status, await answer.json(content_type=None)


@pytest.mark.parametrize("notice", [BIRTH, DEATH], ids=["birth", "death"])
async def test_taken_in_and_given_out(yte: TestClient[Any, Any], notice: Notice) -> None:
    document = print_notice(notice)
    status, taken = await sent(yte, message(document))
    response_schema(FOLDER, "POST /v1/notices", 201, build_adapter().formats).check(taken)
    assert (status, taken["number"], taken["kind"]) == (201, notice.number, notice.KIND)
    async with yte.get(f"/v1/notices/{notice.number}") as answer:
        found = await answer.json()
    response_schema(FOLDER, "GET /v1/notices/{number}", 200, build_adapter().formats).check(found)
    assert found["document"] == b64encode(document).decode()
    assert (found["facility"], found["kind"]) == ("99901", notice.KIND)
    assert {name: found[name] for name in notice.persons} == notice.persons


async def test_once_and_no_number_twice(yte: TestClient[Any, Any]) -> None:
    body, key = message(print_notice(BIRTH)), str(uuid4())
    assert (await sent(yte, body, key))[0] == (await sent(yte, body, key))[0] == 201
    status, problem = await sent(yte, body)
    assert (status, problem["code"]) == (409, "number_used")


async def test_numbers_beside_the_document_are_those_inside(yte: TestClient[Any, Any]) -> None:
    good = json.loads(message(print_notice(BIRTH)))
    for change in ({"mother_id": DEATH.deceased_id}, {"deceased_id": DEATH.deceased_id}):
        status, problem = await sent(yte, json.dumps(good | change).encode())
        assert (status, problem["code"]) == (422, "other_persons")
    del good["father_id"]
    assert (await sent(yte, json.dumps(good).encode()))[0] == 422


@pytest.mark.parametrize("document", ["!!!!", b64encode(b"<notice/>").decode(), b64encode(b"\x00" * 30).decode()])
async def test_what_is_no_notice(yte: TestClient[Any, Any], document: str) -> None:
    status, problem = await sent(yte, json.dumps({"document": document}).encode())
    assert (status, problem["code"]) == (400, "malformed_notice")


async def test_no_such_notice(yte: TestClient[Any, Any]) -> None:
    for number, status in (("CS-99901-2026-999999", 404), ("CS-1", 422)):
        async with yte.get(f"/v1/notices/{number}") as answer:
            assert answer.status == status


def test_the_contract_is_the_manifests() -> None:
    written = (ROOT / "config" / "contracts" / "yte-notices.yaml").read_text("utf-8")
    assert written == contract_text(load_manifest(FOLDER))


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("keys") / "out"
    topology = load_topology(ROOT / "certs" / "topology.yaml")
    make_certs(out, topology.model_copy(update={"members": (), "information_systems": {}, "transparency": None}), NOW)
    return out


async def test_the_tool_sends_and_says(
    yte: TestClient[Any, Any], keys: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = str(yte.make_url("")).rstrip("/")
    hospital = Hospital("99901", keys, "99902")
    assert await emit(hospital, target, "VN/GOV/G18/coso", births=2, deaths=1) == 0
    lines = [line.split("  ") for line in capsys.readouterr().out.splitlines()]
    assert [said for _, said in lines] == [f"201 {number}" for number, _ in lines]
    assert [number[:2] for number, _ in lines] == ["CS", "CS", "BT"]


async def test_the_tool_spoils_on_purpose(yte: TestClient[Any, Any], keys: Path) -> None:
    good = Hospital("99901", keys, "99902").written(BIRTH, NOW)
    unsigned, altered, other = (
        Hospital("99901", keys, "99902", bad).written(BIRTH, NOW) for bad in ("unsigned", "altered", "other")
    )
    assert b"Signature" not in unsigned
    assert altered.count(b"+07:30<") == 1
    assert good.count(b"<X509Certificate>") == other.count(b"<X509Certificate>") == 1
    async with aiohttp.ClientSession() as session:
        said = await send(session, str(yte.make_url("")).rstrip("/"), "VN/GOV/G18/coso", b"\n".join([good]), "birth")
        assert said == f"201 {BIRTH.number}"
        again = await send(session, str(yte.make_url("")).rstrip("/"), "VN/GOV/G18/coso", good, "birth")
        assert again == "409 number_used"


def test_the_tool_without_keys(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--keys", str(tmp_path)]) == 2
    assert "facility-99901.pin" in capsys.readouterr().err
