"""Promises of access records, found in recorded responses, and the evidence for one that is broken.

    response recorded --stamped: its commit is handed on, in one transaction--> to be looked through
    to be looked through --its promises noted, the commit forgotten, in one transaction--> noted

If we crash anywhere, the commit is looked through again and nothing is noted twice. Nothing here is on the path of an exchange.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from datetime import datetime
from typing import TypeAlias
from uuid import UUID

import asyncpg

from gateway.core.disclosure.promise import PROMISE_HEADER, promise_of
from gateway.core.disclosure.promiseproof import SignedPromise
from gateway.core.errors import MalformedMessage
from gateway.core.messagelog.record import StoredRecord, UnreadableRecord
from gateway.core.messages.rest import parse_response
from gateway.messagelog.keysource import KeySource
from gateway.messagelog.reader import MessageLogReader

_MOST_COMMITS = 16
_AT_ONCE = 64  # records between which exchanges have their turn
_Row: TypeAlias = tuple[datetime, UUID, str, str, bytes]
_NAME = PROMISE_HEADER.lower().encode()

_log = logging.getLogger(__name__)

_TAKE = f"""
DELETE FROM stamped_commit WHERE number IN (SELECT number FROM stamped_commit ORDER BY number LIMIT {_MOST_COMMITS})
RETURNING times, uids
"""  # noqa: S608 - a constant of ours
_ASKED = """
SELECT q.time FROM message_record AS r JOIN message_record AS q USING (request_id)
WHERE r.time = $1 AND r.uid = $2 AND q.side = r.side AND q.kind = 'request' ORDER BY q.number LIMIT 1
"""
_NOTE = "INSERT INTO promise (time, uid, service, origin, leaf) VALUES ($1, $2, $3, $4, $5)"


class RecordedPromises:
    """The PromiseEvidence of the message log. `keys`: None when nothing in it is sealed."""

    def __init__(self, pool: asyncpg.Pool, keys: KeySource | None) -> None:
        self._pool = pool
        self._reader = MessageLogReader(pool, keys)

    async def note(self) -> bool:
        """Note the promises of some commits; whether there may be more. DATABASE_ERRORS, EvidenceUnavailable."""
        async with self._pool.acquire() as connection, connection.transaction():
            commits = await connection.fetch(_TAKE)
            if not commits:
                return False
            times, uids = ([key for c in commits for key in c[name]] for name in ("times", "uids"))
            found: list[_Row] = []
            for at in range(0, len(times), _AT_ONCE):
                some = slice(at, at + _AT_ONCE)
                for stored in await self._reader.responses(times[some], uids[some]):
                    found += _promised(stored)
                await asyncio.sleep(0)
            await connection.executemany(_NOTE, found)
            return len(commits) == _MOST_COMMITS

    async def asked(self, key: tuple[datetime, UUID]) -> datetime | None:
        """When the request was recorded that the response with this time and uid answers; None when it is not there any more."""
        found: datetime | None = await self._pool.fetchval(_ASKED, *key)
        return found

    async def signed(self, key: tuple[datetime, UUID]) -> SignedPromise | None:
        """The response with this time and uid as it was signed and stamped; None when it cannot be read any more."""
        stored = await self._reader.record(key)
        if not isinstance(stored, StoredRecord):
            return None
        stamp, record = await self._reader.time_stamp(stored.number), stored.record
        if stamp is None:
            return None
        body = None if record.body is None else record.body.digest
        chain = (record.hash_chain_result, record.hash_chain)
        return SignedPromise(record.part, body, record.signature, *chain, stamp.stamp)


def _promised(stored: StoredRecord | UnreadableRecord) -> Sequence[_Row]:
    """Nothing of a record that is damaged or was shredded: it holds no promise that could be proven."""
    if not isinstance(stored, StoredRecord) or _NAME not in stored.record.part.lower():
        return ()
    record = stored.record
    try:
        promise = promise_of(parse_response(record.part).headers)
    except MalformedMessage:  # promises nothing that anybody could check: as if the header were not there
        _log.warning("a provider's promise of access records cannot be read")
        return ()
    if promise is None:
        return ()
    return [(record.time, record.uid, record.service, promise.origin, leaf) for leaf in promise.leaves]
