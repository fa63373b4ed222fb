"""Archives to recipients: who can open them, what is refused, what never touches the folder."""

from __future__ import annotations

import io
import os
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.core.digest import sha512
from gateway.core.errors import EvidenceUnavailable, MalformedMessage
from gateway.messagelog.archivecipher import ArchiveRecipients, Identities, encrypt
from gateway.storage.database import Database
from tests.support.age import Recipient, opened, recipient
from tests.support.containers import ContainerWorld
from tests.support.stored import in_pieces, of_server, store_stamped
from tests.support.tempfiles import watch_temporary_files
from tests.unit.messagelog.test_archiver import KEEP, archiver, contained, numbers, verify

AUDITOR, MEMBER = recipient(), recipient()
PLAIN = bytes(range(256)) * 1000  # several chunks of 64 KiB


@pytest.fixture(scope="module")
def world() -> ContainerWorld:
    return ContainerWorld()


def encrypted(*to: Recipient) -> bytes:
    out = io.BytesIO()
    digest = encrypt(io.BytesIO(PLAIN), out, [r.public for r in to])
    assert digest == sha512(out.getvalue())
    return out.getvalue()


def decrypted(data: bytes, *who: Recipient) -> bytes:
    out = io.BytesIO()
    Identities("# created: today\n\n" + "\n".join(r.identity for r in who)).decrypt(io.BytesIO(data), out)
    return out.getvalue()


def test_each_recipient_opens_it_and_nobody_else() -> None:
    data = encrypted(AUDITOR, MEMBER)
    assert decrypted(data, AUDITOR) == decrypted(data, MEMBER) == decrypted(data, recipient(), MEMBER) == PLAIN
    with pytest.raises(MalformedMessage, match="somebody else"):
        decrypted(data, recipient())


@pytest.mark.parametrize("at", [0, 30, 100, 250, 70_000, -1])
def test_an_altered_byte_is_refused(at: int) -> None:
    data = bytearray(encrypted(AUDITOR))
    data[at] ^= 1
    with pytest.raises(MalformedMessage):
        decrypted(bytes(data), AUDITOR)


@pytest.mark.parametrize("keep", [0, 20, 150, 300, 65_000, 66_000, -1, -65_552])
def test_a_file_cut_short_is_refused(keep: int) -> None:
    with pytest.raises(MalformedMessage):
        decrypted(encrypted(AUDITOR)[:keep], AUDITOR)


def test_something_behind_the_end_is_refused() -> None:
    with pytest.raises(MalformedMessage):
        decrypted(encrypted(AUDITOR) + b"\0", AUDITOR)


def test_whose_disk_is_full_is_told_apart() -> None:
    class Full(io.BytesIO):
        def write(self, data: object) -> int:
            raise OSError(28, "No space left on device")

    with pytest.raises(EvidenceUnavailable, match="No space left"):
        encrypt(io.BytesIO(PLAIN), Full(), [AUDITOR.public])
    with pytest.raises(OSError, match="No space left"):
        Identities(AUDITOR.identity).decrypt(io.BytesIO(encrypted(AUDITOR)), Full())


def test_who_can_open_the_archives_of_a_group() -> None:
    to = ArchiveRecipients(("a",), {"VN/GOV/G01": ("b",), "VN/GOV/G01/dancu": ("c",)})
    chains = ("", "VN/GOV/G22", "VN/GOV/G01", "VN/GOV/G01/hotich", "VN/GOV/G01/dancu")
    assert [to.of(chain) for chain in chains] == [("a",), ("a",), ("b",), ("b",), ("c",)]


async def test_inside_is_the_archive_in_clear(database: Database, world: ContainerWorld, tmp_path: Path) -> None:
    """The same records give the same bytes; and the chain goes through both forms."""
    to = ArchiveRecipients((AUDITOR.public,))
    await store_stamped(database, world, [world.record(body=b"{}")])
    (tmp_path / "clear").mkdir()
    clear, _ = archiver(database, world, tmp_path / "clear")
    (name,) = (await clear.once()).archives
    sealed, clock = archiver(database, world, tmp_path / "sealed", recipients=to)
    async with database.owner() as owner:
        await owner.execute("UPDATE archive SET state = 'planned', file = NULL, digest = NULL")
    assert (await sealed.once()).archives == (f"{name}.age",)
    assert os.listdir(tmp_path / "sealed") == [f"{name}.age"]
    folder = opened(tmp_path / "sealed", AUDITOR)
    assert (folder / name).read_bytes() == (tmp_path / "clear" / name).read_bytes()
    await store_stamped(database, world, [world.record()])
    back, _ = archiver(database, world, tmp_path / "sealed")
    await back.once()
    folder = opened(tmp_path / "sealed", AUDITOR)
    assert (verify(world, folder), len(contained(folder))) == ([], 2)
    assert [a.sealed is None for a in await sealed.listed()] == [False, True]
    clock.now += KEEP + timedelta(seconds=1)
    assert (await sealed.once()).removed_records == 2


async def test_each_group_has_its_recipients(database: Database, world: ContainerWorld, tmp_path: Path) -> None:
    to = ArchiveRecipients((AUDITOR.public,), {"VN/GOV/G01": (MEMBER.public,)})
    record = world.record()
    await store_stamped(database, world, [record, of_server(record, "request")])
    made, _ = archiver(database, world, tmp_path, group_by="subsystem", recipients=to)
    assert len((await made.once()).archives) == 2
    for name in os.listdir(tmp_path):
        data = (tmp_path / name).read_bytes()
        mine, other = (MEMBER, AUDITOR) if "G01" in name else (AUDITOR, MEMBER)
        assert decrypted(data, mine)[:2] == b"PK"
        with pytest.raises(MalformedMessage):
            decrypted(data, other)


@pytest.mark.parametrize("damage", ["gone", "altered", "cut"])
async def test_records_stay_while_the_file_is_not_the_one_that_was_written(
    database: Database, world: ContainerWorld, tmp_path: Path, damage: str
) -> None:
    """Without an identity: by the file's digest alone."""
    await store_stamped(database, world, [world.record()])
    made, clock = archiver(database, world, tmp_path, recipients=ArchiveRecipients((AUDITOR.public,)))
    (name,) = (await made.once()).archives
    data = (tmp_path / name).read_bytes()
    spoilt = {"altered": data[:-1] + bytes([data[-1] ^ 1]), "cut": data[:-20]}
    if damage == "gone":
        (tmp_path / name).unlink()
    else:
        (tmp_path / name).write_bytes(spoilt[damage])
    clock.now += KEEP * 2
    done = await made.once()
    assert (done.removed_records, [name in problem for problem in done.problems]) == (0, [True])
    assert len(await numbers(database)) == 1
    (tmp_path / name).write_bytes(data)
    assert (await made.once()).removed_records == 1


async def test_on_the_way_into_an_archive_nothing_stands_in_clear(
    database: Database, world: ContainerWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = os.urandom(300_000)  # packs to itself, so that it would be seen
    record = await in_pieces(database, world.record(body=body), body)
    await store_stamped(database, world, [record])
    made, _ = archiver(database, world, tmp_path, recipients=ArchiveRecipients((AUDITOR.public,)))
    written = watch_temporary_files(monkeypatch)
    (name,) = (await made.once()).archives
    monkeypatch.undo()
    assert len(written) > 2 * len(body)  # the container and the archive
    for clear in (body[:64], body[-64:], b"attachment1", b"signatures.xml", b"PK\x03\x04"):
        assert clear not in written
    assert (tmp_path / name).stat().st_size > len(body)
