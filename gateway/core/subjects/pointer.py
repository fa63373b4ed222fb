"""A JSON pointer into the body (RFC 6901), in which `*` stands for every element of a list: `/members/*/id`.

The document must have one reading: UTF-8, no key twice in an object (services take the first or the last), no `NaN`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NoReturn

from gateway.core.errors import MalformedMessage
from gateway.core.subjects.view import Found, MessageView

_POINTER = re.compile(r"(?:/(?:[^/~]|~[01])*)+")


@dataclass(frozen=True, slots=True)
class FromPointer:
    """ValueError for a text that is no pointer. The whole document (the empty pointer) is no place of a number."""

    pointer: str

    def __post_init__(self) -> None:
        if not _POINTER.fullmatch(self.pointer):
            raise ValueError(f"{self.pointer!r} is not a JSON pointer such as /id or /members/*/id")

    @property
    def needs_body(self) -> bool:
        return True

    def find(self, view: MessageView) -> Found:
        tokens = [t.replace("~1", "/").replace("~0", "~") for t in self.pointer[1:].split("/")]
        return tuple(_texts(_parse(view.body), tokens))


def _parse(body: bytes | None) -> Any:
    if body is None:
        raise MalformedMessage("there is no body")
    try:
        return json.loads(body.decode("utf-8"), object_pairs_hook=_object, parse_constant=_no_constant)
    except (ValueError, RecursionError) as e:
        raise MalformedMessage("the body is not JSON with one reading") from e


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice")
    return found


def _no_constant(name: str) -> NoReturn:
    raise ValueError("not a JSON number")


def _texts(value: Any, tokens: list[str]) -> Iterator[str | None]:
    if not tokens:
        if value is not None and not isinstance(value, str):
            raise MalformedMessage("the place of a person's number holds no text")
        yield value
        return
    token, rest = tokens[0], tokens[1:]
    if token == "*":  # noqa: S105 - a step of the pointer
        if not isinstance(value, list):
            raise MalformedMessage("the place of a list holds none")
        for element in value:
            yield from _texts(element, rest)
    elif isinstance(value, dict):
        yield from _texts(value.get(token), rest) if token in value else (None,)
    elif isinstance(value, list) and re.fullmatch(r"0|[1-9][0-9]{0,8}", token):
        yield from _texts(value[int(token)], rest) if int(token) < len(value) else (None,)
    elif value is None:
        yield None
    else:
        raise MalformedMessage("the place of an object holds none")
