"""Who a message is about, rule by rule; what cannot be told for certain is an error that repeats nothing of the message."""

from __future__ import annotations

import json

import pytest

from gateway.core.errors import MalformedMessage
from gateway.core.subjects import LOCATORS
from gateway.core.subjects.extract import MOST_PERSONS, SubjectRule, persons_in
from gateway.core.subjects.kinds import KINDS, Person, person
from gateway.core.subjects.view import MessageView

AN, BINH = "999300000017", "999204000058"
KIND = "vn-personal-number"
SOAP = f"""<?xml version="1.0"?><e:Envelope xmlns:e="urn:e" xmlns:p="urn:p" xmlns:i="http://www.w3.org/2001/XMLSchema-instance">
<e:Body><p:Ask i:type="x"><p:Id> {AN} </p:Id><p:Id n="{BINH}">{BINH}</p:Id></p:Ask></e:Body></e:Envelope>"""


def view(
    *,
    path: dict[str, str] | None = None,
    query: str | None = None,
    headers: tuple[tuple[str, str], ...] = (),
    body: bytes | None = None,
) -> MessageView:
    return MessageView(path or {}, query, headers, body)


def found(locator: str, *args: object, optional: bool = False, **message: object) -> list[str]:
    rule = SubjectRule(LOCATORS[locator](*args), KIND, optional=optional)
    return [p.number for p in persons_in([rule], view(**message))]  # type: ignore[arg-type]


NAMESPACES = (("p", "urn:p"),)
FOUND = {
    "path": (["path", "id"], {"path": {"id": AN}}, [AN]),
    "query": (["query", "id"], {"query": f"x=1&id={AN}"}, [AN]),
    "query, twice": (["query", "id"], {"query": f"id={AN}&id={BINH}"}, [AN, BINH]),
    "query, escaped": (["query", "số"], {"query": f"s%E1%BB%91=%39{AN[1:]}"}, [AN]),
    "header": (["header", "X-Person"], {"headers": (("x-person", f" {AN}"), ("X-Other", BINH))}, [AN]),
    "header, twice": (["header", "X-Person"], {"headers": (("x-person", AN), ("X-Person", BINH))}, [AN, BINH]),
    "pointer": (["pointer", "/id"], {"body": json.dumps({"id": AN}).encode()}, [AN]),
    "pointer into lists": (
        ["pointer", "/groups/*/members/*/id"],
        {"body": json.dumps({"groups": [{"members": [{"id": AN}, {"id": BINH}]}, {"members": []}]}).encode()},
        [AN, BINH],
    ),
    "pointer, index and escapes": (
        ["pointer", "/a~1b/~0/1"],
        {"body": json.dumps({"a/b": {"~": [BINH, AN]}}).encode()},
        [AN],
    ),
    "the same person twice": (["pointer", "/*"], {"body": json.dumps([AN, BINH, AN]).encode()}, [AN, BINH]),
    "xpath": (["xpath", "//p:Id", NAMESPACES], {"body": SOAP.encode()}, [AN, BINH]),
    "xpath, attribute": (["xpath", "//p:Id/@n", NAMESPACES], {"body": SOAP.encode()}, [BINH]),
}


@pytest.mark.parametrize("case", FOUND)
def test_found(case: str) -> None:
    rule, message, expected = FOUND[case]
    assert found(*rule, **message) == expected  # type: ignore[arg-type, misc]


REFUSED = {
    "no such parameter": (["path", "id"], {"path": {}}),
    "another kind of number": (["path", "id"], {"path": {"id": "079123456"}}),
    "digits of another script": (["path", "id"], {"path": {"id": "٩" * 12}}),
    "a parameter behind the number": (["path", "id"], {"path": {"id": f"{AN};a=b"}}),
    "no query": (["query", "id"], {"query": None}),
    "two readings of a query": (["query", "id"], {"query": f"id={AN}&x=1;id={BINH}"}),
    "one good, one empty": (["query", "id"], {"query": f"id={AN}&id="}),
    "no header": (["header", "X-Person"], {"headers": ()}),
    "no body": (["pointer", "/id"], {"body": None}),
    "not JSON": (["pointer", "/id"], {"body": b"id=1"}),
    "JSON in another encoding": (["pointer", "/id"], {"body": json.dumps({"id": AN}).encode("utf-16")}),
    "a key twice": (["pointer", "/id"], {"body": f'{{"id":"{AN}","id":"{BINH}"}}'.encode()}),
    "NaN": (["pointer", "/id"], {"body": f'{{"id":"{AN}","x":NaN}}'.encode()}),
    "a number without its zeros": (["pointer", "/id"], {"body": f'{{"id":{AN}}}'.encode()}),
    "null": (["pointer", "/id"], {"body": b'{"id":null}'}),
    "an object where the number should be": (["pointer", "/id"], {"body": b'{"id":{"id":"1"}}'}),
    "no list": (["pointer", "/*/id"], {"body": b'{"a":{"id":"1"}}'}),
    "an element without number": (["pointer", "/*/id"], {"body": f'[{{"id":"{AN}"}},{{}}]'.encode()}),
    "too deep": (["pointer", "/id"], {"body": b"[" * 100_000}),
    "not XML": (["xpath", "//p:Id", NAMESPACES], {"body": b"{}"}),
    "a DOCTYPE": (["xpath", "//p:Id", NAMESPACES], {"body": b'<!DOCTYPE a [<!ENTITY e "1">]><a>&e;</a>'}),
    "an element with more than text": (["xpath", "/*", ()], {"body": SOAP.encode()}),
    "no element": (["xpath", "//p:None", NAMESPACES], {"body": SOAP.encode()}),
    "a number, not a place": (["xpath", "count(//p:Id)", NAMESPACES], {"body": SOAP.encode()}),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case: str) -> None:
    rule, message = REFUSED[case]
    with pytest.raises(MalformedMessage) as e:
        found(*rule, **message)  # type: ignore[arg-type, misc]
    assert "999" not in str(e.value)


def test_a_place_that_may_be_empty() -> None:
    assert found("pointer", "/*/id", optional=True, body=f'[{{"id":"{AN}"}},{{}},{{"id":null}}]'.encode()) == [AN]
    assert found("query", "id", optional=True, query=None) == []
    with pytest.raises(MalformedMessage):  # empty is not the same as wrong
        found("pointer", "/id", optional=True, body=b'{"id":"x"}')


def test_more_persons_than_have_records_of_their_own() -> None:
    numbers = [f"9990000{n:05}" for n in range(MOST_PERSONS + 1)]
    assert len(found("pointer", "/*", body=json.dumps(numbers[1:]).encode())) == MOST_PERSONS
    with pytest.raises(MalformedMessage):
        found("pointer", "/*", body=json.dumps(numbers).encode())


@pytest.mark.parametrize(
    ("locator", "args"),
    [("pointer", ["id"]), ("pointer", [""]), ("pointer", ["/a~2"]), ("xpath", ["//"]), ("xpath", ["//q:Id"])],
)
def test_a_rule_that_is_none(locator: str, args: list[str]) -> None:
    with pytest.raises(ValueError):
        LOCATORS[locator](*args)


@pytest.mark.parametrize(
    ("kind", "text", "number"),
    [
        ("vn-personal-number", AN, AN),
        ("vn-social-insurance-number", "0123456789", "0123456789"),
        ("national-code", "ee60001017869", "EE60001017869"),
    ],
)
def test_one_spelling_a_person(kind: str, text: str, number: str) -> None:
    assert person(kind, text) == Person(kind, number)
    with pytest.raises(MalformedMessage):
        person(kind, f" {text}")


def test_every_kind_has_a_case_above() -> None:
    assert len(KINDS) == 3


def test_a_person_is_not_printed() -> None:
    assert AN not in repr(Person(KIND, AN))
