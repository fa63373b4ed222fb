"""The `age` command on our archives: it opens what we encrypt, we open what it encrypts, and it refuses what was altered."""

from __future__ import annotations

import io
import shutil
import subprocess
from pathlib import Path

import pytest

from gateway.core.messagelog.archive import open_archive
from gateway.messagelog.archivecipher import ArchiveRecipients, Identities
from gateway.storage.database import Database
from tests.support.containers import ContainerWorld
from tests.support.stored import store_stamped
from tests.unit.messagelog.test_archiver import archiver

pytestmark = [
    pytest.mark.interop,
    pytest.mark.skipif(shutil.which("age") is None, reason="the age command is not installed"),
]


def age(*arguments: object) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["age", *map(str, arguments)], capture_output=True, check=False)


@pytest.fixture
def identity(tmp_path: Path) -> tuple[Path, str]:
    """A file that `age-keygen` wrote, and the public key in it."""
    path = tmp_path / "auditor.key"
    subprocess.run(["age-keygen", "-o", str(path)], check=True, capture_output=True)
    public = next(line for line in path.read_text().splitlines() if line.startswith("# public key: "))
    return path, public.removeprefix("# public key: ")


async def test_age_opens_our_archive(database: Database, tmp_path: Path, identity: tuple[Path, str]) -> None:
    world, (key, public) = ContainerWorld(), identity
    await store_stamped(database, world, [world.record(body=b"x" * 200_000)])
    made, _ = archiver(database, world, tmp_path / "archives", recipients=ArchiveRecipients((public,)))
    (name,) = (await made.once()).archives
    path = tmp_path / "archives" / name
    done = age("--decrypt", "-i", key, path)
    assert (done.returncode, done.stderr) == (0, b"")
    assert len(open_archive(io.BytesIO(done.stdout)).containers) == 1
    whole = path.read_bytes()
    for spoilt in (whole[:-1], whole[:-70_000], whole[:400] + bytes([whole[400] ^ 1]) + whole[401:]):
        path.write_bytes(spoilt)
        assert age("--decrypt", "-i", key, "-o", tmp_path / "out", path).returncode != 0


def test_we_open_what_age_encrypts(tmp_path: Path, identity: tuple[Path, str]) -> None:
    key, public = identity
    content, path = bytes(range(256)) * 1000, tmp_path / "content"
    path.write_bytes(content)
    assert age("-r", public, "-o", tmp_path / "content.age", path).returncode == 0
    out = io.BytesIO()
    with (tmp_path / "content.age").open("rb") as file:
        Identities(key.read_text()).decrypt(file, out)
    assert out.getvalue() == content
