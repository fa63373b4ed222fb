"""Which rules the endpoints of a service have, and all of them against one message."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from gateway.core.content.document import DocumentRule
from gateway.core.content.finding import Finding
from gateway.core.content.returns import ReturnRule
from gateway.core.disclosure.contract import PathTemplate
from gateway.core.documents.revocation import KnownRevocations

MOST_RETURN_BYTES = 1 << 20
"""A message that may return a dossier is read as a whole; a larger one is refused."""


@dataclass(frozen=True, slots=True)
class EndpointRules:
    """One endpoint of a contract, with or without rules."""

    method: str
    template: PathTemplate
    document: DocumentRule | None = None
    returned: ReturnRule | None = None

    @property
    def most_bytes(self) -> int:
        """Bodies above this need not be read: each rule refuses them by their size."""
        document = 0 if self.document is None else self.document.most_bytes
        return max(document, 0 if self.returned is None else MOST_RETURN_BYTES)

    def examine(self, body: bytes | None, size: int, at: datetime, known: KnownRevocations) -> tuple[Finding, ...]:
        """`body`: None when there is none, or `size` is above `most_bytes`. `known`: of revocations, at `at`."""
        found: list[Finding] = []
        if self.document is not None:
            small = size <= self.document.most_bytes
            found.append(self.document.examine(body, at, known) if small else self.document.too_large())
        if self.returned is not None:
            returned = self.returned.examine(body if size <= MOST_RETURN_BYTES else None)
            found += () if returned is None else (returned,)
        return tuple(found)


@dataclass(frozen=True, slots=True)
class ContentRules:
    """`endpoints`: every endpoint of the contract, made by `content_rules`, in the order in which they are asked."""

    endpoints: tuple[EndpointRules, ...]

    def find(self, method: str, segments: tuple[str, ...]) -> EndpointRules | None:
        """None: the contract knows no such endpoint, so that nobody knows its rules either."""
        matching = (e for e in self.endpoints if e.method == method and e.template.match(segments) is not None)
        return next(matching, None)


def content_rules(endpoints: tuple[EndpointRules, ...]) -> ContentRules | None:
    """In the order of `core/disclosure/contract.py`; None when no endpoint has a rule."""
    if not any(e.document or e.returned for e in endpoints):
        return None
    return ContentRules(tuple(sorted(endpoints, key=lambda e: e.template.openness)))
