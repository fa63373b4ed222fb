"""What an earlier owner of a data directory left running: a postmaster that outlived kill -9 of its gateway, or the last children
of a postmaster that was killed itself.

Only called by who holds the directory's lock. A pid in a file is not believed: after a restart of a container it may be any
process of ours, and PostgreSQL would refuse to start because of it, or a stop by pid would end the wrong one.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import time
from pathlib import Path

from gateway.core.errors import EvidenceUnavailable
from gateway.storage.identity import Identity

_PROC = Path("/proc")
_FAST_SECONDS = 20.0


async def clear_leftover(cluster: Path, binaries: Path, identity: Identity) -> None:
    """Nobody uses `cluster` on return. EvidenceUnavailable when they will not go."""
    pidfile = cluster / "postmaster.pid"
    if not pidfile.exists():
        return
    if not (_PROC / "self" / "cwd").exists():
        await asyncio.to_thread(_stop_with_pg_ctl, cluster, binaries, identity)
        return
    noted = _noted_pid(pidfile)
    await _ask_to_go(cluster, noted)
    if noted is not None and _alive(noted):  # the number now belongs to somebody else
        pidfile.unlink(missing_ok=True)


async def _ask_to_go(cluster: Path, postmaster: int | None) -> None:
    """SIGINT (fast shutdown), then SIGQUIT (recovery at the next start). Children of a dead postmaster leave by themselves."""
    began = time.monotonic()
    sent: set[int] = set()
    while users := _users(cluster):
        waited = time.monotonic() - began
        number = signal.SIGINT if waited < _FAST_SECONDS else signal.SIGQUIT
        if postmaster in users and number not in sent:
            assert postmaster is not None
            sent.add(number)
            os.kill(postmaster, number)
        if waited > 1.5 * _FAST_SECONDS:
            raise EvidenceUnavailable("An earlier database server does not leave its data directory")
        await asyncio.sleep(0.02)


def _users(cluster: Path) -> set[int]:
    """Processes whose working directory is `cluster`: postmaster and backends, and nobody else, change into it."""
    found = set()
    for entry in _PROC.iterdir():
        if entry.name.isdecimal():
            try:
                if (entry / "cwd").readlink() == cluster:
                    found.add(int(entry.name))
            except OSError:  # ended meanwhile, or not ours
                continue
    return found


def _noted_pid(pidfile: Path) -> int | None:
    first = pidfile.read_text(errors="replace").partition("\n")[0].strip()
    return int(first) if first.isdecimal() else None


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _stop_with_pg_ctl(cluster: Path, binaries: Path, identity: Identity) -> None:
    command = [str(binaries / "pg_ctl"), "-D", str(cluster), "-m", "fast", "-w", "-t", str(int(_FAST_SECONDS)), "stop"]
    subprocess.run(
        [*identity.prefix, *command], capture_output=True, cwd="/", check=False, **identity.process_arguments
    )
