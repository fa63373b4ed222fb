"""A parameter of the path: `{id}` in the contract's template."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.core.subjects.view import Found, MessageView


@dataclass(frozen=True, slots=True)
class FromPath:
    """`name` stands in braces in the template of the endpoint; settings make sure of that."""

    name: str

    @property
    def needs_body(self) -> bool:
        return False

    def find(self, view: MessageView) -> Found:
        return (view.path[self.name],) if self.name in view.path else ()
