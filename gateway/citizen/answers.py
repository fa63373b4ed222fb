"""What an agency's server says of inquiries that were answered: JSON of another party, so read strictly and within limits.

{"answers": [{"number", "inquiry", "person": {...}, "time", "words"}, ...]}
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from gateway.core.errors import MalformedMessage

MOST_BYTES = 1 << 20
MOST_WORDS = 8000
_MOST_NUMBER = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Answer:
    """`number`: place among the answers of that server, ascending; `time`: as the agency says."""

    number: int
    inquiry: UUID
    time: datetime
    words: str = field(repr=False)


def parse_answers(body: bytes) -> tuple[Answer, ...]:
    """MalformedMessage for anything else."""
    try:
        found = json.loads(body.decode("utf-8"))
        return tuple(_answer(value) for value in found["answers"])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError) as e:
        raise MalformedMessage("not a list of answers") from e


def _answer(value: Any) -> Answer:
    number, words, time = value["number"], value["words"], value["time"]
    if type(number) is not int or not 0 < number <= _MOST_NUMBER:
        raise ValueError("an answer has a number")
    if not isinstance(words, str) or not 0 < len(words) <= MOST_WORDS or "\0" in words:
        raise ValueError("an answer has words")
    words.encode()  # ValueError for half of a surrogate pair, which no database keeps
    moment = datetime.fromisoformat(time)
    if moment.tzinfo is None:
        raise ValueError("a time has a zone")
    return Answer(number, UUID(value["inquiry"]), moment.astimezone(UTC), words)
