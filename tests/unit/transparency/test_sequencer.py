"""The sequencer: batches, its lead and its fence, a restart from whatever stands, and what freezes it."""

from __future__ import annotations

import asyncio
import shutil

import asyncpg
import pytest

from gateway.core.errors import EvidenceUnavailable
from gateway.core.merkle.hashing import leaf_hash, root_of
from gateway.core.merkle.policy import verify_checkpoint
from gateway.core.merkle.proofs import inclusion_proof, verify_inclusion
from gateway.core.merkle.tiles import Tile
from gateway.transparency import files
from gateway.transparency.ports import LeadLost, LogFrozen, Step
from tests.support.logkeys import LOG, LOG_PQ, Key, checkpoint_of, signed
from tests.support.logworld import LogWorld, leaves, nothing


def root(count: int) -> bytes:
    return root_of(leaf.leaf_hash for leaf in leaves(count))


async def refuses_to_lead(world: LogWorld, why: str) -> None:
    sequencer = world.sequencer()
    with pytest.raises(LogFrozen, match=why):
        await sequencer.lead()
    sequencer.hang_up()


async def test_an_empty_log(world: LogWorld) -> None:
    committed = await world.grow(0)
    assert committed.checkpoint == checkpoint_of([])
    assert world.published() == committed.note
    report = await world.fsck()
    assert (report.size, report.published, report.problems) == (0, 0, [])


async def test_batches(world: LogWorld) -> None:
    await world.submit(600)
    steps: list[Step] = []
    sequencer = world.sequencer(steps.append, batch=250)
    assert (await sequencer.lead()).checkpoint.size == 0
    sizes = []
    while (committed := await sequencer.step()) is not None:
        sizes.append(committed.checkpoint.size)
        assert committed.checkpoint.root == root(committed.checkpoint.size)
        assert verify_checkpoint(committed.note, world.policy).signed_by == (LOG.verifier, LOG_PQ.verifier)
    assert sizes == [250, 500, 600]
    assert steps == ["locked", "signed", "staged", "committed", "tiles"] * 3
    sequencer.hang_up()
    report = await world.fsck()
    assert (report.size, report.waiting, report.published, report.problems) == (600, 0, None, [])


async def test_entries_of_one_server_stand_in_its_order(world: LogWorld) -> None:
    await world.submit(300)
    await world.grow(100, 300)
    found = await world.pool.fetch("SELECT index, sequence FROM log_place JOIN log_entry USING (record) ORDER BY index")
    assert [tuple(row) for row in found] == [(n, n) for n in range(400)]


async def test_a_restart_goes_on(world: LogWorld) -> None:
    for first, count in ((0, 200), (200, 100), (300, 700)):
        committed = await world.grow(count, first)
    assert committed.checkpoint.size == 1000
    assert world.published().text == committed.note.text
    assert (await world.fsck()).problems == []


async def test_inclusion_from_the_files(world: LogWorld) -> None:
    tree = (await world.grow(700)).checkpoint
    sequencer = world.sequencer()
    row = await world.pool.fetchrow(
        "SELECT index, leaf_hash FROM log_place JOIN log_entry USING (record) WHERE sequence = 699"
    )
    path = inclusion_proof(row["index"], 700, sequencer.nodes(700))
    verify_inclusion(row["leaf_hash"], row["index"], 700, tree.root, path)


async def test_a_second_leader_fences_the_first(world: LogWorld) -> None:
    await world.submit(10)
    first, second = world.sequencer(), world.sequencer()
    await first.lead()
    assert first._connection is not None
    await first._connection.execute("SELECT pg_advisory_unlock_all()")  # as after a network that was cut for a while
    await second.lead()
    with pytest.raises(LeadLost):
        await first.step()
    assert (await second.step()) is not None
    for sequencer in (first, second):
        sequencer.hang_up()
    assert (await world.fsck()).problems == []


async def test_a_leader_that_was_replaced_publishes_nothing(world: LogWorld) -> None:
    await world.submit(10)
    first, second = world.sequencer(), world.sequencer()
    await first.lead()
    old = await first.step()
    assert old is not None
    first.hang_up()
    await second.lead()
    with pytest.raises(LeadLost):
        await world.publisher(first).publish(old)
    assert world.files.checkpoint() is None
    second.hang_up()


async def test_only_one_leads(world: LogWorld) -> None:
    first, second = world.sequencer(), world.sequencer()
    await first.lead()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await second.lead()
    for sequencer in (first, second):
        sequencer.hang_up()


async def test_the_database_was_restored_from_a_backup(world: LogWorld) -> None:
    await world.grow(300)
    world.files.replace_checkpoint(bytes(signed(checkpoint_of([leaf_hash(b"x")] * 400), LOG)))
    await refuses_to_lead(world, "backup")
    assert any("ahead of the database" in p for p in (await world.fsck()).problems)


async def test_the_published_checkpoint_is_of_another_history(world: LogWorld) -> None:
    await world.grow(300)
    world.files.replace_checkpoint(bytes(signed(checkpoint_of([leaf_hash(b"x")] * 200), LOG)))
    await refuses_to_lead(world, "another history")
    assert any("another history" in p for p in (await world.fsck()).problems)


async def test_the_published_checkpoint_is_somebody_elses(world: LogWorld) -> None:
    await world.grow(3)
    for content in (b"", b"text", bytes(signed(checkpoint_of([]), Key("stranger.example")))):
        world.files.replace_checkpoint(content)
        await refuses_to_lead(world, "not one of this log")


async def test_tiles_that_are_gone_or_changed(world: LogWorld) -> None:
    await world.grow(700)
    tile = world.folder / Tile(1, 0, 2).path
    good = tile.read_bytes()
    for bad in (None, good[:-1], good[:-1] + b"\0"):
        if bad is None:
            tile.unlink()
        else:
            tile.write_bytes(bad)
        await refuses_to_lead(world, "disagree")
        assert (await world.fsck()).problems
    tile.write_bytes(good)
    assert (await world.fsck()).problems == []


async def test_an_immutable_file_with_other_bytes_stops_the_log(world: LogWorld) -> None:
    path = world.folder / Tile(0, 0, 5).path
    path.parent.mkdir(parents=True)
    path.write_bytes(bytes(5 * 32))
    with pytest.raises(LogFrozen, match="other bytes"):
        await world.grow(5)
    assert world.files.checkpoint() is None


async def test_a_lost_folder_is_not_made_anew(world: LogWorld) -> None:
    await world.grow(300)
    shutil.rmtree(world.folder)
    await refuses_to_lead(world, "disagree")


async def test_frozen_stays_frozen(world: LogWorld) -> None:
    await world.grow(3)
    sequencer = world.sequencer(nothing)
    await sequencer.lead()
    assert await sequencer.freeze(LogFrozen("two histories", (("request", b"a"), ("answer", b"b"))))
    with pytest.raises(LogFrozen, match="two histories"):
        await sequencer.step()
    sequencer.hang_up()
    await refuses_to_lead(world, "two histories")
    row = await world.pool.fetchrow("SELECT why, names, data FROM log_evidence")
    assert tuple(row) == ("two histories", ["request", "answer"], [b"a", b"b"])


async def test_a_leader_that_was_replaced_freezes_nothing(world: LogWorld) -> None:
    first, second = world.sequencer(), world.sequencer()
    await first.lead()
    first.hang_up()
    await second.lead()
    assert not await first.freeze(LogFrozen("size 9 was seen", (("request", b""),)))
    second.hang_up()
    assert await world.pool.fetchval("SELECT frozen FROM log_shard") is None


async def test_an_entry_stands_where_it_stands(world: LogWorld) -> None:
    await world.grow(3)
    for statement in (
        "DELETE FROM log_entry",
        "UPDATE log_entry SET entry = ''",
        "DELETE FROM log_place",
        "UPDATE log_place SET index = index + 10",
        "DELETE FROM log_evidence",
        "TRUNCATE log_place",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await world.pool.execute(statement)
    statement = "INSERT INTO log_place SELECT origin, 9, record FROM log_entry"
    with pytest.raises(asyncpg.UniqueViolationError):
        await world.pool.execute(statement)  # nothing stands in two places


async def test_a_full_disk(world: LogWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: object) -> None:
        raise OSError(28, "No space left on device")

    await world.submit(3)
    sequencer = world.sequencer()
    await sequencer.lead()
    with monkeypatch.context() as full:
        full.setattr(files, "write_durably", refuse)
        with pytest.raises(EvidenceUnavailable):
            await sequencer.step()
    assert (await sequencer.lead()).checkpoint.size == 3
    sequencer.hang_up()
    assert (await world.fsck()).problems == []
