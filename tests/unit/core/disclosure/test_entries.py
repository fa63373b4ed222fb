"""Entries of an exchange are made once, when somebody looks at them."""

from __future__ import annotations

import pytest

from gateway.core.disclosure.entries import Entries
from gateway.core.disclosure.leaf import AccessEntry
from gateway.core.errors import MalformedMessage
from tests.support.log_states import access_entries


def test_they_are_made_when_the_first_is_looked_at_and_only_once() -> None:
    made: list[tuple[AccessEntry, ...]] = []

    def make() -> tuple[AccessEntry, ...]:
        made.append(access_entries("999300000017", "999204000058"))
        return made[-1]

    entries = Entries(2, make)
    assert (len(entries), bool(entries), made) == (2, True, [])
    assert "999300000017" not in repr(entries)
    assert [*entries] == [entries[0], entries[1]] == [*entries[:]] == [*made[0]]
    assert len(made) == 1


def test_what_making_raises_is_raised_to_whoever_looks() -> None:
    def make() -> tuple[AccessEntry, ...]:
        raise MalformedMessage("no such text")

    entries = Entries(1, make)
    for _ in range(2):
        with pytest.raises(MalformedMessage, match="no such text"):
            list(entries)
