"""A question that a client has for a person (`authorization_details` of the type `consent`, RFC 9396), answered yes or no.

The form of a question has no place for an answer: what a client sends cannot say what is to be assumed.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

_MOST = 4096


class _Words(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    vi: Annotated[str, Field(min_length=1, max_length=600)]
    en: Annotated[str, Field(min_length=1, max_length=600)]


class _Question(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    type: Literal["consent"]
    id: Annotated[str, Field(pattern=r"^[0-9a-f-]{36}$")]
    dossier: Annotated[str, Field(max_length=40)]
    role: Annotated[str, Field(max_length=40)]
    question: _Words
    expires: Annotated[str, Field(max_length=40)]


_ONE: TypeAdapter[list[_Question]] = TypeAdapter(Annotated[list[_Question], Field(min_length=1, max_length=1)])


def parse_question(text: str) -> dict[str, Any]:
    """The one question in the parameter; HTTP 400 for anything else."""
    if len(text) > _MOST:
        raise web.HTTPBadRequest(text="authorization_details is too long\n")
    try:
        (question,) = _ONE.validate_python(json.loads(text))
    except (ValidationError, ValueError, RecursionError) as e:
        raise web.HTTPBadRequest(text="authorization_details is one question of the type consent\n") from e
    return question.model_dump()
