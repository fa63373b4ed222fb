"""A private PostgreSQL server in a directory, shared by all processes of this machine that are given the directory.

    <directory>/lock           held (flock) by the one process that owns the server, until that process ends
    <directory>/pgdata         appears complete or not at all: initdb works in pgdata.init
    <directory>/pg.password    0600; the socket asks for it (scram-sha-256), there is no TCP port
    <directory>/sock           0700; under the temporary directory when the path is too long for a socket
    <directory>/postgres.log

Whoever finds the lock free owns the server: it stops what an earlier owner left behind, starts its own and takes it down with it
(on Linux even when it is killed). Everybody else attaches. When the owner goes, one of the attached takes over (`run`).
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import hashlib
import logging
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import asyncpg

from gateway.core.errors import EvidenceUnavailable, GatewayError, SettingsError
from gateway.storage.binaries import find_binaries, major_version
from gateway.storage.identity import Identity, choose_identity
from gateway.storage.leftover import clear_leftover

USER = "gateway"
DEFAULTS: Mapping[str, str] = {
    "max_connections": "100",  # several servers, adapters and a verify command share one embedded server
    "shared_buffers": "64MB",
    "jit": "off",  # sandboxes forbid writable executable memory
    "fsync": "on",
    "synchronous_commit": "on",
    "max_parallel_workers_per_gather": "0",  # small /dev/shm of containers
    "wal_level": "replica",
    "password_encryption": "scram-sha-256",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_error_verbosity": "terse",  # the detail of a constraint failure would put message content into the log file
    "log_min_error_statement": "panic",
}
_LONGEST_SOCKET_DIRECTORY = 80  # sun_path has 108 bytes (104 on macOS) and the socket's own name needs some
_LOG_LIMIT = 8 << 20
_WATCH_SECONDS = 0.5
_STOP_SECONDS = 20.0

_log = logging.getLogger(__name__)


class EmbeddedPostgres:
    """One data directory, seen from one process. `settings` override DEFAULTS and only matter to the owner."""

    def __init__(self, directory: Path, *, settings: Mapping[str, str] | None = None) -> None:
        self.directory = Path(directory).absolute().resolve()
        self._settings = {**DEFAULTS, **(settings or {})}
        self._cluster = self.directory / "pgdata"
        self._password_file = self.directory / "pg.password"
        self._log_file = self.directory / "postgres.log"
        self._socket_directory = _socket_directory(self.directory)
        self._lock: int | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._identity = Identity()
        self._binaries = Path()

    @property
    def owned(self) -> bool:
        """Whether this process holds the directory's lock."""
        return self._lock is not None

    @property
    def pid(self) -> int | None:
        """The postmaster's, when this process started it."""
        return self._process.pid if self._process else None

    def dsn_kwargs(self, database: str = "postgres") -> dict[str, Any]:
        """Arguments of `asyncpg.connect` as the owner role. OSError before the server has been initialised once."""
        return {
            "host": str(self._socket_directory),
            "port": 5432,
            "user": USER,
            "password": self._password_file.read_text(),
            "database": database,
        }

    async def start(self, timeout: float = 30.0) -> None:
        """Own the directory and accept connections on return. EvidenceUnavailable when another process owns it or the server does
        not come up; SettingsError when this machine cannot run one. Call from the main thread: on Linux the server is told to
        stop when the *thread* that started it ends."""
        if not self._take_lock():
            raise EvidenceUnavailable(f"Another process is using the database directory {self.directory}")
        try:
            await self._bring_up(time.monotonic() + timeout)
        except BaseException:  # raised again, after what was begun is undone
            await self.stop()
            raise

    async def attach(self) -> bool:
        """Whether the server of another process accepts connections."""
        try:
            connection = await asyncpg.connect(**self.dsn_kwargs(), timeout=5)
        except (OSError, TimeoutError, asyncpg.CannotConnectNowError, asyncpg.ConnectionDoesNotExistError):
            return False
        except asyncpg.InvalidPasswordError as e:
            raise EvidenceUnavailable(f"The database server does not take the password in {self.directory}") from e
        await connection.close()
        return True

    async def run(self) -> None:
        """Until cancelled: as owner start the server again when it died; otherwise take over when its owner has gone."""
        while True:
            await asyncio.sleep(_WATCH_SECONDS)
            try:
                await self.ensure_running()
            except GatewayError:
                _log.warning("the embedded database does not start; trying again")

    async def ensure_running(self, timeout: float = 30.0) -> None:
        """As owner: start the server again if it has ended. Attached: become the owner if there is none. Errors as `start`."""
        if self._process is not None and self._process.poll() is None:
            return
        if self.owned or self._take_lock():
            _log.warning("starting the embedded database server")
            await self._bring_up(time.monotonic() + timeout)

    async def stop(self) -> None:
        """Owner: fast shutdown (open transactions end, clients are disconnected), then the lock is free. Attached: nothing."""
        process, self._process = self._process, None
        try:
            if process is not None and process.poll() is None:
                await _end(process)
        finally:
            if self._lock is not None:
                os.close(self._lock)
                self._lock = None

    # --- starting, as owner --------------------------------------------------------------------------------------------

    def _take_lock(self) -> bool:
        if self._lock is not None:
            return True
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = os.open(self.directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            return False
        self._lock = lock
        return True

    async def _bring_up(self, deadline: float) -> None:
        await asyncio.to_thread(self._prepare)
        await clear_leftover(self._cluster, self._binaries, self._identity)  # only after the lock: it stops a server
        self._process = self._spawn()
        while not await self.attach():
            if time.monotonic() > deadline:
                raise EvidenceUnavailable("The embedded database server does not accept connections")
            if self._process.poll() is not None:
                if "pre-existing shared memory block" not in self._log_tail():
                    raise EvidenceUnavailable(f"The embedded database server ended:\n{self._log_tail()}")
                self._process = self._spawn()  # the last children of a killed server are still leaving
            await asyncio.sleep(0.02)

    def _prepare(self) -> None:
        self._binaries = find_binaries()
        self._identity = choose_identity(self._binaries, self._cluster)
        self._socket_directory.mkdir(exist_ok=True, mode=0o700)
        self._identity.give(self.directory, self._socket_directory)
        found = os.lstat(self._socket_directory)
        if found.st_mode & 0o077 or found.st_uid not in self._identity.uids:  # in /tmp somebody else may have made it
            raise SettingsError([f"{self._socket_directory} must belong to us alone (mode 0700)"])
        if not (self._cluster / "PG_VERSION").exists():
            self._initialise()
        if self._log_file.exists() and self._log_file.stat().st_size > _LOG_LIMIT:
            self._log_file.replace(self._log_file.with_suffix(".log.1"))

    def _initialise(self) -> None:
        unfinished = self.directory / "pgdata.init"
        shutil.rmtree(unfinished, ignore_errors=True)
        self._password_file.unlink(missing_ok=True)
        with open(os.open(self._password_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as f:
            f.write(secrets.token_urlsafe(24))
        self._identity.give(self._password_file)
        # The builtin provider's order of text does not change with the machine's C library; older servers have only C.
        builtin = major_version(self._binaries) >= 17
        locale = ("--locale-provider=builtin", "--locale=C.UTF-8") if builtin else ("--locale=C",)
        command = (
            *(str(self._binaries / "initdb"), "-D", str(unfinished), "-U", USER, f"--pwfile={self._password_file}"),
            *("--auth-local=scram-sha-256", "--auth-host=reject", "--encoding=UTF8", "--data-checksums", *locale),
        )
        done = subprocess.run(
            [*self._identity.prefix, *command],
            capture_output=True,
            text=True,
            cwd="/",
            env={**os.environ, "LC_ALL": "C", "TZ": "UTC"},
            check=False,
            **self._identity.process_arguments,
        )
        if done.returncode:
            raise SettingsError([f"initdb failed in {self.directory}: {done.stderr.strip()[-2000:]}"])
        unfinished.rename(self._cluster)

    def _spawn(self) -> subprocess.Popen[bytes]:
        settings = {
            **self._settings,
            "listen_addresses": "",
            "unix_socket_directories": str(self._socket_directory),
            "unix_socket_permissions": "0700",
        }
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        with self._log_file.open("ab") as log:
            return subprocess.Popen(
                [
                    *self._identity.prefix,
                    *_stop_with_us(),
                    str(self._binaries / "postgres"),
                    "-D",
                    str(self._cluster),
                    *options,
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C must not reach the server before we have drained
                cwd="/",
                env={**os.environ, "LC_ALL": "C"},
                **self._identity.process_arguments,
            )

    def _log_tail(self) -> str:
        return self._log_file.read_text(errors="replace")[-1000:]


async def attach_or_start(
    directory: Path, *, settings: Mapping[str, str] | None = None, timeout: float = 60.0
) -> EmbeddedPostgres:
    """The server of this directory, accepting connections: attached when a live process owns it, else started and owned.
    EvidenceUnavailable when the owner's server does not accept within `timeout` seconds; otherwise as `start`."""
    server = EmbeddedPostgres(directory, settings=settings)
    deadline = time.monotonic() + timeout
    while True:
        if server._take_lock():
            await server.start(max(deadline - time.monotonic(), 1.0))
            return server
        if await server.attach():
            return server
        if time.monotonic() > deadline:
            raise EvidenceUnavailable(
                f"The database directory {server.directory} is in use by another process, whose server does not accept connections"
            )
        await asyncio.sleep(0.05)


async def _end(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGINT)
    with contextlib.suppress(subprocess.TimeoutExpired):
        await asyncio.to_thread(process.wait, _STOP_SECONDS)
        return
    process.send_signal(signal.SIGQUIT)  # at once; the next start replays the write-ahead log
    await asyncio.to_thread(process.wait)


def _socket_directory(directory: Path) -> Path:
    wanted = directory / "sock"
    if len(os.fsencode(wanted)) <= _LONGEST_SOCKET_DIRECTORY:
        return wanted
    name = hashlib.sha256(os.fsencode(directory)).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"gateway-pg-{os.getuid()}-{name}"


def _stop_with_us() -> tuple[str, ...]:
    """Linux: the kernel sends SIGINT (fast shutdown) to the server when the thread that started it ends."""
    setpriv = shutil.which("setpriv") if sys.platform == "linux" else None
    return (setpriv, "--pdeathsig", "INT", "--") if setpriv else ()
