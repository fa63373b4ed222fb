"""A parameter of the query. Every occurrence counts: which one a service would take, we do not know."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from gateway.core.errors import MalformedMessage
from gateway.core.subjects.view import Found, MessageView


@dataclass(frozen=True, slots=True)
class FromQuery:
    """`name`: decoded, exact."""

    name: str

    @property
    def needs_body(self) -> bool:
        return False

    def find(self, view: MessageView) -> Found:
        # `;` parted parameters once (HTML 4) and does in some frameworks: both readings must name the same persons.
        ways = {_values(view.query or "", self.name, separator) for separator in ("&", "[&;]")}
        if len(ways) != 1:
            raise MalformedMessage("the query can be read in two ways")
        return ways.pop()


def _values(query: str, name: str, separator: str) -> tuple[str, ...]:
    pairs = (piece.partition("=") for piece in re.split(separator, query) if piece)
    return tuple(_decode(value) for key, _, value in pairs if _decode(key) == name)


def _decode(text: str) -> str:
    try:
        return unquote_to_bytes(text.replace("+", " ")).decode("utf-8")
    except UnicodeDecodeError as e:
        raise MalformedMessage("the query is not UTF-8") from e
