"""`python -m gateway verify`: what it prints, and a status that is 0 only when every step held."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gateway.app.cli import cli
from gateway.core.digest import sha512
from gateway.core.errors import MalformedMessage, SettingsError
from gateway.core.globalconf.sharedparams import print_shared_parameters
from gateway.core.messagelog.linking import ArchiveEnd, archive_name, link, print_linking_info
from gateway.core.signing.xades import parse_signature
from gateway.messagelog.archivecipher import encrypt
from tests.support.age import recipient
from tests.support.containers import ContainerWorld, pack


@pytest.fixture(scope="module")
def world() -> ContainerWorld:
    return ContainerWorld()


@pytest.fixture
def conf(world: ContainerWorld, tmp_path: Path) -> Path:
    """A verification directory, unpacked."""
    shared = world.conf().instances["VN"]
    folder = tmp_path / "conf"
    (folder / "VN").mkdir(parents=True)
    (folder / "instance-identifier").write_text("VN")
    (folder / "VN/shared-params.xml").write_bytes(print_shared_parameters(shared, 6))
    (folder / "VN/shared-params.xml.metadata").write_text('{"configurationVersion": "6"}')
    return folder


def verify(*arguments: object) -> tuple[int, str]:
    done = CliRunner().invoke(cli, ["verify", *map(str, arguments)])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.exit_code, done.output


@pytest.fixture
def container(world: ContainerWorld, tmp_path: Path) -> Path:
    path = tmp_path / "good.asice"
    path.write_bytes(pack(world.files(body=b"{}")))
    return path


def test_container(world: ContainerWorld, conf: Path, container: Path, tmp_path: Path) -> None:
    code, text = verify("container", container, "--conf", conf)
    assert (code, text.splitlines()[-1]) == (0, "1 verified: every step held")
    assert "5. ok      signed by VN/GOV/G22" in text
    bad = tmp_path / "bad.asice"
    bad.write_bytes(pack({**world.files(body=b"{}"), "attachment1": b"[]"}))
    code, text = verify("container", container, bad, "--conf", conf, "--json")
    said = json.loads(text)
    assert (code, said["ok"], [v["ok"] for v in said["verified"]]) == (1, False, [True, False])
    assert said["verified"][1]["code"] == "malformed_signature.invalid_hash_chain"
    assert said["verified"][0]["message_id"] == "message 1"


def test_a_verification_directory_as_a_zip_file(conf: Path, container: Path, tmp_path: Path) -> None:
    """As `/verificationconf` gives it, with a folder of that name in it; unpacked, that folder may stay."""
    packed = tmp_path / "verificationconf.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        for path in sorted(p for p in conf.rglob("*") if p.is_file()):
            archive.write(path, f"verificationconf/{path.relative_to(conf)}")
    assert verify("container", container, "--conf", packed)[0] == 0
    with zipfile.ZipFile(packed) as archive:
        archive.extractall(tmp_path / "unpacked")
    assert verify("container", container, "--conf", tmp_path / "unpacked")[0] == 0


def test_without_a_verification_directory(container: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no verification directory"):
        verify("container", container, "--conf", tmp_path / "nothing")
    with pytest.raises(MalformedMessage):
        verify("container", container, "--conf", container)


def test_a_file_that_is_not_there(conf: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="No such file"):
        verify("container", tmp_path / "missing.asice", "--conf", conf)


def test_archive(world: ContainerWorld, conf: Path, container: Path, tmp_path: Path) -> None:
    archives = tmp_path / "archives"
    archives.mkdir()
    assert verify("archive", archives, "--conf", conf) == (1, "there is nothing to verify\n")
    names = []
    end = ArchiveEnd()
    for n in range(2):
        info = link(end, [(f"m{n}.asice", sha512(container.read_bytes()))])
        names.append(archive_name("", world.pki.now, world.pki.now, info.last))
        files = [(f"m{n}.asice", container.read_bytes()), ("linkinginfo", print_linking_info(info))]
        (archives / names[-1]).write_bytes(pack(files))
        end = ArchiveEnd(info.last, names[-1])
    assert verify("archive", archives, "--conf", conf)[0] == 0
    (archives / names[0]).unlink()
    assert verify("archive", archives, "--conf", conf)[0] == 1
    assert verify("archive", archives / names[1], "--conf", conf, "--from-any")[0] == 0


def test_an_encrypted_archive(world: ContainerWorld, conf: Path, container: Path, tmp_path: Path) -> None:
    """With an identity as if it were in clear; without one it says what can be known, and does not hold."""
    auditor, key = recipient(), tmp_path / "auditor.key"
    key.write_text(auditor.identity)
    data = container.read_bytes()
    info = link(ArchiveEnd(), [("a.asice", sha512(data))])
    clear = pack({"a.asice": data, "linkinginfo": print_linking_info(info)})
    path = tmp_path / "archives" / f"{archive_name('', world.pki.now, world.pki.now, info.last)}.age"
    path.parent.mkdir()
    with path.open("wb") as file:
        digest = encrypt(io.BytesIO(clear), file, [auditor.public])
    assert verify("archive", path.parent, "--conf", conf, "--identity", key)[0] == 0
    code, text = verify("archive", path, "--conf", conf)
    assert code == 1
    assert "no identity was given" in text
    assert digest.value.hex() in text
    code, text = verify("archive", path, "--conf", conf, "--identity", key, "--json")
    assert json.loads(text)["verified"][0] | {"steps": []} == {
        "what": path.stem, "ok": True, "containers": 1, "encrypted": True, "steps": [],
    }  # fmt: skip
    whole = path.read_bytes()
    for spoilt in (whole[:-1], whole[:300] + bytes([whole[300] ^ 1]) + whole[301:]):
        path.write_bytes(spoilt)
        code, text = verify("archive", path, "--conf", conf, "--identity", key)
        assert (code, "1. FAILED" in text, "cannot be decrypted" in text) == (1, True, True)
    key.write_text("AGE-SECRET-KEY-1NONE")
    with pytest.raises(SettingsError, match="not an age identity file") as e:
        verify("archive", path, "--conf", conf, "--identity", key)
    assert "1NONE" not in str(e.value)


def test_timestamp(world: ContainerWorld, conf: Path, tmp_path: Path) -> None:
    """Over any file, or over the value of a signature."""
    record = world.record()
    (tmp_path / "data").write_bytes(b"data")
    (tmp_path / "signatures.xml").write_bytes(record.signature)
    (tmp_path / "of-data").write_bytes(world.pki.stamp(b"data"))
    (tmp_path / "of-value").write_bytes(world.pki.stamp(parse_signature(record.signature).value))
    for token, data, status in (("of-data", "data", 0), ("of-value", "signatures.xml", 0), ("of-value", "data", 1)):
        assert verify("timestamp", tmp_path / token, "--data", tmp_path / data, "--conf", conf)[0] == status
