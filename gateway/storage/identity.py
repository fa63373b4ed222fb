"""As whom the embedded PostgreSQL runs. It refuses to run as root, and we may be root.

As a normal user: as ourselves. As root: in a user namespace, where the server sees another uid while its files stay root's; no
account is made and no mode of a parent directory is changed. Where namespaces are refused (containers, often): as the
unprivileged account that already owns the data, else `postgres` or `nobody`.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.core.errors import SettingsError

_ACCOUNTS = ("postgres", "nobody")


@dataclass(frozen=True, slots=True)
class Identity:
    """`prefix` goes before each command; `account` (uid, gid) is switched to when set."""

    prefix: tuple[str, ...] = ()
    account: tuple[int, int] | None = None

    @property
    def process_arguments(self) -> dict[str, Any]:
        """For `subprocess`."""
        if self.account is None:
            return {}
        return {"user": self.account[0], "group": self.account[1], "extra_groups": []}

    @property
    def uids(self) -> frozenset[int]:
        """Whose files may lie in our directories."""
        return frozenset({os.geteuid()} | ({self.account[0]} if self.account else set()))

    def give(self, *paths: Path) -> None:
        if self.account is not None:
            for path in paths:
                os.chown(path, *self.account)


def choose_identity(binaries: Path, cluster: Path) -> Identity:
    """SettingsError, in words, when root finds no way to be somebody else. `cluster`: PostgreSQL's data directory, if it exists
    its owner must stay the same."""
    if os.geteuid() != 0:
        return Identity()
    owner = cluster.stat().st_uid if cluster.exists() else None
    if owner in (None, 0):
        namespace = _namespace()
        if namespace is not None:
            return Identity(prefix=namespace)
        if owner == 0:
            raise SettingsError(
                [
                    f"{cluster} belongs to root, PostgreSQL refuses to run as root and user namespaces are not allowed here"
                ]
            )
    account = _account(owner)
    identity = Identity(account=(account.pw_uid, account.pw_gid))
    if not _runs([str(binaries / "postgres"), "--version"], identity):
        raise SettingsError(
            [f"user {account.pw_name!r} cannot run {binaries}: move the virtual environment, or set GATEWAY_PG_BIN"]
        )
    return identity


def _namespace() -> tuple[str, ...] | None:
    unshare = shutil.which("unshare")
    if unshare is None:
        return None
    try:
        uid = pwd.getpwnam("nobody").pw_uid  # initdb looks its uid up in the password file
    except KeyError:
        return None
    prefix = (unshare, "--user", f"--map-user={uid}", f"--map-group={uid}", "--")
    return prefix if _runs(["true"], Identity(prefix=prefix)) else None


def _account(owner: int | None) -> pwd.struct_passwd:
    if owner is not None:
        try:
            return pwd.getpwuid(owner)
        except KeyError as e:
            raise SettingsError([f"the database's files belong to uid {owner}, which has no account here"]) from e
    for name in _ACCOUNTS:
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise SettingsError(["running as root, and there is no unprivileged account for PostgreSQL (postgres, nobody)"])


def _runs(command: list[str], identity: Identity) -> bool:
    try:
        done = subprocess.run(
            [*identity.prefix, *command], capture_output=True, cwd="/", check=False, **identity.process_arguments
        )
    except OSError:
        return False
    return done.returncode == 0
