"""Whatever is typed as an identifier, a date, a name or a body: a value or the adapter's own problem, never anything else."""

import asyncio
import io
import json
import re
import unicodedata
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from aiohttp.test_utils import TestClient, TestServer
from hypothesis import example, given, settings
from hypothesis import strategies as st
from yarl import URL

from adapters.dancu import build_adapter
from adapters.dancu.verification import Claim, Verdict, check_claim, comparable
from adapters.people.example import PERSONS
from adapters.people.identifiers import PersonalNumber, Sex, parse_household_code, parse_personal_number
from adapters.sdk import InvalidIdentifier, Problem, build_app
from adapters.sdk.access import adapter_log
from adapters.sdk.document import load_operations
from adapters.sdk.road import parse_road_headers
from adapters.sdk.schema import parse_date, parse_json

ADAPTER = build_adapter()
OPERATIONS = load_operations(ADAPTER.folder, ADAPTER.formats)
NUMBERS = st.builds(
    PersonalNumber,
    st.integers(1, 999).map("{:03}".format),
    st.just(20),
    st.sampled_from(Sex),
    st.integers(1900, 1999),
    st.integers(0, 999_999),
) | st.builds(
    PersonalNumber, st.just("999"), st.just(24), st.sampled_from(Sex), st.integers(2300, 2399), st.integers(0, 999_999)
)
NEARLY = st.text(alphabet="0123456789９٣²H \n-\x00", min_size=9, max_size=14)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | NEARLY,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["id", "full_name", "birth_date", "x"]), inner)
    ),
    max_leaves=8,
)


def outcome(read: Callable[..., Any], *arguments: Any, **more: Any) -> Any:
    """The value, or the problem as a value; anything else passes through and fails the test."""
    try:
        return read(*arguments, **more)
    except Problem as refused:
        return refused


@given(NUMBERS)
def test_a_number_is_read_as_it_was_written(number: PersonalNumber) -> None:
    assert parse_personal_number(str(number)) == number


@given(st.text() | NEARLY | st.from_regex(r"[0-9]{12}\n?", fullmatch=True))
def test_any_text_is_a_number_or_the_one_problem(text: str) -> None:
    found = outcome(parse_personal_number, text)
    if isinstance(found, Problem):
        assert (type(found), found.status, found.code) == (InvalidIdentifier, 422, "invalid_identifier")
        assert not re.fullmatch(r"[0-9]{12}", text) or text.startswith("000")
    else:
        assert str(found) == text  # one person, one spelling
        assert re.fullmatch(r"[0-9]{12}", text)  # the pattern in openapi.yaml


@given(st.text() | NEARLY)
def test_any_text_is_a_household_or_the_one_problem(text: str) -> None:
    found = outcome(parse_household_code, text)
    if isinstance(found, Problem):
        assert (type(found), found.status) == (InvalidIdentifier, 422)
        assert not re.fullmatch(r"H999[0-9]{8}", text)
    else:
        assert str(found) == text


@given(st.text() | NEARLY | st.dates().map(str) | st.dates().map("{:%Y%m%d}".format))
def test_a_date_has_one_spelling(text: str) -> None:
    try:
        assert str(parse_date(text)) == text
    except ValueError:
        assert not re.fullmatch(r"[12][0-9]{3}-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])", text)


@given(st.binary() | JSON.map(json.dumps).map(str.encode))
@example(b'{"id": "999300000017", "full_name": "\\ud800"}')
@example(b'{"id": "999300000017", "full_name": "\\u0000"}')
def test_any_body_is_a_claim_or_a_problem_of_the_callers(raw: bytes) -> None:
    body = OPERATIONS["POST /v1/verify"].body
    assert body is not None
    claim = outcome(lambda: body.check(parse_json(raw)))
    if isinstance(claim, Problem):
        assert claim.status in (400, 422)
        assert claim.body("c")
    else:
        assert isinstance(claim["id"], PersonalNumber)
        found = check_claim(Claim(claim.get("full_name"), claim.get("birth_date"), claim.get("address")), PERSONS[2])
        assert [v is Verdict.NOT_CHECKED for v in found.values()] == [a not in claim for a in found]


@given(st.dictionaries(st.sampled_from(["id", "code", "x"]), st.text() | NEARLY))
def test_any_path_is_parameters_or_a_problem_of_the_callers(values: dict[str, str]) -> None:
    for name in ("GET /v1/persons/{id}", "GET /v1/households/{code}"):
        found = outcome(OPERATIONS[name].path.check, values, strict=False)
        assert found.status in (400, 422) if isinstance(found, Problem) else len(found) == 1


_HEADER_NAMES = ["X-Road-Client", "x-road-service", "X-Road-Represented-Party", "X-Road-UserId", "X-Road-Id", "Accept"]


@given(st.lists(st.tuples(st.sampled_from(_HEADER_NAMES), st.text())))
def test_any_headers_are_read_or_refused(headers: list[tuple[str, str]]) -> None:
    road = outcome(parse_road_headers, headers)
    if isinstance(road, Problem):
        assert (road.status, road.code) == (400, "invalid_xroad_header")
    else:
        assert all(str(v).encode() for v in (road.client, road.user_id, road.message_id) if v)


@given(st.text())
@settings(max_examples=200)
def test_a_name_matches_however_it_is_typed(name: str) -> None:
    typed: Any = comparable(name)
    assert comparable(typed) == typed
    assert comparable(unicodedata.normalize("NFD", name)) == typed
    assert comparable(f"  {name}\t") == typed


class EmptyPool:
    async def fetchrow(self, *_: object) -> None:
        return None

    async def fetch(self, *_: object) -> list[object]:
        return []


async def _statuses(texts: list[str]) -> set[int]:
    """Over HTTP, each text as a person, as a household and in a claim."""
    app = build_app(ADAPTER, EmptyPool(), adapter_log("dancu", io.StringIO()))
    async with TestClient(TestServer(app)) as client:
        found = set()
        for text in texts:
            piece = quote(text.encode("utf-8", "replace"), safe="")
            for path in (f"/v1/persons/{piece}", f"/v1/households/{piece}"):
                async with client.get(URL(path, encoded=True)) as answer:
                    found.add(answer.status)
            async with client.post("/v1/verify", json={"id": text, "full_name": text}) as answer:
                found.add(answer.status)
    return found


@given(st.lists(st.text() | NEARLY | NUMBERS.map(str), min_size=5, max_size=30))
@settings(max_examples=10, deadline=None)
def test_any_text_over_http_is_never_our_fault(texts: list[str]) -> None:
    assert asyncio.run(_statuses(texts)) <= {200, 400, 404, 405, 422}
