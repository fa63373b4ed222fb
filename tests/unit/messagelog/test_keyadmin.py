"""Rotation of key-encryption keys, and destroying data keys: what goes, what stays, what is refused."""

from __future__ import annotations

from datetime import timedelta

import pytest

from gateway.core.errors import EvidenceUnavailable, SettingsError
from gateway.core.messagelog.record import StoredRecord, UnreadableRecord
from gateway.messagelog.archivetables import ArchiveTables, StampedRecord
from gateway.messagelog.keyadmin import KeyAdministration, Selection
from gateway.messagelog.keysource import KeySource, check_keys
from gateway.messagelog.sealing import Seal
from gateway.storage.database import Database
from tests.support.log_states import NOW, authorized_request, signed_request
from tests.support.sealing import NEW, OLD, Secret, key_source
from tests.unit.messagelog.test_sealing import read, writing

LATER = NOW + timedelta(days=2)


async def two_members(database: Database) -> None:
    async with writing(database, key_source()) as writer:
        await writer.append_request(signed_request(message_id="g22"))
        await writer.append_authorized(authorized_request(message_id="g01"))


def administration(database: Database) -> KeyAdministration:
    return KeyAdministration(database, lambda: LATER)


async def test_rotation_while_records_are_read_and_written(database: Database) -> None:
    secret = Secret(OLD)
    keys = KeySource(secret)
    async with writing(database, keys) as writer:
        await writer.append_request(signed_request(message_id="a"))
        secret.text = f"{NEW}\n{OLD}"
        assert await administration(database).rewrap(key_source(secret.text)) == 1
        assert await administration(database).rewrap(key_source(secret.text)) == 0
        secret.text = NEW  # the old key is gone for good
        await writer.append_request(signed_request(message_id="b"))
        for id in ("a", "b"):
            assert isinstance((await read(database, keys, id))[0], StoredRecord)
    await check_keys(database.pool, key_source(NEW))
    with pytest.raises(SettingsError):
        await check_keys(database.pool, key_source(OLD))


async def test_rewrapping_is_all_or_nothing(database: Database) -> None:
    await two_members(database)
    async with database.owner() as owner:
        await owner.execute(
            "UPDATE data_key SET wrapped = set_byte(wrapped, 20, 0) || '\\x00' WHERE member = 'VN/GOV/G22'"
        )
    with pytest.raises(EvidenceUnavailable, match="VN/GOV/G22 for 2026-11-24 does not open"):
        await administration(database).rewrap(key_source(f"{NEW} {OLD}"))
    assert {row["kek"] for row in await database.pool.fetch("SELECT kek FROM data_key")} == {"old"}


async def test_one_member_and_day_are_shredded_and_say_so(database: Database) -> None:
    await two_members(database)
    found = await administration(database).listed(Selection(member="VN/GOV/G22"))
    assert [(k.member, str(k.day), k.kek, k.records, k.unarchived) for k in found] == [
        ("VN/GOV/G22", "2026-11-24", "old", 1, 1)
    ]
    await administration(database).destroy(found, "an admin", "court order 12")
    (shredded,) = await read(database, key_source(), "g22")
    assert isinstance(shredded, UnreadableRecord)
    assert shredded.shredded
    assert shredded.why.startswith("shredded: the data key of VN/GOV/G22 for 2026-11-24 was destroyed at ")
    assert shredded.why.endswith("by an admin (court order 12)")
    assert isinstance((await read(database, key_source(), "g01"))[0], StoredRecord)
    assert [k.member for k in await administration(database).listed(Selection())] == ["VN/GOV/G01"]


@pytest.mark.parametrize(
    ("selection", "keys"),
    [
        (Selection(), 2),
        (Selection(first=NOW.date(), last=NOW.date()), 2),
        (Selection(first=LATER.date()), 0),
        (Selection(last=NOW.date() - timedelta(days=1)), 0),
        (Selection(kek="old"), 2),
        (Selection(kek="new"), 0),
    ],
)
async def test_what_is_selected(database: Database, selection: Selection, keys: int) -> None:
    await two_members(database)
    assert len(await administration(database).listed(selection)) == keys


async def test_a_key_that_may_still_seal_is_not_destroyed(database: Database) -> None:
    await two_members(database)
    tomorrow = KeyAdministration(database, lambda: NOW + timedelta(days=1))
    found = await tomorrow.listed(Selection())
    with pytest.raises(SettingsError, match="two days later"):
        await tomorrow.destroy(found, "an admin", "why")
    assert len(await tomorrow.listed(Selection())) == 2


async def test_lost_keys_are_given_up_and_the_log_goes_on(database: Database) -> None:
    await two_members(database)
    with pytest.raises(SettingsError):
        await check_keys(database.pool, key_source(NEW))
    today = KeyAdministration(database, lambda: NOW)
    await today.destroy(await today.listed(Selection(kek="old")), "an admin", "disk lost", lost=True)
    await check_keys(database.pool, key_source(NEW))
    async with writing(database, key_source(NEW)) as writer:
        await writer.append_request(signed_request(message_id="new"))
    assert isinstance((await read(database, key_source(NEW), "new"))[0], StoredRecord)
    assert isinstance((await read(database, key_source(NEW), "g22"))[0], UnreadableRecord)


async def test_records_of_an_unfinished_archive_are_not_shredded(database: Database) -> None:
    await two_members(database)
    row = await database.pool.fetchrow("SELECT number, time, uid FROM message_record WHERE message_id = 'g22'")
    async with database.owner() as owner:
        tables = ArchiveTables(owner)
        await tables.plan([[StampedRecord(row["number"], (row["time"], row["uid"]), "", 1)]])
        found = await administration(database).listed(Selection(member="VN/GOV/G22"))
        with pytest.raises(SettingsError, match="1 of the records are in an archive"):
            await administration(database).destroy(found, "an admin", "why")
        assert await tables.lock()
    assert found[0].unarchived == 0
    assert isinstance((await read(database, key_source(), "g22"))[0], StoredRecord)


async def test_while_the_archiver_works_nothing_is_destroyed(database: Database) -> None:
    await two_members(database)
    found = await administration(database).listed(Selection())
    async with database.owner() as owner:
        assert await ArchiveTables(owner).lock()
        with pytest.raises(SettingsError, match="archiver is at work"):
            await administration(database).destroy(found, "an admin", "why")


async def test_no_copy_of_the_wrapped_key_is_left_in_the_table(database: Database) -> None:
    await Seal(database.pool, key_source()).key(NOW.date(), "VN/GOV/G22")
    found = await administration(database).listed(Selection())
    async with database.owner() as owner:
        before = await owner.fetchval("SELECT pg_relation_filenode('data_key')")
        await administration(database).destroy(found, "an admin", "why")
        assert await owner.fetchval("SELECT pg_relation_filenode('data_key')") != before
        assert await owner.fetchval("SELECT count(*) FROM data_key WHERE wrapped IS NOT NULL") == 0
