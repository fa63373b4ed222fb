"""A citizen's inquiry as a portal delivers it: JSON of another party. Any bytes give a value or MalformedMessage."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from gateway.core.errors import MalformedMessage

MOST_BYTES = 64 * 1024
KINDS = ("why", "complain", "correct")
_TEXTS = {"id", "kind", "reason", "words", "filed", "due", "asked_by"}
_PERSON = {"kind", "number"}
_RECORD = {
    *("record", "time", "consumer", "service", "purpose", "legal_basis", "case", "request_hash", "leaf_hash"),
}


@dataclass(frozen=True, slots=True)
class DeliveredInquiry:
    """`person`: whom it is about; `consumer`, `service`: the access that it is about; `content`: the JSON as it came."""

    id: UUID
    due: datetime
    person: str = field(repr=False)
    consumer: str
    service: str
    content: str = field(repr=False)

    def concerns(self, client: str) -> bool:
        """The agency that asked for the data, or the one that holds them."""
        return client in (self.consumer, self.service.rpartition("/")[0])


def parse_inquiry(body: bytes) -> DeliveredInquiry:
    """MalformedMessage for anything else: a text missing or too much, a time without zone, an unknown kind."""
    if len(body) > MOST_BYTES:
        raise MalformedMessage("an inquiry of more than 64 KiB")
    try:
        content = body.decode("utf-8")
        value = json.loads(content)
        if not isinstance(value, dict) or value.keys() != {*_TEXTS, "person", "record"}:
            raise ValueError("not the members of an inquiry")
        texts, person = _texts({k: value[k] for k in _TEXTS}, _TEXTS), _texts(value["person"], _PERSON)
        record = _texts(value["record"], _RECORD)
        due = datetime.fromisoformat(texts["due"])
        if texts["kind"] not in KINDS or due.tzinfo is None or "\0" in content:
            raise ValueError("not an inquiry")
        id_, when = UUID(texts["id"]), due.astimezone(UTC)
    except (ValueError, RecursionError, OverflowError) as e:
        raise MalformedMessage("the body is not an inquiry") from e
    return DeliveredInquiry(id_, when, person["number"], record["consumer"], record["service"], content)


def _texts(value: Any, keys: set[str]) -> Mapping[str, str]:
    if not isinstance(value, dict) or value.keys() != keys or not all(isinstance(v, str) for v in value.values()):
        raise ValueError("not an object of these texts")
    for text in value.values():
        if "\0" in text:
            raise ValueError("a text with NUL")
        text.encode()  # ValueError for half of a surrogate pair, which nobody can print
    return value
