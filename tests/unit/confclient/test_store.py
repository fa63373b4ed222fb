from __future__ import annotations

import os
from pathlib import Path

import pytest

from gateway.confclient.store import StateStore, read_saved_directory
from gateway.core.digest import sha512
from gateway.core.errors import MalformedMessage
from gateway.core.globalconf import xmlform
from tests.unit.core.globalconf.samples import anchor


def names(directory: Path) -> list[str]:
    return sorted(p.name for p in directory.iterdir())


def test_what_was_saved_is_loaded(tmp_path: Path) -> None:
    store = StateStore(tmp_path / "state")
    assert store.load(anchor()) is None
    store.save(anchor(), b"directory", {sha512(b"one"): b"one", sha512(b"two"): b"two"})
    loaded = StateStore(tmp_path / "state").load(anchor())
    assert loaded is not None and loaded[0] == b"directory" and sorted(loaded[1]) == [b"one", b"two"]


def test_what_is_not_named_any_more_goes(tmp_path: Path) -> None:
    store = StateStore(tmp_path)
    store.save(anchor(), b"first", {sha512(b"one"): b"one", sha512(b"two"): b"two"})
    (tmp_path / "VN" / "crashed.part.new").write_bytes(b"half")
    store.save(anchor(), b"second", {sha512(b"two"): b"two"})
    assert store.load(anchor()) == (b"second", (b"two",))
    assert len(names(tmp_path / "VN")) == 2


def test_a_directory_counts_only_under_its_anchor(tmp_path: Path) -> None:
    store = StateStore(tmp_path)
    store.save(anchor(), b"directory", {})
    assert store.load(anchor("rotated")) is None
    assert store.load(anchor(instance="XX")) is None
    store.save(anchor("rotated"), b"other", {})
    assert store.load(anchor()) is None


class Crash(Exception):
    pass


@pytest.mark.parametrize("survives", range(4))
def test_a_crash_at_any_write_leaves_a_whole_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, survives: int
) -> None:
    store = StateStore(tmp_path)
    old, new = (b"old", {sha512(b"o"): b"o"}), (b"new", {sha512(b"n1"): b"n1", sha512(b"n2"): b"n2"})
    store.save(anchor(), *old)
    writes, fsync = [], os.fsync

    def crashing(descriptor: int) -> None:
        writes.append(descriptor)
        if len(writes) > survives:
            raise Crash
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", crashing)
    if survives < 3:
        with pytest.raises(Crash):
            store.save(anchor(), *new)
    else:
        store.save(anchor(), *new)
    loaded = store.load(anchor())
    assert loaded is not None
    body, files = loaded
    assert body == (b"old" if survives < 3 else b"new")
    assert set(files) >= set((old if body == b"old" else new)[1].values())


def test_anchor(tmp_path: Path) -> None:
    store = StateStore(tmp_path / "state")
    assert store.load_anchor() is None
    store.save_anchor(b"<anchor/>")
    assert store.load_anchor() == b"<anchor/>"


def test_a_saved_directory_is_read_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {
        "instance-identifier": b"VN",
        "VN/shared-params.xml": b"s",
        "VN/shared-params.xml.metadata": b"{}",
        "VN/nextupdate-params.xml": b"n",
    }
    for name, content in {**files, "VN/other.xml": b"x", "notes": b"y", "VN/deep/shared-params.xml": b"z"}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    assert read_saved_directory(tmp_path) == files
    monkeypatch.setattr("gateway.confclient.store.MAX_DOCUMENT", 1)
    with pytest.raises(MalformedMessage) as caught:
        read_saved_directory(tmp_path)
    assert caught.value.code == xmlform.MALFORMED
