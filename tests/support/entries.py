"""Access entries as they stand in a log, opened."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import asyncpg

from gateway.core.disclosure.leaf import AccessEntry
from gateway.messagelog.accesskeys import AccessKeyStore
from gateway.messagelog.keysource import KeySource
from gateway.storage.accessrecords import nothing_sealed, open_row


@dataclass(frozen=True, slots=True)
class StoredEntry:
    """A durable entry. `number`: its place in the series of `server`, which has no gaps; `message_number`: the request's record."""

    server: str
    number: int
    message_number: int
    entry: AccessEntry


async def stored_entries(pool: asyncpg.Pool, source: KeySource | None) -> Sequence[StoredEntry]:
    """In the order of their numbers."""
    keys = await (nothing_sealed if source is None else AccessKeyStore(pool, source).current)()
    found = []
    for row in await pool.fetch("SELECT * FROM access_record ORDER BY number"):
        opened = open_row(row, keys)
        entry = AccessEntry(opened.person, opened.fields, row["time"], opened.seed, row["leaf"])
        found.append(StoredEntry(row["server"], row["number"], row["message_number"], entry))
    return found
