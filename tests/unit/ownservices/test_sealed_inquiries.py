"""In a sealed log nothing of an inquiry or its answer stands in clear, and both die with the data key of their day."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
import pytest_asyncio

from gateway.core.errors import EvidenceUnavailable
from gateway.messagelog.keyadmin import KeyAdministration, Selection
from gateway.messagelog.sealedtexts import SealedTexts
from gateway.messagelog.sealing import Seal
from gateway.storage.database import Database
from tests.support.sealing import key_source
from tests.support.tracker import TrackerWorld, tracker_world
from tests.unit.ownservices.test_inquiries import ANH, ID, answers, deliver, inquiry

ANSWER = "Đã xem và xin lỗi"
WORDS = "Who looked at it"
CLEAR = (WORDS, ANH, ANSWER, "complain")


@pytest_asyncio.fixture
async def world(database: Database) -> TrackerWorld:
    return sealing(database)


def sealing(database: Database) -> TrackerWorld:
    """A server that has just started: it knows no data key yet."""
    source = key_source()
    return tracker_world(database, texts=SealedTexts(database.pool, source, Seal(database.pool, source)))


async def destroy_keys(world: TrackerWorld) -> TrackerWorld:
    """All of them; a server that goes on without. Servers forget a day's key before anybody may destroy it."""
    keys = KeyAdministration(world.database, lambda: world.sim.clock() + timedelta(days=3))
    await keys.destroy(await keys.listed(Selection()), "clerk", "retention")
    return sealing(world.database)


async def everything(database: Database) -> str:
    """Every row of every table, bytes as text where they are."""
    async with database.owner() as owner:
        names = await owner.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        rows = [r[0] for (name,) in names for r in await owner.fetch(f'SELECT t::text FROM "{name}" AS t')]  # noqa: S608
    return "\n".join(rows)


def seen(text: str) -> list[str]:
    return [clear for clear in CLEAR if clear in text or clear.encode().hex() in text]


async def test_nothing_of_it_stands_in_clear(world: TrackerWorld) -> None:
    assert (await deliver(world, inquiry(words=WORDS)))[0] == 201
    assert (await deliver(world, inquiry(words=WORDS)))[0] == 200
    assert (await deliver(world, inquiry(words="Other")))[0] == 409
    await world.box.store.reply(UUID(ID), ANSWER)
    assert seen(await everything(world.database)) == []
    (told,) = await answers(world)
    assert (told["words"], told["person"]["number"]) == (ANSWER, ANH)
    (listed,) = await world.box.store.listed(answered=True)
    assert listed.content is not None and json.loads(listed.content)["words"] == WORDS


async def test_destroying_the_key_shreds_question_and_answer(world: TrackerWorld) -> None:
    other = ID[:-1] + "2"
    await deliver(world, inquiry(words=WORDS))
    await world.box.store.reply(UUID(ID), ANSWER)
    world = await destroy_keys(world)
    await deliver(world, inquiry(other))
    await world.box.store.reply(UUID(other), "Second")
    assert [a["words"] for a in await answers(world)] == ["Second"]
    shredded, kept = await world.box.store.listed(answered=True)
    assert (str(shredded.id), shredded.content, shredded.answer) == (ID, None, None)
    assert kept.answer == "Second"
    assert (await deliver(world, inquiry(words=WORDS)))[0] == 409  # nobody can tell whether it is the same


async def test_many_shredded_answers_hide_none_behind_them(world: TrackerWorld) -> None:
    ids = [f"{ID[:-2]}{n:02}" for n in range(25)]
    for id_ in ids:
        await deliver(world, inquiry(id_))
        await world.box.store.reply(UUID(id_), "x")
    world = await destroy_keys(world)
    assert await answers(world) == []
    behind = f"{ID[:-2]}99"
    await deliver(world, inquiry(behind))
    await world.box.store.reply(UUID(behind), ANSWER)
    assert [a["inquiry"] for a in await answers(world)] == [behind]


async def test_an_exchanged_text_is_not_believed(world: TrackerWorld) -> None:
    other = ID[:-1] + "2"
    for id_ in (ID, other):
        await deliver(world, inquiry(id_))
    async with world.database.owner() as owner:
        await owner.execute("UPDATE inquiry SET sealed = (SELECT sealed FROM inquiry WHERE id = $1)", ID)
    with pytest.raises(EvidenceUnavailable, match=other):
        await world.box.store.listed(answered=False)


async def test_what_stood_in_clear_is_sealed_and_leaves_no_trace(world: TrackerWorld) -> None:
    clear = tracker_world(world.database)
    await deliver(clear, inquiry(words=WORDS))
    await clear.box.store.reply(UUID(ID), ANSWER)
    assert seen(await everything(world.database)) == list(CLEAR)
    async with world.database.owner() as owner:
        assert await world.box.store.seal_what_is_clear(owner) == 2
        assert await world.box.store.seal_what_is_clear(owner) == 0
        await owner.execute("CHECKPOINT")
        directory = Path(await owner.fetchval("SHOW data_directory"))
        for table in ("inquiry", "inquiry_answer"):
            path = directory / await owner.fetchval("SELECT pg_relation_filepath($1)", table)
            assert not [text for text in CLEAR if text.encode() in path.read_bytes()]
    assert seen(await everything(world.database)) == []
    (told,) = await answers(world)
    assert (told["words"], told["person"]["number"]) == (ANSWER, ANH)
