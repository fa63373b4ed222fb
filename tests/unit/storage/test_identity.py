"""Who PostgreSQL runs as."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest

from gateway.core.errors import SettingsError
from gateway.storage import identity
from gateway.storage.binaries import find_binaries, major_version
from gateway.storage.identity import Identity, choose_identity

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root has to become somebody else")


def _no_namespace() -> None:
    return None


def test_a_normal_user_stays_himself(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert choose_identity(find_binaries(), tmp_path / "pgdata") == Identity()


@as_root
def test_root_without_namespaces_becomes_an_unprivileged_account(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(identity, "_namespace", _no_namespace)
    monkeypatch.setattr(identity, "_runs", lambda command, identity: True)
    chosen = choose_identity(find_binaries(), tmp_path / "pgdata")
    assert chosen.account is not None
    assert chosen.account[0] != 0
    assert chosen.process_arguments["user"] == chosen.account[0]


@as_root
def test_the_owner_of_existing_data_stays_the_owner(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    nobody = pwd.getpwnam("nobody")
    monkeypatch.setattr(identity, "_runs", lambda command, identity: True)
    os.chown(tmp_path, nobody.pw_uid, nobody.pw_gid)
    assert choose_identity(find_binaries(), tmp_path).account == (nobody.pw_uid, nobody.pw_gid)


@as_root
def test_root_owned_data_without_namespaces_fails_in_words(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(identity, "_namespace", _no_namespace)
    with pytest.raises(SettingsError, match="user namespaces are not allowed"):
        choose_identity(find_binaries(), tmp_path)


@as_root
def test_an_account_that_cannot_reach_the_programs_fails_in_words(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(identity, "_namespace", _no_namespace)
    with pytest.raises(SettingsError, match="cannot run"):
        choose_identity(tmp_path / "nowhere", tmp_path / "pgdata")


def test_no_account_at_all_fails_in_words(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(identity, "_namespace", _no_namespace)
    monkeypatch.setattr(identity, "_ACCOUNTS", ("no-such-account",))
    with pytest.raises(SettingsError, match="no unprivileged account"):
        choose_identity(find_binaries(), tmp_path / "pgdata")


def test_binaries(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    found = find_binaries()
    assert (found / "initdb").exists()
    assert major_version(found) >= 15
    monkeypatch.setenv("GATEWAY_PG_BIN", str(tmp_path))
    assert find_binaries() == tmp_path
    with pytest.raises(SettingsError):
        major_version(tmp_path)
