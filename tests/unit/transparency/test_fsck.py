"""fsck finds every single thing that can be changed behind the log's back."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.core.merkle.tiles import tiles_of
from tests.support.logkeys import LOG, Key, checkpoint_of, signed
from tests.support.logworld import LogWorld


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


FILES: dict[str, tuple[Callable[[Path], object], str]] = {
    "a tile flipped": (lambda f: flip(f / "tile/0/000"), "tile/0/000 holds other hashes"),
    "a tile of level 1 flipped": (lambda f: flip(f / "tile/1/000.p/2"), "tile/1/000.p/2 holds other hashes"),
    "a bundle flipped": (lambda f: flip(f / "tile/entries/001"), "tile/entries/001"),
    "a tile cut": (lambda f: (f / "tile/0/001").write_bytes(b"x" * 32), "tile/0/001 holds other hashes"),
    "a bundle cut": (lambda f: (f / "tile/entries/000").write_bytes(b"\0"), "tile/entries/000: not 256 entries"),
    "a tile gone": (lambda f: (f / "tile/0/002.p/88").unlink(), "tile/0/002.p/88 is missing"),
    "an old partial flipped": (lambda f: flip(f / "tile/0/000.p/100"), "is not the beginning"),
    "an old bundle flipped": (lambda f: flip(f / "tile/entries/000.p/100"), "tile/entries/000.p/100"),
    "a tile too many": (lambda f: (f / "tile/0/009").write_bytes(bytes(8192)), "more than was ever committed"),
    "a stray file": (lambda f: (f / "tile/notes.txt").write_bytes(b""), "does not belong there"),
    "a checkpoint flipped": (lambda f: flip(f / "checkpoint"), "the published checkpoint"),
    "no checkpoint text": (lambda f: (f / "checkpoint").write_bytes(b"x"), "the published checkpoint"),
    "a stranger's checkpoint": (
        lambda f: (f / "checkpoint").write_bytes(bytes(signed(checkpoint_of([]), Key("stranger.example")))),
        "the published checkpoint",
    ),
    "a checkpoint of another history": (
        lambda f: (f / "checkpoint").write_bytes(bytes(signed(checkpoint_of([bytes(32)] * 300), LOG))),
        "another history",
    ),
    "a checkpoint ahead": (
        lambda f: (f / "checkpoint").write_bytes(bytes(signed(checkpoint_of([bytes(32)] * 700), LOG))),
        "ahead of the database",
    ),
}
ROWS: dict[str, tuple[str, str]] = {
    "an entry changed": (
        "UPDATE log_entry SET entry = 'x' FROM log_place p WHERE p.record = log_entry.record AND index = 5",
        "entry 5 does not hash",
    ),
    "an entry and its hash changed": (
        "UPDATE log_entry SET entry = 'x', leaf_hash = sha256('\\x0078') FROM log_place p "
        "WHERE p.record = log_entry.record AND index = 5",
        "holds other entries than the database",
    ),
    "an entry gone": (
        "DELETE FROM log_entry USING log_place p WHERE p.record = log_entry.record AND index = 5",
        "entries are missing",
    ),
    "a place gone": ("DELETE FROM log_place WHERE index = 5", "entries are missing"),
    "two places exchanged": (
        "UPDATE log_place SET index = CASE index WHEN 5 THEN 1006 ELSE 1005 END WHERE index IN (5, 6); "
        "UPDATE log_place SET index = index - 1000 WHERE index > 1000",
        "holds other entries than the database",
    ),
    "an entry more": (
        "INSERT INTO log_place SELECT origin, 600, record FROM log_queue",
        "the database has 601 places, and 600 were committed",
    ),
    "an entry out of the queue": ("DELETE FROM log_queue", "of 601 entries 600 have a place and 0 wait for one"),
    "a root changed": ("UPDATE log_shard SET root = sha256('')", "another root than the committed one"),
    "a size changed": ("UPDATE log_shard SET size = 599", "600 places, and 599 were committed"),
    "a note changed": ("UPDATE log_shard SET note = 'x'", "the committed checkpoint"),
    "a staged file changed": ("UPDATE log_staged SET data = 'x' WHERE path = 'tile/0/002.p/88'", "holds other hashes"),
    "the shard gone": ("DELETE FROM log_shard", "the database has no such log"),
}


@pytest.fixture
async def grown(world: LogWorld) -> LogWorld:
    """600 entries, one more in the queue, the files of the last batch still staged, as after a crash."""
    await world.grow(100)
    await world.submit(500, 100)
    sequencer = world.sequencer()
    await sequencer.lead()
    committed = await sequencer.step()
    assert committed is not None
    await world.publisher(sequencer).publish(committed)
    sequencer.hang_up()
    await world.submit(1, 600)
    report = await world.fsck()
    assert (report.size, report.published, report.waiting, report.problems) == (600, 600, 1, [])
    return world


async def test_files(grown: LogWorld, tmp_path: Path) -> None:
    await grown.pool.execute("DELETE FROM log_staged")  # what is staged would stand in for the file
    shutil.copytree(grown.folder, tmp_path / "good")
    for what, (change, expected) in FILES.items():
        change(grown.folder)
        problems = (await grown.fsck()).problems
        assert any(expected in problem for problem in problems), (what, problems)
        shutil.rmtree(grown.folder)
        shutil.copytree(tmp_path / "good", grown.folder)
    assert (await grown.fsck()).problems == []


@pytest.mark.parametrize("what", ROWS)
async def test_rows(grown: LogWorld, what: str) -> None:
    statement, expected = ROWS[what]
    async with grown.pool.acquire() as connection:
        await connection.execute("RESET ROLE")
        await connection.execute(statement)
    assert any(expected in problem for problem in (await grown.fsck()).problems)


async def test_every_single_file_counts(grown: LogWorld) -> None:
    await grown.pool.execute("DELETE FROM log_staged")
    for tile in tiles_of(600):
        path = grown.folder / tile.path
        good = path.read_bytes()
        flip(path)
        assert (await grown.fsck()).problems, tile.path
        path.write_bytes(good)
    assert (await grown.fsck()).problems == []


async def test_what_a_crash_leaves_is_no_problem(grown: LogWorld) -> None:
    (grown.folder / "tile/0/000.new").write_bytes(b"half")
    (grown.folder / "checkpoint.new").write_bytes(b"half")
    (grown.folder / "tile/0/002.p/88").unlink()  # and still staged
    assert (await grown.fsck()).problems == []
    await grown.grow(0)
    assert (grown.folder / "tile/0/002.p/88").exists()


async def test_at_most_a_hundred_problems(grown: LogWorld) -> None:
    async with grown.pool.acquire() as connection:
        await connection.execute("RESET ROLE")
        await connection.execute("UPDATE log_entry SET leaf_hash = sha256('')")
    assert len((await grown.fsck()).problems) == 100
