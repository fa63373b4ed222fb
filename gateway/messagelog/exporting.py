"""Containers of recorded messages for who asks: information systems (`/asic`) and administrators (`python -m gateway export`)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import IO

import asyncpg

from gateway.core.errors import EvidenceUnavailable
from gateway.core.identifiers import ClientId
from gateway.core.messagelog.container import container_name
from gateway.core.messagelog.record import RecordKind, StoredRecord, UnreadableRecord
from gateway.core.messagelog.remains import own_client_column
from gateway.core.messagelog.stamping import Stamp
from gateway.messagelog.containers import write_container
from gateway.messagelog.keysource import KeySource
from gateway.messagelog.reader import MessageLogReader
from gateway.messagelog.records import own_client, storable
from gateway.messagelog.stamps import stamp_of

NOT_STAMPED = "Message signature has not been timestamped yet!"
SHREDDED = "The message was shredded: its key was destroyed"
DAMAGED = "The message cannot be read: its record is damaged"


@dataclass(frozen=True, slots=True)
class StampedContainer:
    """One message that can be written as a container. `name`: X-Road's file name for it; `time`: of the record."""

    name: str
    time: datetime
    _record: StoredRecord
    _stamp: Stamp
    _reader: MessageLogReader

    async def write(self, out: IO[bytes]) -> None:
        """EvidenceUnavailable when the database does not have what was recorded; `out` is then worthless."""
        record = self._record.record
        body = None if record.body is None else self._reader.body(record.body)
        await write_container(out, record, self._stamp, body)


StampNow = Callable[[int], Awaitable[object]]  # record number; raises when no authority stamps


class ContainerExport:
    """`stamp_now`: time-stamps a record at once. `keys`: None exports only what is not sealed."""

    def __init__(self, pool: asyncpg.Pool, stamp_now: StampNow | None = None, *, keys: KeySource | None = None) -> None:
        self._pool = pool
        self._reader = MessageLogReader(pool, keys)
        self._stamp_now = stamp_now

    async def find(
        self, message_id: str, *, client: ClientId | None = None, kind: RecordKind | None = None, force: bool = False
    ) -> Sequence[StampedContainer]:
        """Every record of this message, in the order of writing; with `client` only those in which it asked or was asked.
        EvidenceUnavailable when one is not time-stamped, and `force` is not given or no authority stamps it now; or when one was
        shredded or is damaged."""
        found = []
        async for stored in self._reader.by_message_id(message_id):
            if _is_wanted(stored, client, kind):
                if isinstance(stored, UnreadableRecord):
                    raise EvidenceUnavailable(SHREDDED if stored.shredded else DAMAGED, code="internal_error")
                found.append(stored)
        found.sort(key=lambda stored: stored.number)
        return [await self._stamped(stored, force) for stored in found]

    async def _stamped(self, stored: StoredRecord, force: bool) -> StampedContainer:
        stamp = await stamp_of(self._pool, stored.number)
        if stamp is None and force and self._stamp_now is not None:
            await self._stamp_now(stored.number)
            stamp = await stamp_of(self._pool, stored.number)
        if stamp is None:
            raise EvidenceUnavailable(NOT_STAMPED, code="internal_error")
        record = stored.record
        name = container_name(record.message_id, record.kind, stored.number)
        return StampedContainer(name, record.time, stored, stamp, self._reader)


def _is_wanted(found: StoredRecord | UnreadableRecord, client: ClientId | None, kind: RecordKind | None) -> bool:
    if isinstance(found, StoredRecord):
        return kind in (None, found.record.kind) and client in (None, own_client(found.record))
    remains = found.remains
    return kind in (None, remains.kind) and (client is None or own_client_column(remains) == storable(str(client)))
