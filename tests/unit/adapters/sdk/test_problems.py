import json

import pytest

from adapters.sdk.problems import FieldProblem, InvalidIdentifier, MalformedCall, NotFound, Problem, SourceUnavailable


@pytest.mark.parametrize(
    ("problem", "status", "code", "title"),
    [
        (MalformedCall("x"), 400, "malformed_request", "Bad Request"),
        (NotFound("x"), 404, "not_found", "Not Found"),
        (SourceUnavailable(), 503, "source_unavailable", "Service Unavailable"),
        (Problem("x"), 500, "internal_error", "Internal Server Error"),
        (Problem("x", status=413, code="body_too_large"), 413, "body_too_large", None),
        (InvalidIdentifier("x"), 422, "invalid_identifier", None),  # titles of 413 and 422 differ between versions
    ],
)
def test_body(problem: Problem, status: int, code: str, title: str | None) -> None:
    members = json.loads(problem.body("c-1"))
    assert members.keys() == {"title", "status", "detail", "code", "correlation_id"}
    assert (members["status"], members["code"], members["correlation_id"]) == (status, code, "c-1")
    assert title in (None, members["title"])


def test_each_fault_has_a_pointer() -> None:
    problem = MalformedCall("sai", errors=[FieldProblem("/day", "not a date")])
    assert json.loads(problem.body("c"))["errors"] == [{"pointer": "/day", "detail": "not a date"}]


def test_waiting_is_told() -> None:
    assert SourceUnavailable().headers == {"Retry-After": "5"}
