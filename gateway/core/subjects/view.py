"""What an extraction rule may look at, and what it gives back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

Found = tuple[str | None, ...]
"""Texts in the order of the message; None for a place that holds nothing (`null`, a key that a list's element lacks)."""


@dataclass(frozen=True, slots=True)
class MessageView:
    """One message. `path`: decoded parameters of the contract's template; `query`: raw, without the question mark; `headers`: as in
    the message part; `body`: the whole body, None when there is none. An answer has no path and no query."""

    path: Mapping[str, str]
    query: str | None
    headers: tuple[tuple[str, str], ...]
    body: bytes | None


class Locator(Protocol):
    """One way to find numbers of persons. Locators are frozen values and compare by what they look for."""

    @property
    def needs_body(self) -> bool:
        """Whether the message's body must be at hand."""

    def find(self, view: MessageView) -> Found:
        """Every text at the place. MalformedMessage when the place cannot be read, or only in two ways."""
