"""JSON schema of an OpenAPI 3.0 document -> a validator that runs at every call.

The document is the only description of a call; what it says is what is enforced. A keyword that is not understood here stops
the adapter at its start, so that nothing is promised and not checked.

A string with a `format` that the adapter registered is handed to that parser and arrives as its value; `pattern` beside it
stays for people and tools (a test holds the two together). The parser's own error is what the caller is told.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import date
from typing import Any

from pydantic_core import CoreConfig, SchemaValidator, ValidationError, core_schema

from adapters.sdk.problems import FieldProblem, MalformedCall

Formats = Mapping[str, Callable[[str], object]]

_ABOUT = {"description", "example", "title", "default"}
_KEYWORDS = {
    "string": {"format", "pattern", "minLength", "maxLength", "enum"},
    "integer": {"minimum", "maximum"},
    "boolean": set(),
    "array": {"items", "minItems", "maxItems"},
    "object": {"properties", "required", "additionalProperties"},
}
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_MOST_ERRORS = 10


class DefinitionError(Exception):
    """The adapter's own files contradict each other or ask for something this framework does not check."""


def parse_date(text: str) -> date:
    """`2000-02-29`; ValueError for every other way to write a date, and for dates that are none."""
    if not _DATE.fullmatch(text):
        raise ValueError("a date is written YYYY-MM-DD")
    return date.fromisoformat(text)


def parse_uuid(text: str) -> str:
    """In its one lower-case spelling; ValueError otherwise."""
    if not _UUID.fullmatch(text):
        raise ValueError("a UUID is written in lower case, with hyphens")
    return text


class Schema:
    """One compiled schema. `check` returns plain dicts and lists, with parsed values where a format has a parser."""

    def __init__(self, definition: Mapping[str, Any], root: Mapping[str, Any], formats: Formats) -> None:
        self._root = root
        self._formats = {"date": parse_date, "uuid": parse_uuid, **formats}
        self._validator = SchemaValidator(self._compile(definition), CoreConfig(hide_input_in_errors=True))

    def check(self, value: object, *, strict: bool = True) -> Any:
        """MalformedCall with a pointer to each fault. `strict=False`: numbers may come as text (parameters do)."""
        try:
            return self._validator.validate_python(value, strict=strict)
        except ValidationError as e:
            raise MalformedCall(
                "Yêu cầu không đúng mô tả OpenAPI (the call is not what the OpenAPI document describes)",
                errors=_field_problems(e),
            ) from e

    def _compile(self, node: Mapping[str, Any]) -> core_schema.CoreSchema:
        if "$ref" in node:
            return self._compile(resolve(self._root, node["$ref"]))
        kind = node.get("type")
        unknown = set(node) - _ABOUT - {"type", "nullable"} - _KEYWORDS.get(str(kind), set())
        if kind not in _KEYWORDS or unknown:
            raise DefinitionError(f"schema of type {kind!r}: not understood: {sorted(unknown) or 'type'}")
        compiled = getattr(self, f"_{kind}")(node)
        return core_schema.nullable_schema(compiled) if node.get("nullable") else compiled

    def _string(self, node: Mapping[str, Any]) -> core_schema.CoreSchema:
        if "enum" in node:
            return core_schema.literal_schema([value for value in node["enum"] if value is not None])
        parser = self._formats.get(node.get("format", ""))
        text = core_schema.str_schema(
            pattern=None if parser else node.get("pattern"),
            min_length=node.get("minLength"),
            max_length=node.get("maxLength"),
        )
        if parser is None and "format" in node:
            raise DefinitionError(f"no parser for the format {node['format']!r}")
        return core_schema.no_info_after_validator_function(parser or _storable, text)

    def _integer(self, node: Mapping[str, Any]) -> core_schema.CoreSchema:
        return core_schema.int_schema(ge=node.get("minimum"), le=node.get("maximum"))

    def _boolean(self, _: Mapping[str, Any]) -> core_schema.CoreSchema:
        return core_schema.bool_schema()

    def _array(self, node: Mapping[str, Any]) -> core_schema.CoreSchema:
        return core_schema.list_schema(
            self._compile(node["items"]), min_length=node.get("minItems"), max_length=node.get("maxItems")
        )

    def _object(self, node: Mapping[str, Any]) -> core_schema.CoreSchema:
        required = set(node.get("required", ()))
        properties = {
            name: core_schema.typed_dict_field(self._with_default(child), required=name in required)
            for name, child in node.get("properties", {}).items()
        }
        if required - set(properties):
            raise DefinitionError(f"required but not described: {sorted(required - set(properties))}")
        closed = node.get("additionalProperties", True) is False
        if closed:
            return core_schema.typed_dict_schema(properties, extra_behavior="forbid")
        anything = core_schema.typed_dict_schema(properties, extra_behavior="allow")
        return core_schema.no_info_after_validator_function(_storable_tree, anything)

    def _with_default(self, node: Mapping[str, Any]) -> core_schema.CoreSchema:
        compiled = self._compile(node)
        return core_schema.with_default_schema(compiled, default=node["default"]) if "default" in node else compiled


def resolve(root: Mapping[str, Any], reference: str) -> Mapping[str, Any]:
    """What `#/components/…` points to in `root`; DefinitionError when nothing is there."""
    node: Any = root
    for piece in reference.removeprefix("#/").split("/"):
        node = node.get(piece) if isinstance(node, Mapping) else None
    if not reference.startswith("#/") or not isinstance(node, Mapping):
        raise DefinitionError(f"broken reference {reference!r}")
    return node


def parse_json(raw: bytes) -> object:
    """UTF-8 JSON; MalformedCall otherwise, also for a repeated member name.

    Of two members with one name readers take different ones: the citizens' log would name one person and we answer about
    another.
    """
    try:
        return json.loads(raw.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_refuse, parse_float=_finite)
    except (ValueError, RecursionError) as e:
        raise MalformedCall(
            "Nội dung không phải JSON hợp lệ (the body is not valid JSON)", code="malformed_json"
        ) from e


def _unique(pairs: Iterable[tuple[str, object]]) -> dict[str, object]:
    members: dict[str, object] = {}
    for name, value in pairs:
        if name in members:
            raise ValueError("repeated member")
        members[name] = value
    return members


def _refuse(_: str) -> object:
    raise ValueError("NaN and Infinity are no JSON")


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):  # 1e999: what is kept of it could not be written as JSON again
        raise ValueError("a number is too large")
    return number


def _storable(text: str) -> str:
    # PostgreSQL cannot hold U+0000 in text: without this a query parameter would become an error of ours.
    if "\x00" in text:
        raise ValueError("U+0000 is not allowed")
    return text


def _storable_tree(value: Any) -> Any:
    """The same for what a document leaves open: an object that is kept as it came."""
    rest = [value]
    while rest:
        node = rest.pop()
        if isinstance(node, dict):
            rest += [*node, *node.values()]
        elif isinstance(node, list):
            rest += node
        elif isinstance(node, str):
            _storable(node).encode()  # UnicodeEncodeError is a ValueError: half a surrogate pair
    return value


def _field_problems(error: ValidationError) -> list[FieldProblem]:
    found = error.errors(include_url=False, include_context=False, include_input=False)[:_MOST_ERRORS]
    return [FieldProblem(_pointer(e["loc"]), e["msg"]) for e in found]


def _pointer(location: tuple[int | str, ...]) -> str:
    pieces = (str(piece).replace("~", "~0").replace("/", "~1")[:80] for piece in location)
    return "".join(f"/{piece}" for piece in pieces)
