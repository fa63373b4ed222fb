"""Changed key files are noticed, used when they are right, and left alone when they are not."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.app.keys import KeyReload
from gateway.core.errors import KeyTokenError, SettingsError
from gateway.settings.server import KeysSettings, ServerSettings, load_server
from tests.unit.settings.support import SERVER

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


class Keys:
    """Remembers what it was to use."""

    def __init__(self) -> None:
        self.used: list[KeysSettings] = []
        self.error: Exception | None = None

    async def use(self, keys: KeysSettings) -> None:
        if self.error is not None:
            raise self.error
        self.used.append(keys)


class World:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "server.yaml"
        for name in ("sign.p12", "sign.pin", "auth.key", "auth.pem"):
            self.write(name, "old")
        self.write("server.yaml", SERVER.replace("file:", f"file:{folder}/").replace("auth.pem", f"{folder}/auth.pem"))
        self.keys = Keys()
        self.reload = KeyReload(self.keys, self.load(), self.load, self.file)  # type: ignore[arg-type]
        self.loads = 0

    def load(self) -> ServerSettings:
        self.loads = getattr(self, "loads", 0) + 1
        return load_server(self.file, files=False)

    def write(self, name: str, text: str) -> None:
        """Another file under the same name, so that even a test's clock sees a change."""
        new = self.folder / "new"
        new.write_text(text)
        new.replace(self.folder / name)

    @property
    def words(self) -> list[str]:
        return [p.what for p in self.reload.check(NOW)]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


async def test_nothing_happens_while_nothing_changes(world: World) -> None:
    assert [await world.reload.once() for _ in range(3)] == [False] * 3
    assert world.loads == 0


@pytest.mark.parametrize("name", ["sign.p12", "sign.pin", "auth.key", "auth.pem"])
async def test_a_renewed_file_is_used_once(world: World, name: str) -> None:
    world.write(name, "new!")
    assert [await world.reload.once() for _ in range(3)] == [True, False, False]
    assert len(world.keys.used) == 1


async def test_a_changed_section_is_used_and_its_files_watched(world: World) -> None:
    world.write("more.p12", "new")
    old = f'{{token: "file:{world.folder}/sign.p12", pin: "file:{world.folder}/sign.pin"}}'
    new = f'[{{token: "file:{world.folder}/more.p12"}}, {old}]'
    world.write("server.yaml", world.file.read_text().replace(old, new))
    assert await world.reload.once()
    assert [len(k.signing) for k in world.keys.used] == [2]
    await world.reload.once()  # the list of files is another one now
    assert not await world.reload.once()
    world.write("more.p12", "newer")
    assert await world.reload.once()


@pytest.mark.parametrize("error", [KeyTokenError("wrong pin"), SettingsError(["a", "b"])])
async def test_what_cannot_be_used_is_said_until_it_is_right(world: World, error: Exception) -> None:
    world.keys.error = error
    world.write("sign.pin", "wrong")
    assert [await world.reload.once() for _ in range(2)] == [False, False]
    assert len(world.words) == 1
    assert world.keys.used == []
    world.keys.error = None
    world.write("sign.pin", "right")
    assert await world.reload.once()
    assert world.words == []


async def test_a_file_that_is_gone_for_a_moment_or_a_torn_settings_file(world: World) -> None:
    whole = world.file.read_text()
    world.write("server.yaml", whole[: len(whole) // 2])
    assert not await world.reload.once()
    assert world.words
    world.file.unlink()
    assert not await world.reload.once()
    world.write("server.yaml", whole)
    assert await world.reload.once()
    assert world.words == []


async def test_time_and_size_alone_show_a_change_in_place(world: World) -> None:
    path = world.folder / "auth.key"
    path.write_text("in place, longer")
    assert await world.reload.once()
    os.utime(path, ns=(1, 1))
    assert await world.reload.once()
