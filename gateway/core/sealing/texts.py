"""Texts that stand beside the message log and say what its messages say: sealed under the same data keys, and shredded with them.

Each envelope is bound to its key, to what it is and to its row, so that no two texts can be exchanged.
"""

from __future__ import annotations

from uuid import UUID

from gateway.core.errors import MalformedMessage
from gateway.core.sealing.envelope import seal, unseal
from gateway.core.sealing.keys import DataKey


def seal_text(text: str, what: str, id: UUID, key: DataKey, nonce: bytes) -> bytes:
    """`what`: a word for this kind of text; `id`: of its row; `nonce`: 12 bytes that were never used with this key."""
    return seal(key.cipher, text.encode(), _place(what, id, key), nonce)


def unseal_text(envelope: bytes, what: str, id: UUID, key: DataKey) -> str:
    """MalformedMessage when it is not what `seal_text` made with this key for this place."""
    plain = unseal(key.cipher, envelope, _place(what, id, key))
    try:
        return plain.decode()
    except UnicodeDecodeError as e:
        raise MalformedMessage("a sealed text is not in UTF-8") from e


def _place(what: str, id: UUID, key: DataKey) -> bytes:
    return b"text\0" + what.encode() + b"\0" + id.bytes + key.id.bytes
