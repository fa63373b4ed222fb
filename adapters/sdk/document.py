"""`openapi.yaml`: what callers are promised, and what each call and answer is held against."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from adapters.sdk.schema import DefinitionError, Formats, Schema, resolve

_METHODS = ("get", "put", "post", "delete", "patch")

IDEMPOTENCY_KEY = "Idempotency-Key"


@dataclass(frozen=True, slots=True)
class Operation:
    """`path`, `query`: validators of the parameters; `body`: of the JSON body, None when the call has none; `key`: of the
    idempotency key, None for an operation that takes none; `status`: of the one successful answer."""

    method: str
    template: str
    path: Schema
    query: Schema
    body: Schema | None
    key: Schema | None
    status: int

    @property
    def name(self) -> str:
        return f"{self.method} {self.template}"


def load_operations(folder: Path, formats: Formats) -> Mapping[str, Operation]:
    """Every operation of `openapi.yaml` by its name; DefinitionError when the document asks for what is not checked."""
    document = load_yaml(folder / "openapi.yaml")
    if not str(document.get("openapi", "")).startswith("3.0."):
        raise DefinitionError("openapi.yaml: version 3.0 is what every X-Road server reads")
    found = [
        _operation(method, template, node, document, formats)
        for template, methods in document["paths"].items()
        for method, node in methods.items()
        if method in _METHODS
    ]
    return {operation.name: operation for operation in found}


def response_schema(folder: Path, name: str, status: int, formats: Formats) -> Schema:
    """The schema that the document gives for an answer: what tests hold real answers against."""
    document = load_yaml(folder / "openapi.yaml")
    method, template = name.split(" ")
    answer = document["paths"][template][method.lower()]["responses"][str(status)]
    if "$ref" in answer:
        answer = resolve(document, answer["$ref"])
    content = next(iter(answer["content"].values()))
    return Schema(content["schema"], document, formats)


def _operation(
    method: str, template: str, node: Mapping[str, Any], document: Mapping[str, Any], formats: Formats
) -> Operation:
    parameters = [resolve(document, p["$ref"]) if "$ref" in p else p for p in node.get("parameters", ())]

    def those_in(place: str) -> Schema:
        chosen = [p for p in parameters if p["in"] == place]
        definition = {
            "type": "object",
            "additionalProperties": False,
            "properties": {p["name"]: p["schema"] for p in chosen},
            "required": [p["name"] for p in chosen if p.get("required")],
        }
        return Schema(definition, document, formats)

    for p in parameters:
        if p["in"] not in ("path", "query") and (p["in"], p["name"]) != ("header", IDEMPOTENCY_KEY):
            raise DefinitionError(f"{method} {template}: the {p['in']} parameter {p['name']} is not checked here")
    keys = [p for p in parameters if p["in"] == "header"]
    if any(not p.get("required") for p in keys):
        raise DefinitionError(f"{method} {template}: {IDEMPOTENCY_KEY} is required or not there at all")
    body = node.get("requestBody")
    return Operation(
        method=method.upper(),
        template=template,
        path=those_in("path"),
        query=those_in("query"),
        body=None if body is None else Schema(body["content"]["application/json"]["schema"], document, formats),
        key=those_in("header") if keys else None,
        status=_success(node)[0],
    )


def success_content(node: Mapping[str, Any], document: Mapping[str, Any]) -> Mapping[str, Any]:
    """Media types of an operation's successful answer; empty where the document describes none."""
    answer = _success(node)[1]
    content: Mapping[str, Any] = (resolve(document, answer["$ref"]) if "$ref" in answer else answer).get("content", {})
    return content


def _success(node: Mapping[str, Any]) -> tuple[int, Mapping[str, Any]]:
    """The one 2xx answer; 200 where the document describes none."""
    found = [(int(code), answer) for code, answer in node.get("responses", {}).items() if str(code).startswith("2")]
    if len(found) > 1:
        raise DefinitionError("an operation has one successful answer")
    return found[0] if found else (200, {})


def load_yaml(path: Path) -> Mapping[str, Any]:
    """DefinitionError when the file is not a mapping. Who reads the same text twice is given the same value: it is not altered."""
    loaded = _parsed(path.read_text("utf-8"))
    if not isinstance(loaded, Mapping):
        raise DefinitionError(f"{path.name}: not a mapping")
    return loaded


@lru_cache(maxsize=32)
def _parsed(text: str) -> object:
    return yaml.load(text, Loader=yaml.CSafeLoader)  # libyaml: ten times faster than the other one
