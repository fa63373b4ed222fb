"""Fresh random UUIDs, of the database driver's own kind: a `uuid.UUID` that is made, compared and written in C. Every exchange
makes half a dozen, so they are made some at a time: asking the system for randomness costs more than all the rest."""

from __future__ import annotations

import os
from uuid import UUID

from asyncpg.pgproto import pgproto

_AT_ONCE = 64
_VERSION = bytes(octet & 0x0F | 0x40 for octet in range(256))
_VARIANT = bytes(octet & 0x3F | 0x80 for octet in range(256))

_made: list[UUID] = []
os.register_at_fork(after_in_child=_made.clear)  # or two processes would give the same ones


def new_uuid() -> UUID:
    """Version 4 (RFC 9562, 5.4), from the operating system's randomness. Never the same one twice, in threads too."""
    while True:
        try:
            return _made.pop()
        except IndexError:
            _made.extend(_fresh())


def _fresh() -> list[UUID]:
    octets = bytearray(os.urandom(16 * _AT_ONCE))
    octets[6::16] = octets[6::16].translate(_VERSION)
    octets[8::16] = octets[8::16].translate(_VARIANT)
    return [pgproto.UUID(bytes(octets[at : at + 16])) for at in range(0, len(octets), 16)]
