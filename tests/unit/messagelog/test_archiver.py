"""Archives are linked, whole and evidence; a record leaves the database only with a durable archive. Faults: tests/faults."""

from __future__ import annotations

import io
import os
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import asyncpg
import pytest

from gateway.core.errors import EvidenceUnavailable
from gateway.core.messagelog.archive import open_archive
from gateway.core.messagelog.archivecheck import OpenArchive, inspect_archive, report_chains
from gateway.core.signing.verify import SignerVerdicts
from gateway.messagelog.archivefolder import ArchiveFolder
from gateway.messagelog.archiver import ArchivePolicy, Archiver
from gateway.storage.database import Database
from tests.support.containers import ContainerWorld
from tests.support.stored import in_pieces, of_server, store, store_stamped

KEEP = timedelta(days=30)


@pytest.fixture(scope="module")
def world() -> ContainerWorld:
    return ContainerWorld()


class Clock:
    def __init__(self, world: ContainerWorld) -> None:
        self.now = world.pki.now

    def __call__(self) -> datetime:
        return self.now


def archiver(database: Database, world: ContainerWorld, folder: Path, **policy: object) -> tuple[Archiver, Clock]:
    clock = Clock(world)
    return Archiver(database, clock, ArchiveFolder(folder), ArchivePolicy(**policy)), clock  # type: ignore[arg-type]


def verify(world: ContainerWorld, folder: Path) -> list[tuple[str, int]]:
    """(archive, step) of everything that did not hold."""
    conf, verdicts = world.conf(), SignerVerdicts()
    linked = []
    for path in sorted(folder.glob("mlog-*.zip")):
        with path.open("rb") as file:
            linked.append(inspect_archive(OpenArchive(path.name, file, io.BytesIO), conf, verdicts))
    return [(r.file, step.number) for r in report_chains(linked) for step in r.steps if not step.ok]


def contained(folder: Path) -> list[str]:
    names = []
    for path in folder.glob("mlog-*.zip"):
        with path.open("rb") as file:
            names += [container.name for container in open_archive(file).containers]
    return sorted(names)


async def numbers(database: Database) -> list[int]:
    return [r[0] for r in await database.pool.fetch("SELECT number FROM message_record ORDER BY number")]


async def test_rounds_make_a_chain_of_stamped_records(
    database: Database, world: ContainerWorld, tmp_path: Path
) -> None:
    made, _ = archiver(database, world, tmp_path)
    await store(database, [world.record()])  # not stamped: it waits
    await store_stamped(database, world, [world.record(), world.record("response", body=b"{}")])
    first = await made.once()
    assert (len(first.archives), first.removed_records, first.problems) == (1, 0, ())
    assert await made.once() == replace(first, archives=())
    await store_stamped(database, world, [world.record(body=b"")], "batch")
    assert len((await made.once()).archives) == 1
    assert verify(world, tmp_path) == []
    assert len(contained(tmp_path)) == 3
    assert len(await numbers(database)) == 4


async def test_a_large_body_is_in_its_container(database: Database, world: ContainerWorld, tmp_path: Path) -> None:
    body = bytes(range(256)) * 2000
    record = await in_pieces(database, world.record(body=body), body)
    await store_stamped(database, world, [record])
    made, _ = archiver(database, world, tmp_path)
    assert (await made.once()).problems == ()
    assert verify(world, tmp_path) == []


@pytest.mark.parametrize(
    ("group_by", "names"),
    [
        ("none", {"mlog-2026"}),
        ("member", {"mlog-VN_GOV_G01-2026", "mlog-VN_GOV_G22-2026"}),
        ("subsystem", {"mlog-VN_GOV_G01_dancu-2026", "mlog-VN_GOV_G22_dvc-2026"}),
    ],
)
async def test_groups(
    database: Database, world: ContainerWorld, tmp_path: Path, group_by: str, names: set[str]
) -> None:
    record = world.record()
    await store_stamped(database, world, [record, of_server(record, "request")])
    made, _ = archiver(database, world, tmp_path, group_by=group_by)
    assert len((await made.once()).archives) == len(names)
    assert {name.partition("1124")[0] for name in os.listdir(tmp_path)} == names
    assert verify(world, tmp_path) == []


async def test_archives_end_at_their_size(database: Database, world: ContainerWorld, tmp_path: Path) -> None:
    await store_stamped(database, world, [world.record() for _ in range(5)])
    made, _ = archiver(database, world, tmp_path, max_size=15_000)  # of two records
    assert len((await made.once()).archives) == 3
    assert verify(world, tmp_path) == []


async def test_records_are_removed_when_their_time_is_up(
    database: Database, world: ContainerWorld, tmp_path: Path
) -> None:
    body = b"x" * 250_000
    (waiting,) = await store(database, [world.record()])
    await store_stamped(database, world, [world.record(), await in_pieces(database, world.record(body=body), body)])
    made, clock = archiver(database, world, tmp_path)
    await made.once()
    clock.now += KEEP
    assert (await made.once()).removed_records == 0
    clock.now += timedelta(seconds=1)
    assert (await made.once()).removed_records == 2
    assert await numbers(database) == [waiting]  # has no time-stamp, is in no archive
    for table in ("body_chunk", "archived_record", "stamped_run", "time_stamp"):
        assert await database.pool.fetchval(f"SELECT count(*) FROM {table}") == 0  # noqa: S608
    await store_stamped(database, world, [world.record()])
    await made.once()
    assert verify(world, tmp_path) == []  # the chain goes on behind what was removed


@pytest.mark.parametrize("damage", ["gone", "altered"])
async def test_records_stay_while_their_archive_is_not_whole(
    database: Database, world: ContainerWorld, tmp_path: Path, damage: str
) -> None:
    await store_stamped(database, world, [world.record()])
    made, clock = archiver(database, world, tmp_path)
    (name,) = (await made.once()).archives
    whole = (tmp_path / name).read_bytes()
    if damage == "gone":
        (tmp_path / name).unlink()
    else:
        (tmp_path / name).write_bytes(whole[:500] + bytes([whole[500] ^ 1]) + whole[501:])
    clock.now += KEEP * 2
    done = await made.once()
    assert done.removed_records == 0
    assert [name in problem for problem in done.problems] == [True]
    assert len(await numbers(database)) == 1
    careless, later = archiver(database, world, tmp_path, needs_file=False)
    later.now = clock.now
    assert (await careless.once()).removed_records == 1


async def test_a_preview_changes_nothing(database: Database, world: ContainerWorld, tmp_path: Path) -> None:
    await store_stamped(database, world, [world.record(), world.record()])
    made, clock = archiver(database, world, tmp_path / "archives", group_by="member")
    outlook = await made.preview()
    assert [(r.chain, r.size > 5000) for r in outlook.waiting] == [("VN/GOV/G22", True)] * 2
    assert (outlook.unfinished, outlook.removable) == ((), ())
    assert not (tmp_path / "archives").exists()
    await made.once()
    clock.now += KEEP * 2
    outlook = await made.preview()
    assert (outlook.waiting, [a.records for a in outlook.removable]) == ((), [2])
    assert len(await numbers(database)) == 2


async def test_one_archiver_at_a_time(database: Database, world: ContainerWorld, tmp_path: Path) -> None:
    made, _ = archiver(database, world, tmp_path)
    async with made._tables() as other:
        assert await other.lock()
        with pytest.raises(EvidenceUnavailable):
            await made.once()
    assert (await made.once()).problems == ()


async def test_a_record_whose_body_was_altered_is_not_archived_and_stays(
    database: Database, world: ContainerWorld, tmp_path: Path
) -> None:
    spoilt = world.record(body=b"{}")
    assert spoilt.body is not None
    spoilt = replace(spoilt, body=replace(spoilt.body, inline=b"[]"))
    good = world.record()
    await store_stamped(database, world, [spoilt, of_server(good, "request")])
    made, _ = archiver(database, world, tmp_path, group_by="member")
    done = await made.once()
    assert (len(done.archives), len(done.problems)) == (1, 1)  # the other chain goes on
    assert [name.startswith("mlog-VN_GOV_G01") for name in os.listdir(tmp_path)] == [True]
    assert len(await numbers(database)) == 2


async def test_the_writer_role_can_neither_archive_nor_remove(database: Database) -> None:
    for statement in (
        "INSERT INTO archive (chain, position, state, records, first_time, last_time) VALUES ('', 1, 'planned', 1, now(), now())",
        "UPDATE archive SET state = 'durable'",
        "DELETE FROM archived_record",
        "DELETE FROM message_record",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await database.pool.execute(statement)
