"""Files that are there after a crash: the old content or the new, never half of it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gateway.storage.durable import is_leftover, replace_durably, write_durably


def test_the_order_of_syncs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file before its new name; every folder that got a name, after that."""
    calls: list[str] = []
    sync, replace = os.fsync, Path.replace

    def noted_sync(handle: int) -> None:
        calls.append("sync " + Path(os.readlink(f"/proc/self/fd/{handle}")).name)
        sync(handle)

    def noted_replace(self: Path, target: Path) -> Path:
        calls.append(f"name {target.name}")
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", noted_sync)
    monkeypatch.setattr(Path, "replace", noted_replace)
    write_durably([(tmp_path / "a/b/one", b"1"), (tmp_path / "a/two", b"2")])
    assert calls[:4] == ["sync one.new", "name one", "sync two.new", "name two"]
    assert sorted(calls[4:]) == sorted([f"sync {tmp_path.name}", "sync a", "sync b"])
    assert (tmp_path / "a/b/one").read_bytes() + (tmp_path / "a/two").read_bytes() == b"12"


def test_what_a_crash_leaves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    replace_durably(tmp_path / "f", b"old")

    def fail(self: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as full:
        full.setattr(Path, "replace", fail)
        with pytest.raises(OSError, match="space"):
            replace_durably(tmp_path / "f", b"new")
    assert (tmp_path / "f").read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir() if is_leftover(p)] == ["f.new"]
    replace_durably(tmp_path / "f", b"newer")
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == {"f": b"newer"}
