"""What browsers and programs send the portal: form bodies, JSON, numbers of records. A value, or MalformedMessage."""

from __future__ import annotations

import json
from collections.abc import Mapping
from urllib.parse import parse_qsl

from gateway.citizen.records import MOST_ON_A_PAGE
from gateway.core.errors import MalformedMessage

_LIMIT = 20
_MOST_FIELDS = 20
_NO_DATABASE_KEEPS = ("\0", *map(chr, range(0xD800, 0xE000)))  # NUL; halves of surrogate pairs, which JSON can carry


def parse_form(body: bytes) -> Mapping[str, str]:
    """`application/x-www-form-urlencoded`, UTF-8, as browsers send our own forms: each field once."""
    try:
        text = body.decode("ascii")
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=_MOST_FIELDS)
    except ValueError as e:
        raise MalformedMessage("not a form") from e
    found = dict(pairs)
    if len(found) != len(pairs):
        raise MalformedMessage("a field stands twice in the form")
    return found


def parse_object(body: bytes) -> Mapping[str, str]:
    """A JSON object of texts."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError) as e:
        raise MalformedMessage("not JSON") from e
    if not isinstance(found, dict) or not all(isinstance(v, str) for v in found.values()):
        raise MalformedMessage("not an object of texts")
    return found


def parse_limit(text: str | None) -> int:
    """How many records at once; None: the usual number."""
    if text is None:
        return _LIMIT
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:6]) <= MOST_ON_A_PAGE:
        raise MalformedMessage("not a number of records")
    return int(text)


def is_storable(text: str) -> bool:
    return not any(c in text for c in _NO_DATABASE_KEEPS)
