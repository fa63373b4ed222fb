"""One batch of records, written by one statement in one transaction.

Writing is idempotent: a record is known by (time, uid), which is unique, so a batch whose commit nobody saw is simply written
again. If the first commit happened, or is still happening on a connection we lost, the second insert waits for it, finds the rows
and adds nothing; `written_before` then tells which are there. So nothing is doubled and nothing acknowledged that is not durable.

Each record written waits for its time-stamp from then on (`stamps.py`). A server request also claims (peer server, request id).
What finds its claim taken writes no record.

Access entries belong to a record of the batch and are written exactly when it is, or to one that is durable already; then they are
known by their record id. Only what is written takes a number, so the series has no gap: numbers come from a function, which sees
the series as it is now and holds its row until the commit, and the statement writes every number it took or nothing at all.

Findings on a request's content are written exactly when its record is. Frames of signatures and global configurations that records
name are written in their transaction, or are durable already (`frames.py`).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias
from uuid import UUID

import asyncpg

from gateway.core.messagelog.record import MessageRecord
from gateway.core.values import quick
from gateway.messagelog import access, findings, frames
from gateway.messagelog.access import Attached
from gateway.messagelog.findings import Found
from gateway.messagelog.frames import Placed
from gateway.messagelog.rows import DIGEST, NAMES, WIDTH, again, parameters, values

# Only constants of ours are put together here; values are parameters. Rows of VALUES are taken as they stand: numbers grow in the
# order of the batch; each part takes only the columns that it needs, which are not copied then.
_CLAIM = """claim AS (
    INSERT INTO replay_claim (peer, request_id, seen)
    SELECT peer, request_id, seen FROM ({claims}) AS c (peer, request_id, seen, decision) WHERE decision IS NOT NULL
    ON CONFLICT DO NOTHING
    RETURNING peer, request_id
), """
_CLAIMED = "AND (decision IS NULL OR (peer_server, request_id) IN (SELECT peer, request_id FROM claim))"
_RECORD = f"""record AS (
    INSERT INTO message_record ({NAMES})
    SELECT {NAMES} FROM ({{values}}) AS t ({NAMES}, digest) WHERE uid IS NOT NULL {{claimed}}
    ON CONFLICT DO NOTHING
    RETURNING uid, number, time, client, service
), waiting AS (
    INSERT INTO unstamped_commit (records, times, uids, digests) {{waiting}}
)"""  # noqa: S608
_WAITING = """
    SELECT array_agg(number), array_agg(time), array_agg(uid), string_agg(digest, ''::bytea)
    FROM (SELECT number, time, uid, digest FROM record JOIN ({digests}) AS d (uid, digest) USING (uid) ORDER BY number) AS r
    HAVING count(*) > 0"""
_ONE_WAITS = (
    "SELECT ARRAY[number], ARRAY[time], ARRAY[uid], digest FROM record JOIN ({digests}) AS d (uid, digest) USING (uid)"
)
_ENTRIES = f""", due AS MATERIALIZED (
    SELECT e.*, coalesce(e.message_number, r.number) AS to_number, row_number() OVER (ORDER BY e.position) AS nth
    FROM (%(source)s) AS e ({access.NAMES}, position) %(which)s
), taken AS MATERIALIZED (
    SELECT access_numbers(%(server)s, (SELECT count(*) FROM due)) AS before
), entry AS (
    INSERT INTO access_record (server, number, message_number, fields, {access.STORED})
    SELECT %(server)s, taken.before + nth, to_number, fields::jsonb, {access.STORED} FROM due, taken
)"""  # noqa: S608
_NEW = "JOIN record AS r ON r.uid = e.message_uid"
_NEW_AND_LATER = """LEFT JOIN record AS r ON r.uid = e.message_uid
    WHERE r.uid IS NOT NULL
    OR e.message_number IS NOT NULL AND NOT EXISTS (SELECT FROM access_record AS a WHERE a.record_id = e.record_id)"""
_FINDINGS = """, found AS (
    INSERT INTO content_finding (message_number, time, client, service, rule, policy, cause, subject, refused)
    SELECT r.number, r.time, r.client, r.service, f.rule, f.policy, f.cause, f.subject, f.refused
    FROM unnest({arrays}) AS f ({names}) JOIN record AS r ON r.uid = f.message_uid
)"""
_NUMBERS = " SELECT uid, number FROM record"
_FIND = "SELECT uid, number FROM message_record WHERE time = ANY ($1::timestamptz[]) AND uid = ANY ($2::uuid[])"
KEEP_CONFIGURATION = (
    "INSERT INTO globalconf_snapshot (fingerprint, names, contents) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING"
)
# What others would write too is held until our commit. A database does not learn for hours that a network was cut or a machine
# stands still; nobody waits so long, not for others and not for a connection of our own that we have left. No sooner than callers
# lose their patience (`LogLimits`): also a statement that arrives slowly is waited for.
_CUT_OFF = "SET LOCAL idle_in_transaction_session_timeout = '10s'"


# Few statements, so that each stays prepared; up to as many rows as parameters can be numbered for.
_ROWS = tuple(2**n for n in range(11))


Entries: TypeAlias = tuple[int, bool]
"""How a statement takes access entries (`access.places`), and whether some belong to records that are durable already."""


@quick
@dataclass(frozen=True, slots=True)
class Batch:
    """`server`: whose series the entries are numbered in. `found`: on the content of records of this batch. `signatures`: where
    each record's goes, all whole when it is None."""

    records: Sequence[MessageRecord]
    attached: Sequence[Attached]
    server: str
    found: Sequence[Found] = ()
    signatures: Placed | None = None


async def write_batch(
    connection: asyncpg.Connection, batch: Batch, configurations: Mapping[str, Mapping[str, bytes]]
) -> dict[UUID, int]:
    """Numbers of the records written, durable on return; missing are those whose claim was taken and those written before.
    `configurations`: files of global configurations (by fingerprint) to keep in the same transaction. No two records may have
    the same claim. Raises DATABASE_ERRORS; UniqueViolationError only when entries are being written a second time."""
    statement, arrays = _statement(batch)
    new = {} if batch.signatures is None else batch.signatures.new
    if not configurations and not new:  # a single statement is its own transaction, in one round trip
        return _numbers(await connection.fetch(statement, *arrays))
    async with connection.transaction():
        await connection.execute(_CUT_OFF)
        for fingerprint, files in configurations.items():
            await connection.execute(KEEP_CONFIGURATION, fingerprint, list(files), list(files.values()))
        await frames.keep(connection, new)
        return _numbers(await connection.fetch(statement, *arrays))


def _statement(batch: Batch) -> tuple[str, list[object]]:
    rows = _ROWS[bisect_left(_ROWS, len(batch.records))]
    signatures = frames.whole(batch.records) if batch.signatures is None else batch.signatures.columns
    arguments: list[object] = parameters(batch.records, signatures, rows)
    with_entries = [a for a in batch.attached if a.rows]
    entries: Entries | None = None
    if with_entries:
        on = access.places(sum(len(a.rows) for a in with_entries))
        entries = on, any(a.number is not None for a in with_entries)
        arguments += [batch.server, *access.parameters(with_entries, on)]
    if batch.found:
        arguments += findings.arrays_of(batch.found)
    claims = any(r.decision is not None for r in batch.records)
    return _sql(rows, claims=claims, entries=entries, found=bool(batch.found)), arguments


@lru_cache(maxsize=256)
def _sql(rows: int, *, claims: bool, entries: Entries | None, found: bool) -> str:
    """For records on so many rows of parameters, with or without claims, access entries and findings."""
    statement, last = "WITH ", rows * WIDTH
    if claims:
        statement += _CLAIM.format(claims=again(rows, "peer_server", "request_id", "time", "decision"))
    waiting = (_ONE_WAITS if rows == 1 else _WAITING).format(digests=again(rows, "uid", DIGEST))
    statement += _RECORD.format(values=values(rows), claimed=_CLAIMED if claims else "", waiting=waiting)
    if entries is not None:
        on, later = entries
        which = _NEW_AND_LATER if later else _NEW
        source = access.source(on, last + 1)
        statement += _ENTRIES % {"server": f"${last + 1}", "source": source, "which": which}
        last += 1 + access.width(on)
    if found:
        statement += _FINDINGS.format(arrays=findings.arrays_after(last), names=findings.NAMES)
    return statement + _NUMBERS


async def written_before(connection: asyncpg.Connection, records: Sequence[MessageRecord]) -> dict[UUID, int]:
    """Numbers of those records that are durable. Only meaningful after `write_batch` returned for them."""
    found = await connection.fetch(_FIND, list({r.time for r in records}), [r.uid for r in records])
    return _numbers(found)


def _numbers(rows: Sequence[asyncpg.Record]) -> dict[UUID, int]:
    return {row["uid"]: row["number"] for row in rows}
