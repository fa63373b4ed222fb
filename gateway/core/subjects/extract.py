"""All rules of a contract against one message: the persons it is about, each once, in the order found."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from gateway.core.errors import MalformedMessage
from gateway.core.subjects.kinds import Person, person
from gateway.core.subjects.view import Locator, MessageView

MOST_PERSONS = 100
"""Up to this many persons of one message have a record each (Estonia's tracker draws the line there too)."""


@dataclass(frozen=True, slots=True)
class SubjectRule:
    """`kind`: a key of `kinds.KINDS`; `in_answer`: the number stands in the service's answer; `optional`: it may be missing."""

    locator: Locator
    kind: str
    in_answer: bool = False
    optional: bool = False


def persons_in(rules: Iterable[SubjectRule], view: MessageView) -> tuple[Person, ...]:
    """MalformedMessage when a rule that is not optional finds nobody, or there are more than MOST_PERSONS."""
    found: dict[Person, None] = {}
    for rule in rules:
        texts = rule.locator.find(view)
        if not rule.optional and (not texts or None in texts):
            raise MalformedMessage("the message does not name the person it is about where the service contract says")
        found |= {person(rule.kind, text): None for text in texts if text is not None}
    if len(found) > MOST_PERSONS:
        raise MalformedMessage(f"the message is about more than {MOST_PERSONS} persons")
    return tuple(found)
