"""A dossier that is sent back must say why, in a code of the controlled list, with the legal reference that belongs to the code.

Where the reason stands is the service contract's to say, and so is the condition: the rule applies when the text at `when` is one
of `values` (an outcome `returned`). Some codes stand for a demand that is against the law, a paper that the gateway can supply
(Decree 63/2024): such a return is let through, counted and reported.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from gateway.core.content.finding import GOOD, Finding, Policy
from gateway.core.errors import MalformedMessage
from gateway.core.subjects.pointer import FromPointer
from gateway.core.subjects.view import MessageView


class ReturnCause(Enum):
    """`UNLAWFUL` goes on; every other but `GOOD` is refused."""

    GOOD = GOOD
    UNLAWFUL = "unlawful_demand"
    EMPTY = "empty"
    UNKNOWN = "unknown"
    LEGAL_REFERENCE = "legal_reference"
    UNREADABLE = "unreadable"


_DETAILS: Mapping[ReturnCause, str] = {
    ReturnCause.EMPTY: "A dossier is returned without the code of a reason",
    ReturnCause.UNKNOWN: "A dossier is returned for a reason that is not in the controlled list",
    ReturnCause.LEGAL_REFERENCE: "The legal reference of a return is missing, or not one of its reason",
    ReturnCause.UNREADABLE: "Whether a dossier is returned, and why, cannot be told",
}


@dataclass(frozen=True, slots=True)
class ReturnReason:
    """`legal_references`: codes, one of which a return must give. `unlawful`: demands a paper that is not to be demanded."""

    legal_references: tuple[str, ...]
    unlawful: bool = False


@dataclass(frozen=True, slots=True)
class ReturnRule:
    """`reasons`: by code. `values`: of the text at `when`, for which the rule applies."""

    when: FromPointer
    values: tuple[str, ...]
    code: FromPointer
    legal_reference: FromPointer
    reasons: Mapping[str, ReturnReason]

    def examine(self, body: bytes | None) -> Finding | None:
        """None when this message returns nothing. A code that is not in the list is not kept: it could be anything."""
        view = MessageView({}, None, (), body)
        try:
            if _text(self.when, view) not in self.values:
                return None
            code, reference = _text(self.code, view), _text(self.legal_reference, view)
        except MalformedMessage:
            return _finding(ReturnCause.UNREADABLE, "")
        if not code.strip():
            return _finding(ReturnCause.EMPTY, "")
        reason = self.reasons.get(code)
        if reason is None:
            return _finding(ReturnCause.UNKNOWN, "")
        if reference not in reason.legal_references:
            return _finding(ReturnCause.LEGAL_REFERENCE, code)
        return _finding(ReturnCause.UNLAWFUL if reason.unlawful else ReturnCause.GOOD, code)


def _text(place: FromPointer, view: MessageView) -> str:
    found = place.find(view)
    return "" if not found or found[0] is None else found[0]


def _finding(cause: ReturnCause, code: str) -> Finding:
    refuse = cause not in (ReturnCause.GOOD, ReturnCause.UNLAWFUL)
    return Finding("return", Policy.BLOCK, cause.value, code, refuse, _DETAILS.get(cause, ""))
