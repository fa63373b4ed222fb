from datetime import date
from typing import Any

import pytest

from adapters.sdk import DefinitionError, InvalidIdentifier, MalformedCall
from adapters.sdk.schema import Schema, parse_json


def even(text: str) -> int:
    if not text.isdigit() or int(text) % 2:
        raise InvalidIdentifier("an even number")
    return int(text)


ROOT: dict[str, Any] = {
    "components": {"schemas": {"Day": {"type": "string", "format": "date"}, "Odd": {"type": "null"}}}
}
CLOSED = {"type": "object", "additionalProperties": False}


def schema(definition: dict[str, Any]) -> Schema:
    return Schema(definition, ROOT, {"even": even})


PERSON = schema(
    CLOSED
    | {
        "required": ["id"],
        "properties": {
            "id": {"type": "string", "format": "even", "pattern": "^never$"},
            "day": {"$ref": "#/components/schemas/Day"},
            "name": {"type": "string", "minLength": 1, "maxLength": 5, "nullable": True},
            "kind": {"type": "string", "enum": ["a", "b"]},
            "code": {"type": "string", "pattern": "^[a-z]+$"},
            "count": {"type": "integer", "minimum": 1, "maximum": 3},
            "sure": {"type": "boolean"},
            "tags": {"type": "array", "items": {"type": "string"}, "maxItems": 2},
        },
    }
)


def test_values_arrive_parsed() -> None:
    given = {"id": "12", "day": "2000-02-29", "name": None, "kind": "b", "count": 3, "sure": False, "tags": ["ễ"]}
    assert PERSON.check(given) == given | {"id": 12, "day": date(2000, 2, 29)}


FAULTS: list[tuple[object, str]] = [
    ({}, "/id"),
    ([], ""),
    (None, ""),
    ("text", ""),
    ({"id": 12}, "/id"),
    ({"id": None}, "/id"),
    ({"id": "12", "more": 1}, "/more"),
    ({"id": "12", "a/b~c": 1}, "/a~1b~0c"),
    ({"id": "12", "day": "2001-02-29"}, "/day"),
    ({"id": "12", "day": "20000229"}, "/day"),
    ({"id": "12", "day": "2000-W09-2"}, "/day"),
    ({"id": "12", "day": "2000-02-29T00:00:00"}, "/day"),
    ({"id": "12", "day": "２０００-02-29"}, "/day"),
    ({"id": "12", "name": ""}, "/name"),
    ({"id": "12", "name": "abcdef"}, "/name"),
    ({"id": "12", "name": "a\x00b"}, "/name"),
    ({"id": "12", "name": "\ud800"}, "/name"),
    ({"id": "12", "kind": "c"}, "/kind"),
    ({"id": "12", "code": "abC"}, "/code"),
    ({"id": "12", "count": 4}, "/count"),
    ({"id": "12", "count": "3"}, "/count"),
    ({"id": "12", "count": 1.0}, "/count"),
    ({"id": "12", "count": True}, "/count"),
    ({"id": "12", "sure": 1}, "/sure"),
    ({"id": "12", "tags": ["a", 1]}, "/tags/1"),
    ({"id": "12", "tags": ["a", "b", "c"]}, "/tags"),
]


@pytest.mark.parametrize(("value", "pointer"), FAULTS, ids=[repr(v)[:40] for v, _ in FAULTS])
def test_fault_fail(value: object, pointer: str) -> None:
    with pytest.raises(MalformedCall) as refused:
        PERSON.check(value)
    assert refused.value.code == "malformed_request"
    assert [e.pointer for e in refused.value.errors] == [pointer]


def test_the_parser_of_a_format_says_it_itself() -> None:
    with pytest.raises(InvalidIdentifier) as refused:
        PERSON.check({"id": "13"})
    assert refused.value.status == 422


def test_parameters_may_be_text() -> None:
    assert schema(CLOSED | {"properties": {"count": {"type": "integer"}}}).check({"count": "7"}, strict=False) == {
        "count": 7
    }


def test_no_more_than_ten_faults_and_none_repeats_the_value() -> None:
    with pytest.raises(MalformedCall) as refused:
        PERSON.check({"id": "12", "name": "Nguyễn Thị"} | {f"x{i}" * 100: 0 for i in range(20)})
    assert len(refused.value.errors) == 10
    assert all(len(e.pointer) <= 81 and "Nguyễn" not in e.detail for e in refused.value.errors)


@pytest.mark.parametrize(
    "definition",
    [
        {"type": "null"},
        {"description": "no type"},
        {"type": "string", "format": "email"},
        {"type": "string", "maxlength": 3},
        {"type": "integer", "multipleOf": 2},
        {"type": "array", "items": {"type": "string"}, "uniqueItems": True},
        {"type": "object", "required": ["gone"], "properties": {}},
        {"type": "object", "properties": {"a": {"$ref": "#/components/schemas/None"}}},
        {"$ref": "other.yaml#/Day"},
        {"$ref": "#/components/schemas/Odd"},
    ],
    ids=repr,
)
def test_what_is_not_checked_is_not_accepted_fail(definition: dict[str, Any]) -> None:
    with pytest.raises(DefinitionError):
        schema(definition)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"{'id': 1}",
        b'{"id": NaN}',
        b'{"id": -Infinity}',
        b'{"id": 1e999}',
        b'{"id": "1", "id": "2"}',
        b'{"a": {"id": 1, "id": 1}}',
        b"\xef\xbb\xbf{}",
        b"\xff\xfe{\x00}\x00",
        b'"\xc3"',
        b"{} {}",
        b"[" * 100_000,
        b"1" * 5_000,
    ],
    ids=lambda raw: repr(raw[:30]),
)
def test_json_fail(raw: bytes) -> None:
    with pytest.raises(MalformedCall) as refused:
        parse_json(raw)
    assert (refused.value.status, refused.value.code) == (400, "malformed_json")


def test_json() -> None:
    assert parse_json('{"tên": ["ễ", 1, null]}'.encode()) == {"tên": ["ễ", 1, None]}


@pytest.mark.parametrize(
    "given", [{"a": "\x00"}, {"a": [{"b": ["\x00"]}]}, {"\x00": 1}, {"a": "\ud800"}, {"a": {"b": "x\udfff"}}], ids=repr
)
def test_what_cannot_be_kept_is_refused_in_open_objects_too_fail(given: dict[str, Any]) -> None:
    with pytest.raises(MalformedCall):
        schema({"type": "object", "properties": {"form": {"type": "object"}}}).check({"form": given})


def test_an_open_object_is_kept_as_it_came() -> None:
    form = {"tên": ["ễ", 1, None, {"😀": 1.5}]}
    assert schema({"type": "object"}).check(form) == form
