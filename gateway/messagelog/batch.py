"""One batch of records, written by one statement in one transaction.

Writing is idempotent: a record is known by (time, uid), which is unique, so a batch whose commit nobody saw is simply written
again. If the first commit happened, or is still happening on a connection we lost, the second insert waits for it, finds the rows
and adds nothing; `written_before` then tells which are there. So nothing is doubled and nothing acknowledged that is not durable.

Each record written waits for its time-stamp from then on (`stamps.py`). A server request also claims (peer server, request id).
What finds its claim taken writes no record.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

import asyncpg

from gateway.core.digest import sha512
from gateway.core.messagelog.record import MessageRecord
from gateway.messagelog.rows import ARRAYS, DIGESTS, NAMES, arrays_of

# Only constants of ours are put together here; values are parameters.
_WRITE = f"""
WITH input AS (
    SELECT * FROM unnest({ARRAYS}, ${DIGESTS}::bytea[]) WITH ORDINALITY AS t ({NAMES}, digest, position)
), claim AS (
    INSERT INTO replay_claim (peer, request_id, seen)
    SELECT peer_server, request_id, time FROM input WHERE decision IS NOT NULL
    ON CONFLICT DO NOTHING
    RETURNING peer, request_id
), record AS (
    INSERT INTO message_record ({NAMES})
    SELECT {NAMES} FROM input
    WHERE decision IS NULL OR (peer_server, request_id) IN (SELECT peer, request_id FROM claim)
    ORDER BY position
    ON CONFLICT DO NOTHING
    RETURNING uid, number
), waiting AS (
    INSERT INTO unstamped_commit (records, times, uids, digests)
    SELECT array_agg(number), array_agg(time), array_agg(uid), string_agg(digest, ''::bytea)
    FROM (SELECT number, time, uid, digest FROM record JOIN input USING (uid) ORDER BY number) AS r HAVING count(*) > 0
)
SELECT uid, number FROM record
"""  # noqa: S608
_FIND = "SELECT uid, number FROM message_record WHERE time = ANY ($1::timestamptz[]) AND uid = ANY ($2::uuid[])"
KEEP_CONFIGURATION = (
    "INSERT INTO globalconf_snapshot (fingerprint, names, contents) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING"
)


async def write_batch(
    connection: asyncpg.Connection, records: Sequence[MessageRecord], configurations: Mapping[str, Mapping[str, bytes]]
) -> dict[UUID, int]:
    """Numbers of the records written, durable on return; missing are those whose claim was taken and those written before.
    `configurations`: files of global configurations (by fingerprint) to keep in the same transaction. No two records may have
    the same claim. Raises DATABASE_ERRORS."""
    arrays = [*arrays_of(records), [sha512(r.signature).value for r in records]]
    if not configurations:  # a single statement is its own transaction, in one round trip
        return _numbers(await connection.fetch(_WRITE, *arrays))
    async with connection.transaction():
        for fingerprint, files in configurations.items():
            await connection.execute(KEEP_CONFIGURATION, fingerprint, list(files), list(files.values()))
        return _numbers(await connection.fetch(_WRITE, *arrays))


async def written_before(connection: asyncpg.Connection, records: Sequence[MessageRecord]) -> dict[UUID, int]:
    """Numbers of those records that are durable. Only meaningful after `write_batch` returned for them."""
    found = await connection.fetch(_FIND, list({r.time for r in records}), [r.uid for r in records])
    return _numbers(found)


def _numbers(rows: Sequence[asyncpg.Record]) -> dict[UUID, int]:
    return {row["uid"]: row["number"] for row in rows}
