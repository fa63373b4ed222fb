"""The configuration client: one object, one global configuration, refreshed for as long as the server runs."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import aiohttp

from gateway.confclient.download import MAX_ANCHOR, fetch_anchor, fetch_directory, fetch_part, open_session
from gateway.confclient.locations import locations
from gateway.confclient.store import StateStore, read_saved_directory
from gateway.core.errors import GatewayError, PeerUnavailable, SignatureRejected, TrustOutdated
from gateway.core.globalconf.anchor import parse_anchor
from gateway.core.globalconf.model import Anchor, GlobalConfiguration
from gateway.core.globalconf.saved import load_saved
from gateway.core.globalconf.trusted import TrustedSet
from gateway.settings.server import GlobalConfigurationSource


class ConfigurationClient:
    """Implements the GlobalConf port. `state_dir` is this client's own; `clock` says what time it is, with time zone.

    For health: `last_success` and `last_error` (None after a success). `federation_errors`: by instance; they are no reason for
    a refresh to fail.
    """

    def __init__(self, source: GlobalConfigurationSource, state_dir: Path, clock: Callable[[], datetime]) -> None:
        self._source = source
        self._store = StateStore(state_dir)
        self._clock = clock
        self._current: GlobalConfiguration | None = None
        self._own: TrustedSet | None = None
        self._foreign: dict[str, TrustedSet] = {}
        self._last_locations: dict[str, str] = {}
        self.last_success: datetime | None = None
        self.last_error: str | None = None
        self.federation_errors: dict[str, str] = {}

    def current(self) -> GlobalConfiguration:
        """The configuration in force, expired or not. TrustOutdated when there never was one."""
        if self._current is None:
            raise TrustOutdated("There is no global configuration yet")
        return self._current

    async def start(self) -> None:
        """Return once a configuration that has not expired is in force: downloaded, or saved by an earlier run while the
        registry does not answer. Otherwise the GatewayError that says why there is none."""
        if self._source.directory is None:
            await self._restore()
        try:
            await self.refresh()
        except GatewayError:
            if self._current is None or not self._is_current(self._current):
                raise
        self.current().ensure_current(self._clock())

    async def run(self) -> None:
        """Refresh for ever. A failed round changes nothing and is tried again at the next."""
        while True:
            await asyncio.sleep(self._source.refresh.total_seconds())
            try:
                await self.refresh()
            except GatewayError:
                continue  # recorded by `refresh`; health and metrics show it, and in the end the expiry

    async def refresh(self) -> None:
        """One round. GatewayError when it failed; what was in force then stays in force."""
        try:
            if self._source.directory is not None:
                self._current = await asyncio.to_thread(self._read_directory, self._source.directory)
            else:
                await self._download()
        except GatewayError as e:
            self.last_error = str(e)
            raise
        self.last_success, self.last_error = self._clock(), None

    def _is_current(self, configuration: GlobalConfiguration) -> bool:
        return configuration.expires is None or self._clock() < configuration.expires

    def _read_directory(self, directory: Path) -> GlobalConfiguration:
        try:
            return load_saved(read_saved_directory(directory), self._current)
        except OSError as e:
            raise PeerUnavailable(
                f"The configuration directory cannot be read: {type(e).__name__}", code="conf_download_failed"
            ) from e

    # --- by anchor ---------------------------------------------------------------------------------------------------

    async def _restore(self) -> None:
        """Believe again what an earlier run believed. Nothing saved, or damaged: the download decides alone."""
        try:
            async with open_session() as session:
                self._own = TrustedSet(await self._anchor(session))
        except GatewayError as e:
            self.last_error = str(e)
            return
        await asyncio.to_thread(self._restore_set, self._own)
        self._foreign = self._federated(self._own)
        for foreign in self._foreign.values():
            await asyncio.to_thread(self._restore_set, foreign)
        if self._own.body is not None:
            self._current = self._own.configuration(self._foreign.values())

    def _restore_set(self, trusted: TrustedSet) -> None:
        try:
            saved = self._store.load(trusted.anchor)
            if saved is not None:
                trusted.restore(*saved)
        except (GatewayError, OSError) as e:
            self.last_error = f"The saved configuration of {trusted.instance} cannot be used: {e}"

    async def _anchor(self, session: aiohttp.ClientSession) -> Anchor:
        """From its file; or the one saved, while it is the pinned one or none is pinned; or from its URL.

        Without a pin the first anchor is believed and kept: a registry reached through somebody else's network later cannot
        exchange it. To exchange it on purpose, pin the new one or remove the saved one.
        """
        place = self._source.anchor
        assert place is not None
        try:
            pin = await asyncio.to_thread(self._source.anchor_digest)
            if place.startswith("file:"):
                return _checked_anchor(await asyncio.to_thread(_read_file, Path(place.removeprefix("file:"))), pin)
            saved = await asyncio.to_thread(self._store.load_anchor)
            if saved is not None and (pin is None or hashlib.sha256(saved).digest() == pin):
                return parse_anchor(saved)
            content = await fetch_anchor(session, place)
            anchor = _checked_anchor(content, pin)
            await asyncio.to_thread(self._store.save_anchor, content)
            return anchor
        except (OSError, ValueError, IndexError) as e:
            raise PeerUnavailable(
                f"The configuration anchor or its hash cannot be read: {type(e).__name__}", code="anchor_file_not_found"
            ) from e

    async def _download(self) -> None:
        async with open_session() as session:
            if self._own is None:
                self._own = TrustedSet(await self._anchor(session))
            await self._download_set(session, self._own, "internalconf")
            self._foreign = self._federated(self._own)
            for instance, foreign in self._foreign.items():
                try:
                    await self._download_set(session, foreign, "externalconf")
                    self.federation_errors.pop(instance, None)
                except GatewayError as e:
                    self.federation_errors[instance] = str(e)
        # if we crash here: the saved configuration is the new one, and is what the next start believes
        self._current = await asyncio.to_thread(
            self._own.configuration, tuple(self._foreign.values()), previous=self._current
        )

    def _federated(self, own: TrustedSet) -> dict[str, TrustedSet]:
        """Instances that the own one vouches for and our settings allow (reference 7.8). A changed anchor starts anew."""
        anchors = () if own.private is None else own.private.anchors
        allowed = [a for a in anchors if a.instance in self._source.allowed_federations and a.instance != own.instance]
        known = {i: s for i, s in self._foreign.items() if s.anchor in allowed}
        return {a.instance: known.get(a.instance) or TrustedSet(a, external=True) for a in allowed}

    async def _download_set(self, session: aiohttp.ClientSession, trusted: TrustedSet, path: str) -> None:
        """Try every location until one has a configuration to believe. The last error of all, when none has."""
        last = self._last_locations.get(trusted.instance)
        failures: list[str] = []
        cause: GatewayError | None = None
        for location in locations(trusted.anchor, trusted.shared, path=path, last=last):
            try:
                await self._download_from(session, trusted, location)
            except GatewayError as e:
                failures.append(f"{location}: {e}")
                cause = e
            else:
                self._last_locations[trusted.instance] = location
                return
        raise PeerUnavailable(
            f"No source has a valid configuration of {trusted.instance}: {'; '.join(failures)}",
            code="conf_download_failed",
        ) from cause

    async def _download_from(self, session: aiohttp.ClientSession, trusted: TrustedSet, location: str) -> None:
        body = await fetch_directory(session, location)
        missing = await asyncio.to_thread(trusted.offer_directory, body, self._clock())
        for reference in missing:
            data = await fetch_part(session, location, reference.location)
            await asyncio.to_thread(trusted.offer_part, reference, data)
        trusted.accept()
        try:
            await asyncio.to_thread(self._store.save, trusted.anchor, body, trusted.files)
        except OSError as e:
            raise PeerUnavailable(
                f"The configuration cannot be saved: {type(e).__name__}", code="conf_download_failed"
            ) from e


def _read_file(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(MAX_ANCHOR)


def _checked_anchor(content: bytes, pin: bytes | None) -> Anchor:
    if pin is not None and hashlib.sha256(content).digest() != pin:
        raise SignatureRejected("The configuration anchor is not the pinned one", code="malformed_anchor")
    return parse_anchor(content)
