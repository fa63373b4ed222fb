"""The keys of one security server: opened from its settings, handed to who uses them, replaced while exchanges go on.

Replacing loses nothing: messages that are being signed keep their key, links that stand keep their certificate until they are
idle, and a new authentication certificate is shown only when others can know it (`signer/authkeys.py`). When one of the new keys
cannot be used, all of the old ones stay and health says why.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from gateway.confclient.client import ConfigurationClient
from gateway.core.errors import GatewayError
from gateway.monitoring.health import Problem
from gateway.settings.server import KeySettings, KeysSettings, ServerSettings
from gateway.signer.authkeys import AuthKey, AuthKeys
from gateway.signer.ocsp_client import OcspClient
from gateway.signer.signer import LocalSigner
from gateway.signer.tokens import KeyToken, open_token


@dataclass(frozen=True, slots=True)
class _Opened:
    signing: Sequence[KeyToken]
    authentication: Sequence[KeyToken]
    internal: KeyToken | None


class ServerKeys:
    """`signer`, `authentication`, `ocsp`: complete after `use`. `internal`: for TLS with information systems, None without one."""

    def __init__(
        self, settings: ServerSettings, globalconf: ConfigurationClient, clock: Callable[[], datetime], ocsp: Path
    ) -> None:
        instance = settings.server.instance
        self.ocsp = OcspClient(
            (),
            lambda at: globalconf.current().trust(instance, at),
            clock,
            ocsp,
            interval=lambda: globalconf.current().options.ocsp_fetch_interval,
        )
        self.signer = LocalSigner((), lambda of, at: globalconf.current().trust(of, at), self.ocsp)
        self.authentication = AuthKeys(settings.server, globalconf.current, self.ocsp, clock, settings.keys.settle)
        self.internal: AuthKey | None = None
        self._shown_by: list[Callable[[AuthKey], None]] = []

    async def use(self, keys: KeysSettings) -> None:
        """These keys from now on. KeyTokenError or SettingsError when one cannot be used; then nothing has changed."""
        opened = await asyncio.to_thread(_open, keys)
        self.authentication.use(opened.authentication)
        shown = (c for key in self.authentication.keys for c in key.certificates)
        await self.ocsp.watch([*(t.certificate for t in opened.signing), *shown])
        self.authentication.follow()
        batch = [t.certificate for t, key in zip(opened.signing, keys.signing, strict=True) if key.batch]
        self.signer.use(opened.signing, batch)
        self.internal = None if opened.internal is None else AuthKey(opened.internal, self.ocsp)
        if self.internal is not None:
            for show in self._shown_by:
                show(self.internal)

    def show_internal(self, show: Callable[[AuthKey], None]) -> None:
        """Where the internal TLS key is shown, now and when it is replaced: to systems that call us, to services, to the public
        log."""
        self._shown_by.append(show)
        if self.internal is not None:
            show(self.internal)


def _open(keys: KeysSettings) -> _Opened:
    return _Opened(
        signing=[_token(key) for key in keys.signing],
        authentication=[_token(key) for key in keys.authentication],
        internal=None if keys.internal_tls is None else _token(keys.internal_tls),
    )


def _token(key: KeySettings) -> KeyToken:
    pin = None if key.pin is None else key.pin.read()
    return open_token(key.reference, pin=pin, certificate=key.certificate, pss=key.algorithm == "pss")


class KeyReload:
    """Notices changed key files, and a changed `keys` section of the settings, and has the new keys used. `load`: the settings as
    they stand in their file now; SettingsError when they are wrong."""

    def __init__(
        self, keys: ServerKeys, settings: ServerSettings, load: Callable[[], ServerSettings], file: Path
    ) -> None:
        self._keys = keys
        self._in_use = settings.keys
        self._load = load
        self._file = file
        self._seen = _state((file, *settings.keys.files()))
        self.problem: str | None = None

    async def run(self) -> None:
        """For ever."""
        while True:
            await asyncio.sleep(self._in_use.reload.total_seconds())
            await self.once()

    async def once(self) -> bool:
        """Whether keys were replaced. A failure is kept in `problem` until the files are right again."""
        seen = _state((self._file, *self._in_use.files()))
        if seen == self._seen:
            return False
        self._seen = seen
        try:
            keys = (await asyncio.to_thread(self._load)).keys
            await self._keys.use(keys)
        except GatewayError as e:
            self.problem = e.safe_detail
            return False
        self.problem = None
        self._in_use = keys  # other files than before are looked at again the next time
        return True

    def check(self, _: datetime) -> Iterable[Problem]:
        """For health."""
        if self.problem is not None:
            yield Problem(
                "keys.reload",
                "warn",
                f"Changed keys are not in use, the old ones stay: {self.problem}",
                f"Khoá mới chưa được dùng, khoá cũ vẫn giữ: {self.problem}",
            )


def _state(files: Iterable[Path]) -> tuple[tuple[Path, int, int, int] | tuple[Path, None], ...]:
    return tuple(_stat(path) for path in files)


def _stat(path: Path) -> tuple[Path, int, int, int] | tuple[Path, None]:
    try:
        found = path.stat()
    except OSError:
        return path, None
    return path, found.st_mtime_ns, found.st_size, found.st_ino
