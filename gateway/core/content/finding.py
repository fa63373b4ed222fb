"""What a rule found in one message. Kept in the transaction of the message record; nothing in it is about a person."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Literal, TypeAlias

from gateway.core.documents.revocation import Link

Rule: TypeAlias = Literal["document", "return"]
GOOD = "good"


class Policy(Enum):
    """`observe`: counted; `warn`: the consumer is told in a signed header as well; `block`: refused."""

    OBSERVE = "observe"
    WARN = "warn"
    BLOCK = "block"

    def or_milder(self, other: Policy) -> Policy:
        """The one of the two that stops less."""
        return min(self, other, key=list(Policy).index)


@dataclass(frozen=True, slots=True)
class Finding:
    """`cause`: of a closed list, `good` among them. `subject`: the facility a document names, the reason a return gives; empty when
    that cannot be told. `refuse`: the message must not go on. `detail`: a sentence for the caller, with nothing of the message.
    `wanted`: certificates of whose revocation nothing is known, each with its issuer; for who finds out, and not kept."""

    rule: Rule
    policy: Policy
    cause: str
    subject: str
    refuse: bool
    detail: str = ""
    wanted: tuple[Link, ...] = ()
