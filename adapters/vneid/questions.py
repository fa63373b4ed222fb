"""A question that a client has for a person (`authorization_details` of the type `consent`, RFC 9396), answered yes or no.

The form of a question has no place for an answer: what a client sends cannot say what is to be assumed. It says when the question
expires and what happens then, which the person reads before and after; an expired question has no answer any more.
"""

from __future__ import annotations

import json
from typing import Annotated, Literal

from aiohttp import web
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from adapters.people import VIETNAM

_MOST = 4096


class _Words(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    vi: Annotated[str, Field(min_length=1, max_length=600)]
    en: Annotated[str, Field(min_length=1, max_length=600)]


class Question(BaseModel):
    """`unanswered`: what happens when the question expires. Never that silence is a yes: who answers nothing has said nothing."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    type: Literal["consent"]
    id: Annotated[str, Field(pattern=r"^[0-9a-f-]{36}$")]
    dossier: Annotated[str, Field(max_length=40)]
    role: Annotated[str, Field(max_length=40)]
    question: _Words
    expires: AwareDatetime
    unanswered: _Words


_ONE: TypeAdapter[list[Question]] = TypeAdapter(Annotated[list[Question], Field(min_length=1, max_length=1)])


def parse_question(text: str) -> Question:
    """The one question in the parameter; HTTP 400 for anything else."""
    if len(text) > _MOST:
        raise web.HTTPBadRequest(text="authorization_details is too long\n")
    try:
        (question,) = _ONE.validate_python(json.loads(text))
        question.expires.astimezone(VIETNAM)
    except (ValidationError, ValueError, OverflowError, RecursionError) as e:
        raise web.HTTPBadRequest(text="authorization_details is one question of the type consent\n") from e
    return question
