from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
from aiohttp.test_utils import TestClient, TestServer

from gateway.core.errors import SettingsError
from gateway.core.globalconf.anchor import parse_anchor
from gateway.core.globalconf.directory import parse_directory, verify_directory
from gateway.core.globalconf.trusted import TrustedSet
from gateway.registry.publisher import Publisher
from gateway.settings.registry import load_registry
from tests.unit.core.globalconf.samples import NOW, der
from tests.unit.registry.yaml_sample import edit, write_registry


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write_registry(tmp_path)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def publisher(path: Path, clock: Clock) -> Publisher:
    return Publisher(partial(load_registry, path), clock)


@pytest.fixture
async def web(publisher: Publisher) -> AsyncIterator[TestClient]:  # type: ignore[type-arg]
    await publisher.refresh()
    async with TestClient(TestServer(publisher.app())) as client:
        yield client


async def get(web: TestClient, path: str) -> bytes:  # type: ignore[type-arg]
    async with web.get(path) as response:
        assert response.status == 200
        return await response.read()


async def status(web: TestClient, path: str) -> int:  # type: ignore[type-arg]
    async with web.get(path) as response:
        return response.status


@pytest.mark.parametrize("version", [2, 3, 4, 5, 6])
async def test_every_version_can_be_believed(web: TestClient, version: int) -> None:  # type: ignore[type-arg]
    trusted = TrustedSet(parse_anchor(await get(web, "/anchor.xml")))
    for reference in trusted.offer_directory(await get(web, f"/internalconf?version={version}"), NOW):
        assert reference.location.startswith(f"/V{version}/20261124080000000000000/")
        trusted.offer_part(reference, await get(web, reference.location))
    trusted.accept()
    conf = trusted.configuration()
    assert conf.shared("VN", NOW).version == version
    assert conf.expires == NOW + timedelta(minutes=10)
    assert conf.private is not None


async def test_the_external_directory_has_shared_parameters_only(web: TestClient) -> None:  # type: ignore[type-arg]
    anchor = parse_anchor(await get(web, "/external-anchor.xml"))
    directory = parse_directory(await get(web, "/externalconf?version=6"))
    assert verify_directory(directory, anchor.verification_certificates) == der("registry")
    assert [p.local_name for p in directory.parts] == ["shared-params.xml"]


async def test_without_a_version_it_is_2(web: TestClient) -> None:  # type: ignore[type-arg]
    assert parse_directory(await get(web, "/internalconf")).version == 2


@pytest.mark.parametrize(
    "place",
    [
        "/internalconf?version=7",
        "/internalconf?version=1",
        "/internalconf?version=",
        "/internalconf?version=06",
        "/externalconf?version=x",
        "/V6/20261124080000000000000/other.xml",
        "/V6/../VN.yaml",
        "/V6/%2e%2e/VN.yaml",
        "/",
    ],
)
async def test_what_is_not_there(web: TestClient, place: str) -> None:  # type: ignore[type-arg]
    assert await status(web, place) == 404


async def test_nothing_before_the_first_refresh(publisher: Publisher) -> None:
    with pytest.raises(RuntimeError):
        _ = publisher.settings
    async with TestClient(TestServer(publisher.app())) as web:
        for place in ("/internalconf", "/anchor.xml"):
            assert await status(web, place) == 404


async def test_signed_anew_while_the_files_of_before_stay(web: TestClient, publisher: Publisher, clock: Clock) -> None:  # type: ignore[type-arg]
    first = parse_directory(await get(web, "/internalconf?version=6"))
    clock.now += timedelta(minutes=1)
    await publisher.refresh()
    second = parse_directory(await get(web, "/internalconf?version=6"))
    assert second.expires == first.expires + timedelta(minutes=1)
    assert [p.digest for p in second.parts] == [p.digest for p in first.parts]
    for reference in (*first.parts, *second.parts):
        assert await status(web, reference.location) == 200
    for _ in range(5):
        await publisher.refresh()
    assert await status(web, first.parts[0].location) == 404


async def test_stamps_grow_even_when_the_clock_does_not(web: TestClient, publisher: Publisher, clock: Clock) -> None:  # type: ignore[type-arg]
    stamps = []
    for step in (timedelta(), timedelta(minutes=-1), timedelta(minutes=2, microseconds=1)):
        clock.now += step
        await publisher.refresh()
        stamps.append(parse_directory(await get(web, "/internalconf?version=6")).stamp)
    assert stamps == ["20261124080000000000001", "20261124080000000000002", "20261124080100000001000"]


async def test_an_edited_file_is_picked_up(web: TestClient, publisher: Publisher, path: Path) -> None:  # type: ignore[type-arg]
    edit(path, "Bộ Công an", "Bộ Công An")
    await publisher.refresh()
    location = parse_directory(await get(web, "/internalconf?version=6")).parts[0].location
    assert "Bộ Công An" in (await get(web, location)).decode()


@pytest.mark.parametrize("damage", ["yaml", "certificate", "key"])
async def test_a_bad_file_never_replaces_a_good_one(
    web: TestClient,  # type: ignore[type-arg]
    publisher: Publisher,
    path: Path,
    clock: Clock,
    damage: str,
) -> None:
    before = parse_directory(await get(web, "/internalconf?version=6"))
    victim = {"yaml": path, "certificate": path.parent / "tsa.pem", "key": path.parent / "registry.key"}[damage]
    good = victim.read_bytes()
    victim.write_bytes(b"member_classes: [")
    clock.now += timedelta(minutes=1)
    await publisher.refresh()
    after = parse_directory(await get(web, "/internalconf?version=6"))
    assert publisher.last_error is not None
    assert verify_directory(after, [der("registry")])
    assert [p.digest for p in after.parts] == [p.digest for p in before.parts]
    assert after.expires == before.expires + timedelta(minutes=1)
    victim.write_bytes(good)
    await publisher.refresh()
    assert publisher.last_error is None


async def test_the_first_file_must_be_good(publisher: Publisher, path: Path) -> None:
    edit(path, "instance: VN", "instant: VN")
    with pytest.raises(SettingsError):
        await publisher.refresh()


async def test_the_loop_signs_again(tmp_path: Path) -> None:
    path = write_registry(tmp_path, signer="rsa-registry")
    edit(path, "refresh: 1m", "refresh: 10ms")
    publisher = Publisher(partial(load_registry, path), lambda: datetime.now(UTC))
    await publisher.refresh()
    first = publisher.last_success
    loop = asyncio.create_task(publisher.run())  # noqa: TID251
    try:
        async with asyncio.timeout(5):
            while publisher.last_success == first:
                await asyncio.sleep(0.01)
    finally:
        loop.cancel()
    assert publisher.last_error is None
