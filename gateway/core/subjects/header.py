"""A header of the message part. Every occurrence counts, as in a query."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.core.subjects.view import Found, MessageView


@dataclass(frozen=True, slots=True)
class FromHeader:
    """`name`: in any case."""

    name: str

    @property
    def needs_body(self) -> bool:
        return False

    def find(self, view: MessageView) -> Found:
        wanted = self.name.lower()
        return tuple(value.strip(" \t") for name, value in view.headers if name.lower() == wanted)
