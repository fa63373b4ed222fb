"""The population register over real HTTP and a real database. 300 citizens here; the number is the only difference."""

import asyncio
import io
import json
import os
import subprocess
import sys
import unicodedata
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
import yaml
from aiohttp.test_utils import TestClient, TestServer

from adapters.dancu import build_adapter
from adapters.dancu.load import load_population
from adapters.people.example import PERSONS
from adapters.people.generator import CITIZENS, VERSION, generate
from adapters.sdk import Adapter, bootstrap, build_app
from adapters.sdk.access import adapter_log
from adapters.sdk.document import response_schema
from tests.support.databases import Content, adapters_content, register_of

SIZE = 300
ADAPTER = build_adapter(SIZE)
PEOPLE = generate(SIZE)
WOMAN = PERSONS[2]
DOCUMENT = yaml.safe_load((ADAPTER.folder / "openapi.yaml").read_text("utf-8"))


async def prepare(pool: Any, adapter: Adapter, stream: io.StringIO) -> None:
    await bootstrap(pool, adapter.name, (adapter.folder / "schema.sql").read_text("utf-8"))
    assert adapter.prepare is not None
    await adapter.prepare(pool, adapter_log("dancu", stream))


class Register:
    def __init__(self, pool: Any) -> None:
        self.stream = io.StringIO()
        self.client: TestClient[Any, Any] = TestClient(
            TestServer(build_app(ADAPTER, pool, adapter_log("dancu", self.stream)))
        )

    async def get(self, path: str, **more: Any) -> tuple[int, dict[str, Any]]:
        async with self.client.get(path, **more) as answer:
            return answer.status, await answer.json(content_type=None)

    async def verify(self, **claim: Any) -> tuple[int, dict[str, Any]]:
        async with self.client.post("/v1/verify", json=claim) as answer:
            return answer.status, await answer.json(content_type=None)


@pytest.fixture
def source_content(request: pytest.FixtureRequest) -> Content:
    """A register has its citizens already; other tests of this file put them there."""
    return register_of(ADAPTER, SIZE) if "register" in request.fixturenames else adapters_content("nothing")


@pytest.fixture
async def register(source_pool: Any) -> AsyncIterator[Register]:
    opened = Register(source_pool)
    await prepare(source_pool, ADAPTER, opened.stream)
    await opened.client.start_server()
    yield opened
    await opened.client.close()


def example(name: str) -> Any:
    method, path = name.split(" ")
    return DOCUMENT["paths"][path][method.lower()]["responses"]["200"]["content"]["application/json"]["example"]


async def test_the_documents_examples_are_what_is_answered(register: Register) -> None:
    assert await register.get("/v1/persons/999300000017") == (200, example("GET /v1/persons/{id}"))
    assert await register.get("/v1/households/H99900000001") == (200, example("GET /v1/households/{code}"))
    asked = DOCUMENT["paths"]["/v1/verify"]["post"]["requestBody"]["content"]["application/json"]["example"]
    assert await register.verify(**asked) == (200, example("POST /v1/verify"))


async def test_every_citizen_and_household_is_as_documented(register: Register) -> None:
    person = response_schema(ADAPTER.folder, "GET /v1/persons/{id}", 200, ADAPTER.formats)
    for p in PEOPLE.persons:
        status, record = await register.get(f"/v1/persons/{p.id}")
        assert status == 200
        assert person.check(record)["id"] == p.number
        assert (record["household_code"], record["previous_ids"]) == (p.household_code, list(p.previous_ids))
    household = response_schema(ADAPTER.folder, "GET /v1/households/{code}", 200, ADAPTER.formats)
    for h in PEOPLE.households:
        status, record = await register.get(f"/v1/households/{h.code}")
        assert status == 200
        household.check(record)
        assert [(m["id"], m["relation"]) for m in record["members"]] == [(m.id, m.relation) for m in h.members]


REFUSED = [
    ("/v1/persons/{id}", "/v1/persons/999300999999", 404, "not_found"),
    ("/v1/persons/{id}", "/v1/persons/001300000017", 404, "not_found"),
    ("/v1/persons/{id}", "/v1/persons/99930000001", 422, "invalid_identifier"),
    ("/v1/persons/{id}", "/v1/persons/' or 1=1 --", 422, "invalid_identifier"),
    ("/v1/persons/{id}", "/v1/persons/999300000017?fields=all", 400, "malformed_request"),
    ("/v1/households/{code}", "/v1/households/H99999999999", 404, "not_found"),
    ("/v1/households/{code}", "/v1/households/999300000017", 422, "invalid_identifier"),
]


@pytest.mark.parametrize(("template", "path", "status", "code"), REFUSED)
async def test_refused_fail(register: Register, template: str, path: str, status: int, code: str) -> None:
    found, problem = await register.get(path)
    assert (found, problem["code"]) == (status, code)
    response_schema(ADAPTER.folder, f"GET {template}", status, ADAPTER.formats).check(problem)


CLAIMS = [
    # (claim, status, results or code)
    ({"full_name": "NGUYỄN THỊ MINH ANH"}, 200, {"full_name": "match"}),
    ({"birth_date": "2000-08-18"}, 200, {"birth_date": "no_match"}),
    ({"address": WOMAN.permanent.text, "full_name": "x"}, 200, {"address": "match", "full_name": "no_match"}),
    ({}, 200, {}),
    ({"id": "999300999999", "full_name": WOMAN.full_name}, 200, {"full_name": "no_match"}),
    ({"id": "001300000017", "birth_date": "2000-08-17"}, 200, {"birth_date": "no_match"}),
    ({"id": "99930000001"}, 422, "invalid_identifier"),
    ({"id": None}, 400, "malformed_request"),
    ({"birth_date": "17/08/2000"}, 400, "malformed_request"),
    ({"birth_date": "2001-02-29"}, 400, "malformed_request"),
    ({"full_name": ""}, 400, "malformed_request"),
    ({"full_name": "x" * 201}, 400, "malformed_request"),
    ({"full_name": "a\x00b"}, 400, "malformed_request"),
    ({"sex": "Nữ"}, 400, "malformed_request"),
]


@pytest.mark.parametrize(("claim", "status", "expected"), CLAIMS)
async def test_verify(register: Register, claim: dict[str, Any], status: int, expected: Any) -> None:
    found, answer = await register.verify(**({"id": WOMAN.id} | claim))
    assert found == status
    response_schema(ADAPTER.folder, "POST /v1/verify", status, ADAPTER.formats).check(answer)
    if status == 200:
        unasked = dict.fromkeys(("full_name", "birth_date", "address"), "not_checked")
        assert answer == {"results": unasked | expected}
    else:
        assert answer["code"] == expected


async def test_no_person_in_the_log(register: Register) -> None:
    """Whoever is asked about, in whatever way, found or not, is not in a line."""
    claim = {"id": WOMAN.id, "full_name": WOMAN.full_name, "birth_date": "2000-08-17", "address": WOMAN.permanent.text}
    headers = {
        "X-Road-Client": "VN/GOV/G12/bhxh",
        "X-Road-UserId": "officer-77",
        "X-Road-Id": WOMAN.id,
        "X-Road-Issue": WOMAN.id,
    }
    await register.get(f"/v1/persons/{WOMAN.id}", headers=headers)
    await register.get(f"/v1/persons/{WOMAN.id}/children")
    await register.get(f"/v2/{WOMAN.id}")
    await register.get(f"/v1/persons/{WOMAN.id}x")
    await register.get("/v1/households/H99900000001")
    await register.verify(**claim)
    await register.verify(**claim, more=WOMAN.id)
    await register.verify(**claim | {"birth_date": "1/1/2000"})
    async with register.client.delete(f"/v1/persons/{WOMAN.id}") as answer:
        assert answer.status == 405
    log = register.stream.getvalue()
    assert log.count('"event":"call"') == 9
    told = [WOMAN.id, "999070000015", "Nguyễn", "Minh Anh", "2000-08-17", "Hoa Sữa", "H99900000001", "officer-77"]
    assert [word for word in told if word in log] == []


async def test_a_broken_table_is_ours_and_quotes_nothing(register: Register, source_pool: Any) -> None:
    await source_pool.execute("alter table dancu.person rename column full_name to name")
    status, problem = await register.get(f"/v1/persons/{WOMAN.id}")
    assert (status, problem["code"]) == (500, "internal_error")
    assert WOMAN.id not in register.stream.getvalue() + json.dumps(problem)


async def test_a_lost_database_is_told(register: Register, source_pool: Any) -> None:
    await source_pool.close()
    assert (await register.get(f"/v1/persons/{WOMAN.id}"))[1]["code"] == "source_unavailable"
    assert (await register.get("/health"))[0] == 503


@pytest.mark.parametrize("size", [1, 50, SIZE])
async def test_data_stays_at_the_second_start(source_pool: Any, size: int) -> None:
    stream = io.StringIO()
    await prepare(source_pool, build_adapter(size), stream)
    await source_pool.execute("update dancu.person set religion = 'changed' where id = $1", WOMAN.id)
    await prepare(source_pool, build_adapter(SIZE * 2), stream)
    assert await source_pool.fetchval("select religion from dancu.person where id = $1", WOMAN.id) == "changed"
    persons = await source_pool.fetchval("select count(*) from dancu.person")
    assert persons == len(generate(size).persons)
    stamp = await source_pool.fetchrow("select version, persons, households from dancu.population")
    assert tuple(stamp)[:2] == (VERSION, persons)
    assert [json.loads(line)["event"] for line in stream.getvalue().splitlines()][-1] == "population_kept"


async def test_two_starts_at_once(source_pool: Any) -> None:
    await bootstrap(source_pool, "dancu", (ADAPTER.folder / "schema.sql").read_text("utf-8"))
    log = adapter_log("dancu", io.StringIO())
    await asyncio.gather(*(load_population(source_pool, SIZE, log) for _ in range(3)))
    assert await source_pool.fetchval("select count(*) from dancu.person") == len(PEOPLE.persons)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("id", "001300000017"),
        ("sex", "Nữ"),
        ("status", "Đã mất"),
        ("father_id", "999070999999"),
        ("full_name", unicodedata.normalize("NFD", "Nguyễn")),
    ],
    ids=[
        "a number that may be real",
        "sex against number",
        "dead without a day",
        "unknown father",
        "decomposed letters",
    ],
)
async def test_the_tables_refuse_fail(register: Register, source_pool: Any, column: str, value: str) -> None:
    with pytest.raises(asyncpg.IntegrityConstraintViolationError):
        await source_pool.execute(f"update dancu.person set {column} = $1 where id = '999204000058'", value)  # noqa: S608


@pytest.mark.slow
@pytest.mark.parametrize("way", ["signal", "supervisor gone"])
async def test_the_program(source_parameters: dict[str, Any], way: str) -> None:
    """`python -m adapters.dancu` with the full population: loads, says READY, stops when told."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "adapters.dancu", "--listen", "127.0.0.1:0", "--supervised",
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=Path(__file__).parents[3],
        env={**os.environ, "ADAPTER_DATABASE_URL": json.dumps(source_parameters)},
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    assert (await asyncio.wait_for(process.stdout.readline(), 60)).startswith(b"READY http://127.0.0.1:")
    if way == "signal":
        process.terminate()
    else:
        process.stdin.close()
    assert await asyncio.wait_for(process.wait(), 20) == 0
    assert process.stderr is not None
    events = [json.loads(line) for line in (await process.stderr.read()).splitlines()]
    assert [e["persons"] >= CITIZENS for e in events if e["event"] == "population_loaded"] == [True]
    assert events[-1]["event"] == "stopped"
