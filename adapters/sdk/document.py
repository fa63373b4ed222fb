"""An adapter's two files: `openapi.yaml` (what callers are promised) and `manifest.yaml` (who owns what, for people)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from adapters.sdk.schema import DefinitionError, Formats, Schema, resolve

_METHODS = ("get", "put", "post", "delete", "patch")


class Manifest(BaseModel):
    """`endpoints`: `GET /v1/persons/{id}` -> what it gives, in words."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    name: str
    title: str
    owner: str
    synthetic: bool
    endpoints: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Operation:
    """`path`, `query`: validators of the parameters; `body`: of the JSON body, None when the call has none."""

    method: str
    template: str
    path: Schema
    query: Schema
    body: Schema | None

    @property
    def name(self) -> str:
        return f"{self.method} {self.template}"


def load_manifest(folder: Path) -> Manifest:
    try:
        return Manifest.model_validate(_yaml(folder / "manifest.yaml"))
    except ValidationError as e:
        raise DefinitionError(f"manifest.yaml: {e}") from e


def load_operations(folder: Path, formats: Formats) -> Mapping[str, Operation]:
    """Every operation of `openapi.yaml` by its name; DefinitionError when the document asks for what is not checked."""
    document = _yaml(folder / "openapi.yaml")
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
    document = _yaml(folder / "openapi.yaml")
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

    body = node.get("requestBody")
    schema = None if body is None else Schema(body["content"]["application/json"]["schema"], document, formats)
    return Operation(method.upper(), template, those_in("path"), those_in("query"), schema)


def _yaml(path: Path) -> Mapping[str, Any]:
    loaded = yaml.safe_load(path.read_text("utf-8"))
    if not isinstance(loaded, Mapping):
        raise DefinitionError(f"{path.name}: not a mapping")
    return loaded
