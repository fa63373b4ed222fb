"""What an adapter says when it cannot answer: one family, one form (RFC 9457 `application/problem+json`).

Problem
├── MalformedCall          400  the call is not what the document describes
├── NotFound               404  no such record
├── Conflict               409  what is to be done was done already, or contradicts what is recorded
├── InvalidIdentifier      422  a well-formed call about an identifier that cannot exist
├── Refused                422  a well-formed call that a rule of the agency forbids
└── SourceUnavailable      503  the database does not answer; worth trying again

Texts never repeat what the caller sent: a refused value can be somebody's identifier, and texts get copied into logs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import ClassVar

CONTENT_TYPE = "application/problem+json"


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """`pointer`: JSON pointer into the body, or the name of a parameter."""

    pointer: str
    detail: str


class Problem(Exception):
    """`code`: snake_case, stable, for programs; `detail`: a sentence in Vietnamese and English, for people."""

    default_status: ClassVar[int] = 500
    default_code: ClassVar[str] = "internal_error"

    def __init__(
        self,
        detail: str,
        *,
        status: int | None = None,
        code: str | None = None,
        errors: Sequence[FieldProblem] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.status = status or self.default_status
        self.code = code or self.default_code
        self.detail = detail
        self.errors = tuple(errors)
        self.headers = dict(headers or {})
        super().__init__(f"{self.code}: {detail}")

    def body(self, correlation_id: str) -> bytes:
        """The JSON document. No `type`: RFC 9457 reads its absence as `about:blank`, for which the title is the status'."""
        members: dict[str, object] = {
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
            "correlation_id": correlation_id,
        }
        if self.errors:
            members["errors"] = [{"pointer": e.pointer, "detail": e.detail} for e in self.errors]
        return json.dumps(members, ensure_ascii=False).encode()


class MalformedCall(Problem):
    default_status = 400
    default_code = "malformed_request"


class NotFound(Problem):
    default_status = 404
    default_code = "not_found"


class Conflict(Problem):
    default_status = 409
    default_code = "conflict"


class InvalidIdentifier(Problem):
    default_status = 422
    default_code = "invalid_identifier"


class Refused(Problem):
    default_status = 422
    default_code = "refused"


class SourceUnavailable(Problem):
    default_status = 503
    default_code = "source_unavailable"

    def __init__(self) -> None:
        super().__init__(
            "Cơ sở dữ liệu tạm thời không trả lời, xin thử lại (the database does not answer, try again)",
            headers={"Retry-After": "5"},
        )
