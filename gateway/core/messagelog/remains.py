"""What a record still says about a message whose part and body were shredded: the digests in its signature, and its clear columns.

The signature verifies over these digests as it did over the message; that they are the digests of what was once here, only the
signer's word says.
"""

from __future__ import annotations

from gateway.core.digest import Digest
from gateway.core.errors import MalformedMessage
from gateway.core.identifiers import ClientId, MemberId, SubsystemId, check_piece
from gateway.core.messagelog.record import MessageRecord
from gateway.core.signing.hashchain import part_names, written_digests
from gateway.core.signing.verify import MessageDigests
from gateway.core.signing.xades import parse_signature


def remaining_digests(record: MessageRecord) -> MessageDigests:
    """The message's as it was signed, the body's as it was recorded. MalformedMessage when the signature names none."""
    name, *_ = part_names(0)
    if record.hash_chain is not None:
        signed = written_digests(record.hash_chain)
    else:
        signed = {r.uri: r.digest for r in parse_signature(record.signature).references}
    message: Digest | None = signed.get(name)
    if message is None:
        raise MalformedMessage("the signature names no digest of the message")
    return MessageDigests(message, () if record.body is None else (record.body.digest,))


def own_client_column(record: MessageRecord) -> str:
    """Our client in a recorded message, by the clear columns: who asked on the client's side, whose service was asked on the
    server's."""
    return record.client if record.side == "client" else record.service.rpartition("/")[0]


def remaining_signer(record: MessageRecord) -> ClientId:
    """Who is to have signed, by the record's clear columns. MalformedMessage when they name nobody."""
    text = record.client if record.kind == "request" else record.service.rpartition("/")[0]
    pieces = [check_piece(piece) for piece in text.split("/")]
    if len(pieces) == 4:
        return SubsystemId(*pieces)
    if len(pieces) == 3:
        return MemberId(*pieces)
    raise MalformedMessage("the record names no client")
