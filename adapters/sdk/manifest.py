"""`manifest.yaml`: who owns an adapter's data, and of each endpoint whom it is about, what it gives and for which purposes.

The gateway's service contract is printed from it (`python -m adapters.sdk.contract adapters/<name>`), so there is one place where
this is said. What it says of persons is held against the OpenAPI document: a place that no message has, or that is not a number
of that kind, stops the adapter at its start.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from adapters.sdk.document import load_yaml, success_content
from adapters.sdk.schema import DefinitionError, resolve
from gateway.core.subjects.kinds import KINDS

_PARAMETERS = ("path", "query")


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Action(_Strict):
    """What a citizen reads in the record of an access."""

    vi: str
    en: str


class Subject(_Strict):
    """Where a person's number stands: a parameter's `name`, or a JSON `pointer` with `*` for each element of a list."""

    at: Literal["path", "query", "request", "response"]
    name: str | None = None
    pointer: str | None = None
    kind: str
    optional: bool = False

    @model_validator(mode="after")
    def _one_place(self) -> Subject:
        if (self.name is None) == (self.pointer is None) or (self.name is not None) != (self.at in _PARAMETERS):
            raise ValueError("a parameter has a 'name', a place in a body has a 'pointer'")
        if self.kind not in KINDS:
            raise ValueError(f"no kind of number: {self.kind}")
        return self


class EndpointManifest(_Strict):
    """Codes of the instance's code lists; `subjects: none` declares openly that nobody can be singled out. `document` and
    `return_reason`: what the security server examines in requests, in the words of the contract, which checks them."""

    action: Action
    categories: tuple[str, ...] = ()
    purposes: tuple[str, ...] = ()
    sensitivity: Literal["ordinary", "sensitive"] = "ordinary"
    subjects: tuple[Subject, ...] | Literal["none"]
    document: Mapping[str, Any] | None = None
    return_reason: Mapping[str, Any] | None = None

    @property
    def persons(self) -> tuple[Subject, ...]:
        return () if self.subjects == "none" else self.subjects

    @model_validator(mode="after")
    def _complete(self) -> EndpointManifest:
        if not self.subjects:
            raise ValueError("'subjects' is a list of places or the word none")
        if any(bool(self.persons) != bool(codes) for codes in (self.categories, self.purposes)):
            raise ValueError("an endpoint about persons, and no other, has 'categories' and 'purposes'")
        return self


class Manifest(_Strict):
    """`owner`: the member that answers for the data; `service`: the service in full; `codes`: file of the code lists;
    `endpoints`: by method and path template."""

    name: str
    title: str
    owner: str
    service: str
    codes: str = "config/codes/vn.yaml"
    synthetic: bool
    endpoints: Mapping[str, EndpointManifest]


def load_manifest(folder: Path) -> Manifest:
    """DefinitionError when the file is none, or places persons where the document has nobody."""
    try:
        manifest = Manifest.model_validate(load_yaml(folder / "manifest.yaml"))
    except ValidationError as e:
        raise DefinitionError(f"manifest.yaml: {e}") from e
    document = load_yaml(folder / "openapi.yaml")
    problems = [
        f"{name}: {problem}"
        for name, endpoint in manifest.endpoints.items()
        for subject in endpoint.persons
        for problem in _misplaced(name, subject, document)
    ]
    if problems:
        raise DefinitionError(f"manifest.yaml: {'; '.join(problems)}")
    return manifest


def _misplaced(name: str, subject: Subject, document: Mapping[str, Any]) -> Iterator[str]:
    method, _, template = name.partition(" ")
    operation = document["paths"].get(template, {}).get(method.lower())
    if operation is None:
        return  # build_app tells which endpoints differ
    place = f"{subject.at} {subject.name or subject.pointer}"
    schema, always = _schema_at(subject, operation, document)
    if schema is None:
        yield f"nothing stands at {place}"
    elif schema.get("format") != subject.kind:
        yield f"what stands at {place} is not of the kind {subject.kind}"
    elif always == subject.optional:
        yield f"what stands at {place} is {'always there' if always else 'not always there'}, see 'optional'"


def _schema_at(
    subject: Subject, operation: Mapping[str, Any], document: Mapping[str, Any]
) -> tuple[Mapping[str, Any] | None, bool]:
    """The schema at the place, None where nothing stands, and whether every message has a value there."""
    if subject.name is not None:
        parameters = (_followed(p, document) for p in operation.get("parameters", ()))
        found = next((p for p in parameters if (p["in"], p["name"]) == (subject.at, subject.name)), None)
        return (None, False) if found is None else (_followed(found["schema"], document), bool(found.get("required")))
    content = operation.get("requestBody", {}).get("content") if subject.at == "request" else None
    content = success_content(operation, document) if subject.at == "response" else content
    if not content:
        return None, False
    schema, always = _followed(next(iter(content.values()))["schema"], document), True
    for piece in (subject.pointer or "").split("/")[1:]:
        if piece == "*":
            below = schema.get("items")
        else:
            below = schema.get("properties", {}).get(piece)
            always = always and piece in schema.get("required", ())
        if below is None:
            return None, False
        schema = _followed(below, document)
        always = always and not schema.get("nullable")
    return schema, always


def _followed(node: Mapping[str, Any], document: Mapping[str, Any]) -> Mapping[str, Any]:
    return resolve(document, node["$ref"]) if "$ref" in node else node
