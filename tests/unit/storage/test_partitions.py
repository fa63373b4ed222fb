"""Partitions by time: made ahead, and what came too early or too late is kept by the default one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise

import pytest

from gateway.storage.database import Database
from gateway.storage.partitions import Partition, Period, ensure_partition, partitions_ahead

INSERT = """INSERT INTO message_record (uid, time, side, kind, message_id, request_id, client, service, part, signature,
has_body, conf_fingerprint) VALUES (gen_random_uuid(), $1, 'client', 'request', 'm', 'r', 'c', 's', '', '', false, 'f')"""
BESIDE = "SELECT pg_relation_size(reltoastrelid) FROM pg_class WHERE relname = $1"
WHERE = "SELECT tableoid::regclass::text FROM message_record ORDER BY time"


@pytest.mark.parametrize(
    ("period", "now", "names"),
    [
        ("day", datetime(2026, 12, 30, 23, 59, tzinfo=UTC), ["20261230", "20261231", "20270101", "20270102"]),
        ("month", datetime(2026, 12, 31, tzinfo=UTC), ["202612", "202701"]),
        (
            "day",
            datetime(2026, 3, 1, 1, tzinfo=timezone(timedelta(hours=7))),
            ["20260228", "20260301", "20260302", "20260303"],
        ),
    ],
    ids=["days over a year", "months over a year", "UTC decides"],
)
def test_ahead(period: Period, now: datetime, names: list[str]) -> None:
    ahead = partitions_ahead("message_record", period, now)
    assert [p.name for p in ahead] == [f"message_record_{n}" for n in names]
    assert all(a.end == b.start for a, b in pairwise(ahead))


async def _write(database: Database, *times: datetime) -> list[str]:
    for time in times:
        await database.pool.execute(INSERT, time)
    return [row[0] for row in await database.pool.fetch(WHERE)]


async def test_rows_find_their_piece(database: Database) -> None:
    now = datetime(2026, 11, 24, 12, tzinfo=UTC)
    async with database.owner() as owner:
        made = [
            await ensure_partition(owner, "message_record", p) for p in partitions_ahead("message_record", "day", now)
        ]
        again = [
            await ensure_partition(owner, "message_record", p) for p in partitions_ahead("message_record", "day", now)
        ]
    assert (made, again) == ([True] * 4, [False] * 4)
    assert await _write(database, now, now + timedelta(days=1), now + timedelta(days=400)) == [
        "message_record_20261124",
        "message_record_20261125",
        "message_record_default",
    ]


async def test_a_piece_made_late_takes_its_rows_along(database: Database) -> None:
    now = datetime(2026, 11, 24, 12, tzinfo=UTC)
    assert await _write(database, now, now + timedelta(days=9)) == ["message_record_default"] * 2
    async with database.owner() as owner:
        assert await ensure_partition(owner, "message_record", partitions_ahead("message_record", "day", now)[0])
    assert await _write(database) == ["message_record_20261124", "message_record_default"]


async def test_a_record_of_usual_size_stands_on_one_page(database: Database) -> None:
    """In pieces that were there and in those made later: nothing of it is cut up and put beside the table."""
    now = datetime(2026, 11, 24, 12, tzinfo=UTC)
    async with database.owner() as owner:
        assert await ensure_partition(owner, "message_record", partitions_ahead("message_record", "day", now)[0])
        for time in (now, now + timedelta(days=9)):
            await database.pool.execute(
                INSERT.replace("'', ''", "repeat('x', 500)::bytea, repeat('y', 6000)::bytea"), time
            )
        beside = [await owner.fetchval(BESIDE, piece) for piece in await _write(database)]
    assert beside == [0, 0]


async def test_a_change_of_period_overlaps_and_harms_nothing(database: Database) -> None:
    now = datetime(2026, 11, 24, 12, tzinfo=UTC)
    async with database.owner() as owner:
        assert await ensure_partition(owner, "message_record", partitions_ahead("message_record", "day", now)[0])
        month, following = partitions_ahead("message_record", "month", now)
        assert not await ensure_partition(owner, "message_record", month)
        assert await ensure_partition(owner, "message_record", following)
    assert await _write(database, now, now + timedelta(days=3)) == ["message_record_20261124", "message_record_default"]


async def test_a_busy_table_is_left_for_the_next_round(database: Database) -> None:
    piece = Partition("message_record_x", datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC))
    async with database.owner() as reader, database.owner() as owner:
        async with reader.transaction():
            await reader.execute("LOCK TABLE message_record_default IN ACCESS EXCLUSIVE MODE")
            await owner.execute("SET statement_timeout = '5s'")
            assert not await ensure_partition(owner, "message_record", piece, patience="50ms")
        assert await ensure_partition(owner, "message_record", piece)
