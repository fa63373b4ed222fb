"""Every adapter of a register keeps the same promises: its document is true, its errors have one form, effects come once, and no
line of its log is about a person. What is called are the examples of its own document."""

from __future__ import annotations

import asyncio
import io
import json
import re
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import pytest

from adapters import bhxh, dancu, dvc, hotich, yte
from adapters.lienthong import service as lienthong_service
from adapters.lienthong.definition import load_definitions
from adapters.lienthong.desk import Desk
from adapters.lienthong.reasons import load_reasons
from adapters.people.dice import Dice
from adapters.people.generator import generate
from adapters.sdk import Adapter, Pool
from adapters.sdk.delivery import bootstrap_delivery
from adapters.sdk.document import load_operations, load_yaml
from adapters.sdk.manifest import load_manifest
from adapters.sdk.schema import resolve
from adapters.sdk.testkit import Answer, Served, key_of, served
from adapters.yte.emit import message
from adapters.yte.invent import invent_birth
from adapters.yte.notices import print_notice
from tests.architecture.source import ROOT
from tests.support.databases import Content, register_of
from tests.support.hospital import notices
from tests.support.registrar import registrar
from tests.unit.adapters.yte.test_service import NOW

SIZE = 10


def coordinator() -> Adapter:
    """The linked procedures, on a day of 2026: its examples are about the year's first dossier."""
    desk = Desk(load_definitions(), lambda: NOW)
    adapter = lienthong_service.build_adapter(desk, load_reasons(ROOT / "config/codes/return-reasons.yaml"))

    async def prepare(pool: Pool, _: object) -> None:
        await bootstrap_delivery(pool)

    return replace(adapter, prepare=prepare)


ADAPTERS: dict[str, Callable[[], Adapter]] = {
    "dancu": lambda: dancu.build_adapter(SIZE),
    "bhxh": lambda: bhxh.build_adapter(SIZE),
    "hotich": lambda: hotich.build_adapter(registrar(), notices(), SIZE),
    "yte": yte.build_adapter,
    "lienthong": coordinator,
    "dvc": lambda: dvc.build_adapter(SIZE),
}
CLIENT = "VN/GOV/G22/dvc"
# Who calls, where it matters who does.
CLIENTS = dict.fromkeys(
    (f"lienthong POST /v1/dossiers/{{dossier_id}}/legs/{{leg}}/{what}" for what in ("outcome", "undone")),
    "VN/GOV/G15/hotich",
)
# What an example needs that its document cannot say: a body whose content is signed, a number that another call gives.
BODIES: dict[str, Callable[[], Any]] = {
    "yte POST /v1/notices": lambda: json.loads(
        message(print_notice(invent_birth(generate(400).persons, "99901", NOW, Dice(3))))
    )
}


@dataclass(frozen=True, slots=True)
class Example:
    """One operation with the parameters and the body of its document's examples."""

    name: str
    parameters: Mapping[str, str]
    body: Any

    @property
    def method(self) -> str:
        return self.name.partition(" ")[0]

    @property
    def template(self) -> str:
        return self.name.partition(" ")[2]


def document_of(adapter: Adapter) -> Mapping[str, Any]:
    return load_yaml(adapter.folder / "openapi.yaml")


def operations(adapter: Adapter) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for path, methods in document_of(adapter)["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def examples(adapter: Adapter) -> list[Example]:
    found, document = [], document_of(adapter)
    for name, operation in operations(adapter):
        named = [resolve(document, p["$ref"]) if "$ref" in p else p for p in operation.get("parameters", ())]
        parameters = {p["name"]: p["example"] for p in named if p["in"] == "path"}
        content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
        body = BODIES[f"{adapter.name} {name}"]() if f"{adapter.name} {name}" in BODIES else content.get("example")
        assert (body is None) == ("requestBody" not in operation), f"{name} shows no example of its body"
        found.append(Example(name, parameters, body))
    return found


def effects_of(adapter: Adapter) -> list[Example]:
    """In the order of the document, as examples that build on each other stand there."""
    keyed = {name for name, o in load_operations(adapter.folder, adapter.formats).items() if o.key is not None}
    return [example for example in examples(adapter) if example.name in keyed]


@pytest.fixture(params=ADAPTERS)
def adapter(request: pytest.FixtureRequest) -> Adapter:
    return ADAPTERS[request.param]()


@pytest.fixture
def source_content(adapter: Adapter) -> Content:
    return register_of(adapter, SIZE)


@pytest.fixture
async def running(adapter: Adapter, source_pool: Any) -> AsyncIterator[Served]:
    async with served(adapter, source_pool) as opened:
        yield opened


async def call(running: Served, example: Example, key: object = "example", body: Any = None) -> Answer:
    if example.method == "GET":
        return await running.get(example.template, **example.parameters)
    sent = example.body if body is None else body
    client = CLIENTS.get(f"{running.adapter.name} {example.name}", CLIENT)
    return await running.post(example.template, sent, key=f"{example.name} {key}", client=client, **example.parameters)


def references(node: object) -> Iterator[str]:
    if isinstance(node, dict):
        yield from (v for k, v in node.items() if k == "$ref")
        node = list(node.values())
    for child in node if isinstance(node, list) else ():
        yield from references(child)


def test_the_document_is_whole(adapter: Adapter) -> None:
    """References lead somewhere and nothing stands there unused; ids and names are there, in two languages."""
    document = document_of(adapter)
    used = set(references(document))
    assert all(resolve(document, reference) for reference in used)
    written = {f"#/components/{kind}/{name}" for kind, named in document["components"].items() for name in named}
    assert written == used
    found = dict(operations(adapter))
    assert len({operation["operationId"] for operation in found.values()}) == len(found)
    tags = {tag["name"] for tag in document["tags"]}
    for name, operation in found.items():
        assert re.search(r"\w.* \(.*\w\)$", operation["summary"]), name
        assert set(operation["tags"]) <= tags, name
    assert set(load_manifest(adapter.folder).endpoints) == set(load_operations(adapter.folder, adapter.formats))


def test_every_refusal_has_the_one_form(adapter: Adapter) -> None:
    """And every operation describes those that can come to anybody; with a body and of an effect some more."""
    document = document_of(adapter)
    keyed = {example.name for example in effects_of(adapter)}
    for name, operation in operations(adapter):
        refusals = {code: answer for code, answer in operation["responses"].items() if not code.startswith("2")}
        always = {"400", "422", "500", "503"} | ({"408", "413", "415"} if "requestBody" in operation else {"404"})
        always |= {"409"} if name in keyed else set()
        assert always <= refusals.keys(), name
        for answer in refusals.values():
            content = resolve(document, answer["$ref"])["content"]
            assert content["application/problem+json"]["schema"] == {"$ref": "#/components/schemas/Problem"}


async def test_the_examples_are_answered(running: Served) -> None:
    """As the document says (the kit looks), and without a fault of ours. In the order of the document."""
    for example in examples(running.adapter):
        answer = await call(running, example)
        assert answer.status < 500, example.name
    assert [line for line in running.lines if line["status"] >= 500] == []


async def test_effects_come_once(running: Served) -> None:
    """Again with the key: the same answer, also when five come at once. With another key: done, or done already."""
    for example in effects_of(running.adapter):
        first = await call(running, example)
        if first.status >= 400:
            continue
        assert await call(running, example) == first
        others = [await call(running, example, f"another {n}") for n in range(2)]
        assert {a.status for a in others} <= {first.status, 409}, example.name
        together = await asyncio.gather(*(call(running, example, "together") for _ in range(5)))
        assert len({_without_correlation(a) for a in together}) == 1, example.name


def _without_correlation(answer: Answer) -> str:
    return json.dumps({k: v for k, v in answer.body.items() if k != "correlation_id"}, sort_keys=True)


async def test_a_key_does_not_serve_for_another_request(running: Served) -> None:
    for example in effects_of(running.adapter):
        if (await call(running, example)).status < 400 and len(example.body) > 1:
            assert (await call(running, example, body=_changed(example.body))).code == "idempotency_key_reused"


def _changed(body: Mapping[str, Any]) -> dict[str, Any]:
    """Still well-formed: members in another order are another body."""
    return dict(reversed(list(body.items())))


@pytest.mark.parametrize(
    ("what", "more", "status", "code"),
    [
        ("no JSON", {"data": b"{"}, 400, "malformed_json"),
        ("a list", {"data": b"[]"}, 400, "malformed_request"),
        ("nothing in it", {"data": b"{}"}, 400, "malformed_request"),
        ("too large", {"data": b" " * (1024 * 1024 + 65536)}, 413, "body_too_large"),
        ("a form", {"data": b"a=b", "type": "application/x-www-form-urlencoded"}, 415, "unsupported_media_type"),
        ("a broken client", {"data": b"{}", "client": "VN"}, 400, "invalid_xroad_header"),
    ],
)
async def test_bad_calls_are_refused_alike(
    running: Served, what: str, more: dict[str, Any], status: int, code: str
) -> None:
    for example in (e for e in examples(running.adapter) if e.body is not None):
        path = example.template.format(**example.parameters)
        headers = {"Content-Type": more.get("type", "application/json"), "Idempotency-Key": key_of(example.name)}
        if "client" in more:
            headers["X-Road-Client"] = more["client"]
        async with running.client.post(path, data=io.BytesIO(more["data"]), headers=headers) as answer:
            problem = await answer.json(content_type=None)
            assert (answer.status, problem["code"]) == (status, code), f"{example.name}: {what}"
            assert answer.content_type == "application/problem+json"
            assert answer.headers["Cache-Control"] == "no-store"


async def test_effects_need_a_key(running: Served) -> None:
    for example in effects_of(running.adapter):
        async with running.client.post(example.template.format(**example.parameters), json=example.body) as answer:
            assert (answer.status, (await answer.json(content_type=None))["code"]) == (400, "malformed_request")


async def test_no_line_is_about_a_person(running: Served) -> None:
    """Whatever stands in a call or an answer, of six letters or more, stands in no line."""
    told: set[str] = set()
    for example in examples(running.adapter):
        answer = await call(running, example)
        told |= {*example.parameters.values(), *texts(example.body)}
        told |= set(texts(answer.body)) if answer.status < 400 else set()
    assert len(told) > 5
    templates = {example.template for example in examples(running.adapter)}
    assert {line["endpoint"] for line in running.lines} == templates
    assert {line["client"] for line in running.lines if "client" in line} <= {CLIENT, *CLIENTS.values()}
    said = json.dumps(
        [{k: v for k, v in line.items() if k not in ("ts", "code", "endpoint", "client")} for line in running.lines]
    )
    assert [text for text in told if len(text) > 5 and json.dumps(text)[1:-1] in said] == []


def texts(node: object) -> Iterator[str]:
    match node:
        case str():
            yield node
        case dict():
            for child in node.values():
                yield from texts(child)
        case list():
            for child in node:
                yield from texts(child)


async def test_a_lost_database_is_told(running: Served) -> None:
    await running.pool.close()
    for example in examples(running.adapter):
        assert (await call(running, example)).outcome == (503, "source_unavailable"), example.name
