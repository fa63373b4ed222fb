"""JSON schemas of the settings files, for editors: `python -m gateway.settings.schema` writes `config/schema/`.

A key is explained in one place, `config/reference.yaml`; the schemas quote the comment that stands above it there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from gateway.core.errors import SettingsError
from gateway.settings.citizen import CitizenSettings
from gateway.settings.codes import CodesSettings
from gateway.settings.common import ByteCount, print_duration
from gateway.settings.contracts import ContractSettings
from gateway.settings.demo import DemoSettings
from gateway.settings.holidays import HolidaysSettings
from gateway.settings.loader import Source, field_of, read_text, validate
from gateway.settings.log import LogSettings, WitnessSettings
from gateway.settings.reasons import ReasonsSettings
from gateway.settings.registry import RegistrySettings
from gateway.settings.server import ServerSettings
from gateway.settings.trust import TrustSettings
from gateway.settings.yaml12 import parse_documents

KINDS: dict[str, type[BaseModel]] = {
    "server": ServerSettings,
    "registry": RegistrySettings,
    "trust": TrustSettings,
    "transparency": LogSettings,
    "witness": WitnessSettings,
    "citizen": CitizenSettings,
    "demo": DemoSettings,
    "contract": ContractSettings,
    "codes": CodesSettings,
    "reasons": ReasonsSettings,
    "holidays": HolidaysSettings,
}
FIRST_LINE = re.compile(r"^# yaml-language-server: \$schema=(?:\S*/)?([a-z]+)\.json[ \t]*$", re.MULTILINE)

Explanations = dict[tuple[str, str], str]  # (name of the model, key) -> what it means


def explanations(reference: Path) -> Explanations:
    """What the reference file says about each key. Its documents are checked like any settings, files apart."""
    text = read_text(reference)
    documents, kinds = parse_documents(text, str(reference)), FIRST_LINE.findall(text)
    if len(documents) != len(kinds) or not KINDS.keys() >= set(kinds):
        raise SettingsError([f"{reference}:1:1: each document must name its schema"])
    lines = text.splitlines()
    found: Explanations = {}
    for document, kind in zip(documents, kinds, strict=True):
        validate(Source(str(reference), document), KINDS[kind], files=False)
        for path, (line, _) in document.keys.items():
            model = field_of(KINDS[kind], path)
            if model is not None:
                found.setdefault((model.__name__, str(path[-1])), _comment_above(lines, line - 1))
    return found


def _comment_above(lines: list[str], key: int) -> str:
    """The comment lines that end right above a key; of a list's first key, the first stands behind the dash."""
    comment: list[str] = []
    for line in reversed(lines[:key]):
        m = re.fullmatch(r" *(- )?# ?(.*)", line)
        if m is None or m[2].startswith("==="):
            break
        comment.append(m[2].strip())
        if m[1]:
            break
    return " ".join(reversed(comment))


class _Schema(GenerateJsonSchema):
    """Defaults are shown the way they are written in YAML; a key has a value or is left out."""

    def encode_default(self, dft: Any) -> Any:
        if isinstance(dft, timedelta):
            return print_duration(dft)
        if isinstance(dft, ByteCount):
            return str(dft)
        if isinstance(dft, BaseModel):
            return {name: self.encode_default(value) for name, value in dft if value is not None}
        return super().encode_default(dft)

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        found = super().default_schema(schema)
        return {k: v for k, v in found.items() if (k, v) != ("default", None)}


def schema_text(kind: str, explained: Explanations) -> str:
    """The schema of one kind of file, as committed."""
    schema = KINDS[kind].model_json_schema(schema_generator=_Schema)
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    for model in _models(schema):
        for key, value in model.get("properties", {}).items():
            value.pop("title", None)
            value["description"] = explained[model["title"], key]
    return json.dumps(schema, ensure_ascii=False, indent=1, sort_keys=True) + "\n"


def _models(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield schema
    yield from schema["$defs"].values()


def write_schemas(config: Path) -> None:
    """`schema/<kind>.json` below the folder that holds `reference.yaml`."""
    explained = explanations(config / "reference.yaml")
    (config / "schema").mkdir(exist_ok=True)
    for kind in KINDS:
        (config / "schema" / f"{kind}.json").write_text(schema_text(kind, explained), encoding="utf-8")


if __name__ == "__main__":
    write_schemas(Path("config"))
