"""What the log asks of the rest of the world."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, Protocol

from gateway.core.errors import GatewayError
from gateway.core.merkle.keys import VerifierKey
from gateway.core.merkle.note import NoteSignature

Step = Literal["locked", "signed", "staged", "committed", "tiles", "witnessed", "published"]
"""The sequencer's and publisher's steps, named when they are done."""


class NoteSigner(Protocol):
    @property
    def verifier(self) -> VerifierKey: ...

    def sign(self, text: bytes, at: int) -> NoteSignature:
        """The line over the checkpoint in `text`; `at`: POSIX time. KeyTokenError when it cannot."""


OnStep = Callable[[Step], None]
"""Called when a step is done. Whatever it raises ends the work as a crash at that point would."""


class LeadLost(GatewayError):
    """Another process leads this shard now."""

    default_code = "logging_failed"


class LogFrozen(GatewayError):
    """This shard must not publish any more; `why` for operators. Nothing heals it by itself."""

    default_code = "logging_failed"

    def __init__(self, why: str, evidence: tuple[tuple[str, bytes], ...] = ()) -> None:
        self.why = why
        self.evidence = evidence
        super().__init__(why)
