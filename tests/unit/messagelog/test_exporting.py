from __future__ import annotations

import io
import zipfile
from dataclasses import replace
from uuid import uuid4

import pytest

from gateway.core.errors import EvidenceUnavailable
from gateway.core.identifiers import ClientId, MemberId, SubsystemId
from gateway.core.messagelog.record import RecordKind
from gateway.messagelog import datakeys
from gateway.messagelog.exporting import NOT_STAMPED, ContainerExport
from gateway.messagelog.reader import MessageLogReader
from gateway.messagelog.sealing import Seal
from gateway.messagelog.verification import verify_message
from gateway.storage.database import Database
from tests.support.containers import ContainerWorld, StampKind
from tests.support.sealing import key_source, sealed_record
from tests.support.stored import in_pieces, of_server, stamp, store, store_stamped

DVC = SubsystemId("VN", "GOV", "G22", "dvc")
DANCU = SubsystemId("VN", "GOV", "G01", "dancu")


@pytest.fixture(scope="module")
def world() -> ContainerWorld:
    return ContainerWorld()


async def exported(export: ContainerExport, **wanted: object) -> list[tuple[str, bytes]]:
    found = await export.find("message 1", **wanted)  # type: ignore[arg-type]
    containers = []
    for container in found:
        out = io.BytesIO()
        await container.write(out)
        containers.append((container.name, out.getvalue()))
    return containers


@pytest.mark.parametrize("kind", ["single", "batch"])
async def test_what_is_exported_is_evidence(database: Database, world: ContainerWorld, kind: StampKind) -> None:
    body = b"0123456789" * 50_000
    large = await in_pieces(database, world.record(body=body), body)
    first, second = await store_stamped(database, world, [large, world.record("response", body=b"")], kind)
    containers = await exported(ContainerExport(database.pool))
    assert [name for name, _ in containers] == [
        f"message+1-request-{first}.asice",
        f"message+1-response-{second}.asice",
    ]
    for _, container in containers:
        assert world.verify(container).ok


async def test_the_same_record_gives_the_same_bytes(database: Database, world: ContainerWorld) -> None:
    await store_stamped(database, world, [world.record(body=b"{}")])
    export = ContainerExport(database.pool)
    assert await exported(export) == await exported(export)


@pytest.mark.parametrize(
    ("client", "kind", "count"),
    [
        (None, None, 4),
        (None, "request", 2),
        (DVC, None, 2),
        (DVC, "response", 1),
        (DANCU, None, 2),
        (MemberId("VN", "GOV", "G22"), None, 0),
        (MemberId("VN", "GOV", "G01"), None, 0),
        (SubsystemId("VN", "GOV", "G15", "hotich"), None, 0),
    ],
)
async def test_each_client_sees_its_own(
    database: Database, world: ContainerWorld, client: ClientId | None, kind: RecordKind | None, count: int
) -> None:
    """Both sides in one database, as when a server serves itself: who asked sees what it asked, who was asked what it was asked."""
    request, response = world.record(), world.record("response")
    await store_stamped(
        database, world, [request, response, of_server(request, "request"), of_server(response, "response")]
    )
    assert len(await exported(ContainerExport(database.pool), client=client, kind=kind)) == count


async def test_a_record_without_a_time_stamp(database: Database, world: ContainerWorld) -> None:
    record = world.record()
    (number,) = await store(database, [record])
    with pytest.raises(EvidenceUnavailable, match=NOT_STAMPED):
        await exported(ContainerExport(database.pool), force=True)  # nobody can stamp here

    async def stamp_now(wanted: int) -> None:
        assert wanted == number
        await stamp(database, world, wanted, record, "single")

    with pytest.raises(EvidenceUnavailable, match=NOT_STAMPED):
        await exported(ContainerExport(database.pool, stamp_now))
    ((_, container),) = await exported(ContainerExport(database.pool, stamp_now), force=True)
    assert world.verify(container).ok


async def test_a_body_that_is_not_the_recorded_one(database: Database, world: ContainerWorld) -> None:
    body = b"x" * 250_000
    await store_stamped(database, world, [await in_pieces(database, world.record(body=body), body)])
    async with database.owner() as owner:
        await owner.execute("DELETE FROM body_chunk WHERE n = 1")
    with pytest.raises(EvidenceUnavailable, match="not the one that was recorded"):
        await exported(ContainerExport(database.pool))


async def test_an_unknown_message(database: Database) -> None:
    assert await exported(ContainerExport(database.pool)) == []


async def test_a_recorded_message_by_a_configuration_that_is_given(database: Database, world: ContainerWorld) -> None:
    """The log's own copy is worthless here; whoever verifies brings the configuration they believe."""
    (number,) = await store_stamped(database, world, [world.record(body=b"{}")])
    reader = MessageLogReader(database.pool)
    (by_log,) = await verify_message(reader, "message 1")
    assert not by_log.ok
    (given,) = await verify_message(reader, "message 1", world.conf())
    assert (given.number, [s.what for s in given.steps if not s.ok]) == (number, [])


async def test_a_sealed_record_gives_the_same_container_and_a_shredded_one_none(
    database: Database, world: ContainerWorld
) -> None:
    record = world.record(body=b"{}")
    key = await Seal(database.pool, key_source()).key(record.time.date(), "VN/GOV/G22")
    await store_stamped(database, world, [record])
    ((_, plain),) = await exported(ContainerExport(database.pool))
    sealed = sealed_record(replace(record, uid=uuid4()), key)
    (number,) = await store(database, [sealed])
    await stamp(database, world, number, record, "single")
    export = ContainerExport(database.pool, keys=key_source())
    containers = [container for _, container in await exported(export)]
    assert len(containers) == 2
    assert [world.verify(c).ok for c in containers] == [True, True]
    assert contents_of(containers[1]).keys() == contents_of(plain).keys()
    assert contents_of(containers[1])["message.xml"] == record.part
    async with database.owner() as owner:
        await datakeys.destroy(owner, [key.id], "tester", "a test", None)
    with pytest.raises(EvidenceUnavailable, match="shredded"):
        await export.find("message 1", client=DVC)
    assert await export.find("message 1", client=DANCU) == []


def contents_of(container: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(container)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}
