"""A sealed log: nothing personal in any column, read back only with the keys, every way of tampering seen, keys made once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from gateway.core.errors import EvidenceUnavailable, MalformedMessage, SettingsError
from gateway.core.messagelog.record import StoredRecord, UnreadableRecord
from gateway.messagelog import datakeys
from gateway.messagelog.bodies import PIECE
from gateway.messagelog.keysource import KeySource, check_keys
from gateway.messagelog.reader import MessageLogReader
from gateway.messagelog.sealing import Seal
from gateway.messagelog.writer import MessageLogWriter
from gateway.storage.database import Database
from gateway.transport.spool import InlineBody
from tests.support.log_states import (
    NOW,
    SERVER,
    PatternBody,
    authorized_request,
    signed_request,
)
from tests.support.sealing import NEW, OLD, Secret, key_source

SECRET_WORDS = (b"Nguy%E1%BB%85n", b"/v1/persons", b"Tran Van An")
BODY = InlineBody(b"Tran Van An, 001185000017")


@asynccontextmanager
async def writing(database: Database, keys: KeySource | None) -> AsyncIterator[MessageLogWriter]:
    seal = None if keys is None else Seal(database.pool, keys)
    writer = MessageLogWriter(database.pool, lambda: NOW, SERVER, seal=seal)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(writer.run())
        yield writer
        await writer.drain()


async def read(
    database: Database, keys: KeySource | None, id: str = "message"
) -> Sequence[StoredRecord | UnreadableRecord]:
    return [found async for found in MessageLogReader(database.pool, keys).by_message_id(id)]


async def body_of(database: Database, keys: KeySource | None, found: StoredRecord | UnreadableRecord) -> bytes:
    assert isinstance(found, StoredRecord)
    assert found.record.body is not None
    return b"".join([p async for p in MessageLogReader(database.pool, keys).body(found.record.body)])


async def test_nothing_personal_is_in_any_column(database: Database) -> None:
    async with writing(database, key_source()) as writer:
        await writer.append_request(signed_request(body=BODY))
        await writer.append_authorized(authorized_request(body=PatternBody(3 * PIECE)))
    for table in ("message_record", "body_chunk"):
        for row in await database.pool.fetch(f"SELECT * FROM {table}"):  # noqa: S608 - the two names above
            stored = b"\0".join(v if isinstance(v, bytes) else str(v).encode() for v in row.values())
            assert [word for word in (*SECRET_WORDS, PatternBody(40).whole()) if word in stored] == []


async def test_a_log_from_before_stays_readable(database: Database) -> None:
    keys = key_source()
    async with writing(database, None) as writer:
        await writer.append_request(signed_request(body=BODY, message_id="before"))
    async with writing(database, keys) as writer:
        await writer.append_request(signed_request(body=BODY, message_id="after"))
    for id in ("before", "after"):
        (found,) = await read(database, keys, id)
        assert isinstance(found, StoredRecord)
        assert b"Nguy%E1%BB%85n" in found.record.part
        assert await body_of(database, keys, found) == b"Tran Van An, 001185000017"
        assert found.record.sealed_by is None  # open now


async def test_without_keys_it_is_not_read(database: Database) -> None:
    async with writing(database, key_source()) as writer:
        await writer.append_request(signed_request())
    for keys in (None, key_source(NEW)):
        with pytest.raises(EvidenceUnavailable, match="'old'"):
            await read(database, keys)


# --- keys --------------------------------------------------------------------------------------------------------------


async def test_a_key_for_each_member_and_day(database: Database) -> None:
    async with writing(database, key_source()) as writer:
        await asyncio.gather(*(writer.append_request(signed_request()) for _ in range(20)))
        await writer.append_authorized(authorized_request())
        await writer.append_request(signed_request(now=NOW + timedelta(days=1)))
    rows = await database.pool.fetch("SELECT day::text, member, kek FROM data_key ORDER BY day, member")
    assert [tuple(row) for row in rows] == [
        ("2026-11-24", "VN/GOV/G01", "old"),
        ("2026-11-24", "VN/GOV/G22", "old"),
        ("2026-11-25", "VN/GOV/G22", "old"),
    ]


async def test_servers_that_share_a_log_share_its_keys(database: Database) -> None:
    seals = [Seal(database.pool, key_source()) for _ in range(5)]
    found = await asyncio.gather(*(seal.key(NOW.date(), "VN/GOV/G22") for seal in seals for _ in range(3)))
    assert len({key.id for key in found}) == 1


async def test_keys_of_days_gone_by_are_forgotten(database: Database) -> None:
    seal = Seal(database.pool, key_source())
    for days in (0, 1, 2):
        await seal.key(NOW.date() + timedelta(days=days), "VN/GOV/G22")
    assert sorted(day for day, _ in seal._known) == [NOW.date() + timedelta(days=d) for d in (1, 2)]


async def test_a_new_key_encryption_key_is_taken_up_without_a_restart(database: Database) -> None:
    secret = Secret(OLD)
    seal = Seal(database.pool, KeySource(secret))
    await seal.key(NOW.date(), "VN/GOV/G22")
    secret.text = f"{NEW} {OLD}"
    await seal.key(NOW.date(), "VN/GOV/G01")
    secret.text = None  # a secret that cannot be read leaves the keys that are known
    await seal.key(NOW.date() + timedelta(days=1), "VN/GOV/G22")
    rows = await database.pool.fetch("SELECT kek FROM data_key ORDER BY day, member DESC")
    assert [row["kek"] for row in rows] == ["old", "new", "new"]


async def test_no_key_no_record(database: Database) -> None:
    async with writing(database, key_source()) as writer:
        async with database.owner() as owner:
            await owner.execute("REVOKE INSERT (id, day, member, kek, wrapped) ON data_key FROM gateway_writer")
        with pytest.raises(EvidenceUnavailable, match="cannot keep a data key"):
            await writer.append_request(signed_request())
    assert await database.pool.fetchval("SELECT count(*) FROM message_record") == 0


async def test_a_data_key_that_does_not_open_stops_the_log(database: Database) -> None:
    await Seal(database.pool, key_source()).key(NOW.date(), "VN/GOV/G22")
    other = "old:" + "0c" * 32
    with pytest.raises(EvidenceUnavailable, match="does not open"):
        await Seal(database.pool, key_source(other)).key(NOW.date(), "VN/GOV/G22")


# --- at start ----------------------------------------------------------------------------------------------------------


async def test_a_log_that_was_never_sealed_needs_no_keys(database: Database) -> None:
    await check_keys(database.pool, None)
    await check_keys(database.pool, key_source())


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (None, "evidence.seal_with is not configured"),
        (NEW, "'old', which is not among 'new'"),
        ("old:" + "0c" * 32, "it is not the key that had this id"),
    ],
)
async def test_a_sealed_log_does_not_start_without_its_keys(database: Database, text: str | None, why: str) -> None:
    await Seal(database.pool, key_source()).key(NOW.date(), "VN/GOV/G22")
    with pytest.raises(SettingsError, match=why) as caught:
        await check_keys(database.pool, None if text is None else key_source(text))
    assert "1 data key(s) of this message log, 2026-11-24 to 2026-11-24" in caught.value.problems[0]
    assert "sealing destroy" in caught.value.problems[-1]


def test_a_secret_that_is_no_keyring() -> None:
    with pytest.raises(SettingsError, match=r"evidence\.seal_with: word 1") as caught:
        KeySource(Secret("my-secret-phrase"))
    assert "phrase" not in str(caught.value)


# --- tampering ---------------------------------------------------------------------------------------------------------

_SWAP = """
UPDATE message_record AS r SET {column} = o.{column} FROM message_record AS o WHERE r.number = o.number + 1
"""


@pytest.mark.parametrize("column", ["part", "body", "uid"])
async def test_swapped_columns_are_seen(database: Database, column: str) -> None:
    keys = key_source()
    async with writing(database, keys) as writer:
        for id in ("one", "two"):
            await writer.append_request(signed_request(body=BODY, message_id=id))
    async with database.owner() as owner:
        if column == "uid":
            await owner.execute("UPDATE message_record SET uid = gen_random_uuid() WHERE message_id = 'two'")
        else:
            await owner.execute(_SWAP.format(column=column))
    (found,) = await read(database, keys, "two")
    assert isinstance(found, UnreadableRecord)
    assert (found.shredded, found.remains.part) == (False, b"")
    assert found.why.startswith("damaged: sealed content was altered")
    (untouched,) = await read(database, keys, "one")
    assert isinstance(untouched, StoredRecord)


@pytest.mark.parametrize(
    ("statement", "why"),
    [
        ("DELETE FROM body_chunk WHERE n = 2", "piece 3 of 3 of the body is missing"),
        ("UPDATE body_chunk SET n = CASE n WHEN 0 THEN 10 ELSE n END", "piece 1 of 3 of the body is missing"),
        ("UPDATE body_chunk AS c SET data = o.data FROM body_chunk AS o WHERE c.n = 1 AND o.n = 0", "altered"),
        ("UPDATE message_record SET body_size = 2097152", "altered"),
        ("UPDATE body_chunk SET data = set_byte(data, 500, 1 + get_byte(data, 500) % 255) WHERE n = 1", "altered"),
    ],
    ids=["cut off", "missing", "repeated", "shorter by the record", "a byte"],
)
async def test_tampered_pieces_are_seen(database: Database, statement: str, why: str) -> None:
    keys = key_source()
    async with writing(database, keys) as writer:
        await writer.append_request(signed_request(body=PatternBody(2 * PIECE + 9)))
    async with database.owner() as owner:
        await owner.execute(statement)
    (found,) = await read(database, keys)
    with pytest.raises(MalformedMessage, match=why):
        await body_of(database, keys, found)


async def test_a_data_key_of_another_day_put_in_its_place_is_seen(database: Database) -> None:
    keys = key_source()
    async with writing(database, keys) as writer:
        await writer.append_request(signed_request())
    await Seal(database.pool, keys).key(NOW.date() + timedelta(days=1), "VN/GOV/G22")
    async with database.owner() as owner:
        await owner.execute("UPDATE message_record SET sealed_by = (SELECT id FROM data_key ORDER BY day DESC LIMIT 1)")
    (found,) = await read(database, keys)
    assert isinstance(found, UnreadableRecord)


async def test_a_removed_data_key_is_damage_not_shredding(database: Database) -> None:
    keys = key_source()
    async with writing(database, keys) as writer:
        await writer.append_request(signed_request())
    async with database.owner() as owner:
        await owner.execute("DELETE FROM data_key")
    (found,) = await read(database, keys)
    assert isinstance(found, UnreadableRecord)
    assert (found.shredded, found.why) == (False, "damaged: its data key is not in the log")


async def test_a_key_that_was_destroyed_takes_the_pieces_with_it(database: Database) -> None:
    keys = key_source()
    async with writing(database, keys) as writer:
        await writer.append_request(signed_request(body=PatternBody(2 * PIECE)))
    (found,) = await read(database, keys)
    async with database.owner() as owner:
        await datakeys.destroy(owner, [await owner.fetchval("SELECT id FROM data_key")], "tester", "a test", None)
    with pytest.raises(EvidenceUnavailable, match="not there any more"):
        await body_of(database, keys, found)
