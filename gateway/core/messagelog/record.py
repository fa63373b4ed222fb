"""One message record (reference 6.1): the exact bytes that were signed, and what is needed to find and judge them again.

Four kinds, one for each point at which a message leaves or is believed: (client | server) x (request | response).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias
from uuid import UUID

from gateway.core.digest import Digest
from gateway.core.values import quick

RecordSide: TypeAlias = Literal["client", "server"]
RecordKind: TypeAlias = Literal["request", "response"]

GRANTED = "granted"


def refused(code: str) -> str:
    """`decision` of a server request that was not served: the X-Road code the consumer was told."""
    return f"refused:{code}"


@quick
@dataclass(frozen=True, slots=True)
class RecordedBody:
    """A body part, which may be empty. Its bytes are `inline`, or stored in pieces under `pieces_id`; exactly one is set.
    `digest` is SHA-512 as the signature covers it. `pieces_sealed_by`: the data key under which each piece is sealed."""

    size: int
    digest: Digest
    inline: bytes | None
    pieces_id: UUID | None
    pieces_sealed_by: UUID | None = None


@quick
@dataclass(frozen=True, slots=True)
class MessageRecord:
    """`uid` is made by the writer: writing the same record twice leaves one. `time`: the moment (UTC) at which the certificates
    were judged, by the global configuration `conf_fingerprint`. Identifiers are in their readable form. `peer_server`: the
    client's security server, on the server's side. `decision`: of server requests only. `request_number`: number of the request's
    record, of responses only. `sealed_by`: the data key under which `part` and the inline body are sealed (`core/sealing`); None:
    they are the message's own bytes."""

    uid: UUID
    time: datetime
    side: RecordSide
    kind: RecordKind
    message_id: str
    request_id: str
    client: str
    service: str
    peer_server: str | None
    decision: str | None
    request_number: int | None
    part: bytes
    signature: bytes
    hash_chain_result: bytes | None
    hash_chain: bytes | None
    body: RecordedBody | None
    conf_fingerprint: str
    sealed_by: UUID | None = None

    @property
    def claim(self) -> tuple[str, str] | None:
        """(peer server, request id) that a server request uses up: it is accepted once."""
        if self.decision is None or self.peer_server is None:
            return None
        return self.peer_server, self.request_id

    @property
    def size(self) -> int:
        """Bytes of evidence in the record itself."""
        chain = len(self.hash_chain_result or b"") + len(self.hash_chain or b"")
        body = len(self.body.inline or b"") if self.body else 0
        return len(self.part) + len(self.signature) + chain + body


@dataclass(frozen=True, slots=True)
class StoredRecord:
    """A durable record, readable. `number` grows in the order of writing."""

    number: int
    record: MessageRecord


@dataclass(frozen=True, slots=True)
class UnreadableRecord:
    """A durable record of which the message part and the body cannot be read: `why`, in words. `shredded`: because their data key
    was destroyed on purpose; otherwise they are damaged. `remains`: everything else, its part and inline body are empty, and so is
    its signature when that is what is damaged."""

    number: int
    remains: MessageRecord
    why: str
    shredded: bool
