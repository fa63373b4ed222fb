"""Sealed access records in the database: nothing of a person in any column, found with the keys only, gone when their key is."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest
import pytest_asyncio

from gateway.citizen.records import Filter, Provider, RecordStore
from gateway.core.disclosure.leaf import check_leaf, open_leaf
from gateway.core.disclosure.record import Field
from gateway.core.errors import EvidenceUnavailable, MalformedMessage
from gateway.core.subjects.kinds import Person
from gateway.exchange.states import FailedRequest
from gateway.messagelog.accesskeys import AccessKeyStore
from gateway.messagelog.keyadmin import KeyAdministration, Selection
from gateway.messagelog.keysource import KeySource, check_keys
from gateway.storage.database import CITIZEN_ROLE, Database, open_pool
from tests.support.log_states import NOW, SERVER, access_entries, authorized_request, refused_request
from tests.support.sealing import NEW, OLD, Secret, key_source
from tests.unit.messagelog.test_sealing import writing

AN, BINH = "999300000017", "999204000058"


def person(number: str) -> Person:
    return Person("vn-personal-number", number)


@pytest_asyncio.fixture
async def portal(database: Database) -> AsyncIterator[asyncpg.Pool]:
    """Sessions that may do what the citizens' portal may."""
    pool = await open_pool(database._target, read_only=True, role=CITIZEN_ROLE)
    yield pool
    await pool.close()


def store_of(portal: asyncpg.Pool, source: KeySource) -> RecordStore:
    keys = AccessKeyStore(portal, source).current
    return RecordStore({str(SERVER): Provider(portal, keys)}, timedelta(hours=7))


async def write(database: Database, source: KeySource | None, *numbers: str) -> None:
    async with writing(database, source) as writer:
        await writer.append_authorized(authorized_request(entries=access_entries(*numbers)))
        await writer.append_refused(refused_request(entries=access_entries(*numbers, outcome="refused")))


async def shown(store: RecordStore, number: str, wanted: Filter = Filter()) -> list[str]:  # noqa: B008 - frozen
    """Outcomes of what a citizen is shown, each checked against its leaf."""
    page = await store.page(person(number), wanted, None, 100)
    for record in page.records:
        check_leaf(record.leaf, open_leaf(record.seed, record.fields[Field.RECORD]), record.fields, person(number))
    return sorted(record.fields[Field.OUTCOME] for record in page.records)


async def test_nothing_of_a_person_is_in_any_column(database: Database) -> None:
    entries = access_entries(AN)
    async with writing(database, key_source()) as writer:
        await writer.append_authorized(authorized_request(entries=entries))
    (row,) = await database.pool.fetch("SELECT * FROM access_record")
    stored = b"\0".join(v if isinstance(v, bytes) else str(v).encode() for v in row.values())
    secret = (AN.encode(), entries[0].seed, entries[0].seed.hex().encode(), "Hồ sơ".encode(), b"Ho so", b"000000000000")
    assert [word for word in secret if word in stored] == []
    assert json.loads(row["fields"])[Field.CONSUMER] == "VN/GOV/G22/dvc"


async def test_a_person_finds_what_is_sealed_and_what_was_written_before(
    database: Database, portal: asyncpg.Pool
) -> None:
    source = key_source()
    await write(database, None, AN)
    await write(database, source, AN, BINH)
    store = store_of(portal, source)
    assert await shown(store, AN) == ["granted", "granted", "refused", "refused"]
    assert await shown(store, BINH) == ["granted", "refused"]
    assert await shown(store, "999300000018") == []
    assert await shown(store, AN, Filter(outcome="refused", agency="VN/GOV/G22")) == ["refused", "refused"]
    assert await shown(store, AN, Filter(purpose="another")) == []
    assert sum(count.n for count in await store.counts(person(AN))) == 4
    (one, *_) = (await store.page(person(BINH), Filter(), None, 1)).records
    assert await store.find(person(BINH), one.record_id) == one
    assert await store.find(person(AN), one.record_id) is None


async def test_entries_found_in_an_answer_and_of_failed_calls_are_sealed_too(
    database: Database, portal: asyncpg.Pool
) -> None:
    async with writing(database, key_source()) as writer:
        request = await writer.append_authorized(authorized_request(entries=access_entries(AN)))
        await writer.append_failed(FailedRequest(request, access_entries(AN, outcome="failed")))
    assert await database.pool.fetchval("SELECT count(*) FROM access_record WHERE sealed_by IS NOT NULL") == 2
    assert await shown(store_of(portal, key_source()), AN) == ["failed", "granted"]


async def test_without_the_right_keys_there_is_no_list(database: Database, portal: asyncpg.Pool) -> None:
    await write(database, key_source(), AN)
    await check_keys(portal, key_source())
    for other in (key_source(NEW), key_source(OLD.replace("0b", "0c"))):
        with pytest.raises((EvidenceUnavailable, MalformedMessage)):
            await store_of(portal, other).page(person(AN), Filter(), None, 10)


async def test_keys_are_opened_once_and_rotation_changes_nothing(database: Database, portal: asyncpg.Pool) -> None:
    secret = Secret(OLD)
    source = KeySource(secret)
    await write(database, source, AN)
    keys = AccessKeyStore(portal, source)
    first = await keys.current()
    secret.text = f"{NEW} {OLD}"
    await source.renew()
    assert await KeyAdministration(database, lambda: NOW).rewrap(source) == 1
    again = await keys.current()
    assert [again.keys[id] is key for id, key in first.keys.items()] == [True]
    assert await shown(store_of(portal, key_source(NEW)), AN) == ["granted", "refused"]


async def test_a_destroyed_key_shreds_the_access_records_of_its_day(database: Database, portal: asyncpg.Pool) -> None:
    source = key_source()
    await write(database, source, AN)
    store = store_of(portal, source)
    assert len(await shown(store, AN)) == 2
    administration = KeyAdministration(database, lambda: NOW + timedelta(days=30))
    (key,) = await administration.listed(Selection())
    assert (key.records, key.accesses) == (2, 2)
    assert await store.destroyed() == ()
    await administration.destroy([key], "somebody", "a court said so", rule="Luật 91/2025")
    assert await shown(store, AN) == []
    assert await store.counts(person(AN)) == ()
    (gone,) = await store.destroyed()
    assert (gone.member, gone.first, gone.last, gone.records) == (key.member, key.day, key.day, 2)
    assert (gone.rule, gone.at.date()) == ("Luật 91/2025", datetime.now(UTC).date())


async def test_what_was_altered_is_shown_and_proves_nothing(database: Database, portal: asyncpg.Pool) -> None:
    source = key_source()
    await write(database, source, AN)
    async with database.owner() as owner:
        await owner.execute("UPDATE access_record SET content = set_byte(content, 60, get_byte(content, 60) # 1)")
    page = await store_of(portal, source).page(person(AN), Filter(), None, 10)
    assert len(page.records) == 2
    for record in page.records:
        assert record.fields[Field.CONSUMER] == "VN/GOV/G22/dvc"
        with pytest.raises(MalformedMessage):
            check_leaf(record.leaf, open_leaf(record.seed, record.fields[Field.RECORD]), record.fields, person(AN))


@pytest.mark.parametrize(
    "change",
    ["person = '999300000017'", "seed = decode(repeat('00', 32), 'hex')", "token = NULL", "sealed_by = NULL"],
)
async def test_a_row_has_one_form(database: Database, change: str) -> None:
    await write(database, key_source(), AN)
    async with database.owner() as owner:
        with pytest.raises(asyncpg.CheckViolationError):
            await owner.execute(f"UPDATE access_record SET {change}")  # noqa: S608 - the texts above
