"""An in-memory public log for tests: the DisclosureLog port, with an outbox that a test can fill and close."""

from __future__ import annotations

from gateway.core.disclosure.contract import Sensitivity
from gateway.core.disclosure.promise import Promise
from gateway.core.errors import EvidenceUnavailable
from gateway.exchange.states import DisclosedReply, RecordedAnswer

ORIGIN = "tlog.vn.example/access/2026"


class MemoryDisclosure:
    """`full`: the sensitivities of calls for which there is no room. `released`: what was promised, in order."""

    provider = 1
    official_key = bytes(range(32))

    def __init__(self) -> None:
        self.full: set[Sensitivity] = set()
        self.released: list[DisclosedReply] = []

    def ensure_room(self, sensitivity: Sensitivity) -> None:
        if sensitivity in self.full:
            raise EvidenceUnavailable("too far behind")

    async def release(self, answer: RecordedAnswer) -> DisclosedReply:
        leaves = tuple(entry.leaf_hash for entry in answer.entries)
        self.released.append(DisclosedReply(answer, Promise(ORIGIN, leaves) if leaves else None))
        return self.released[-1]
