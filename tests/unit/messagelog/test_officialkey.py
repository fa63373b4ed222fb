"""In a sealed log the key of officials' pseudonyms is the same for ever, and stands nowhere in clear."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from gateway.core.errors import EvidenceUnavailable
from gateway.messagelog import datakeys
from gateway.messagelog.keyadmin import KeyAdministration, Selection
from gateway.messagelog.keysource import KeySource, check_keys
from gateway.messagelog.officialkey import SealedOfficialKey
from gateway.storage.database import Database
from tests.support.log_states import NOW, SERVER
from tests.support.sealing import NEW, OLD, key_source

CLEAR = b"clear key of pseudonyms, 32 bytes"[:32]


def official(database: Database, source: KeySource | None = None) -> SealedOfficialKey:
    return SealedOfficialKey(database, source or key_source(), str(SERVER))


def administration(database: Database) -> KeyAdministration:
    return KeyAdministration(database, lambda: NOW + timedelta(days=3))


async def test_servers_share_one_and_nobody_reads_it(database: Database) -> None:
    key = await official(database).key()
    assert len(key) == 32
    assert await official(database).key() == key
    assert await SealedOfficialKey(database, key_source(), "VN/GOV/G01/ss2").key() != key
    assert await database.pool.fetchval("SELECT count(*) FROM official_key") == 0
    rows = await database.pool.fetch("SELECT t::text FROM data_key AS t")
    assert len(rows) == 2
    assert not [row for row in rows if key.hex() in row[0]]


async def test_the_one_in_clear_is_kept_and_leaves_no_trace(database: Database) -> None:
    await database.pool.execute("INSERT INTO official_key (server, key) VALUES ($1, $2)", str(SERVER), CLEAR)
    assert await official(database).key() == CLEAR
    assert await official(database).key() == CLEAR
    assert await database.pool.fetchval("SELECT count(*) FROM official_key") == 0
    async with database.owner() as owner:
        await owner.execute("CHECKPOINT")
        directory = Path(await owner.fetchval("SHOW data_directory"))
        for table in ("official_key", "data_key"):
            path = directory / await owner.fetchval("SELECT pg_relation_filepath($1)", table)
            assert CLEAR not in path.read_bytes()


async def test_it_is_wrapped_anew_with_the_others(database: Database) -> None:
    key = await official(database).key()
    assert await administration(database).rewrap(key_source(f"{NEW} {OLD}")) == 1
    await check_keys(database.pool, key_source(NEW))
    assert await official(database, key_source(NEW)).key() == key
    with pytest.raises(EvidenceUnavailable):
        await official(database, key_source(OLD)).key()


async def test_it_goes_with_no_period_but_with_a_lost_key(database: Database) -> None:
    key, keys = await official(database).key(), administration(database)
    assert await keys.listed(Selection()) == []
    (found,) = await keys.listed(Selection(kek="old"))
    assert (found.day, found.member) == (datakeys.FOR_EVER, str(SERVER))
    await keys.destroy([found], "clerk", "by mistake")
    assert await official(database).key() == key
    await keys.destroy([found], "clerk", "lost", lost=True)
    assert await official(database, key_source(NEW)).key() != key
