"""Fresh random UUIDs, of the database driver's own kind: a `uuid.UUID` that is made, compared and written in C. Every exchange
makes half a dozen."""

from __future__ import annotations

import os
from uuid import UUID

from asyncpg.pgproto import pgproto


def new_uuid() -> UUID:
    """Version 4 (RFC 9562, 5.4), from the operating system's randomness."""
    octets = bytearray(os.urandom(16))
    octets[6] = octets[6] & 0x0F | 0x40
    octets[8] = octets[8] & 0x3F | 0x80
    made: UUID = pgproto.UUID(bytes(octets))
    return made
