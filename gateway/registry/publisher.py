"""Publishes the global configuration as a Central Server does (reference 7.1, 7.2): signed anew every `publish.refresh`.

    /internalconf?version=N      the signed directory; without `version`, 2; 404 for versions that are not published
    /externalconf?version=N      the same for other instances: shared parameters only
    /V<N>/<stamp>/...            the files; those of the last few directories stay
    /anchor.xml                  what security servers start from; /external-anchor.xml for other instances

Everything is in memory. The stamp is the time in nanoseconds and grows with each signing, over restarts as well as long as the
clock does: clients refuse to go back.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from aiohttp import web

from gateway.core.digest import DigestAlgorithm
from gateway.core.errors import GatewayError, SettingsError
from gateway.core.globalconf.directory import LOCAL_NAMES, PRIVATE, SHARED, PartReference, build_directory
from gateway.registry.builder import Documents, build_documents
from gateway.settings.registry import RegistrySettings

_KEPT = 5  # generations: longer than any client takes between reading a directory and its files
_DEFAULT_VERSION = "2"


@dataclass(frozen=True, slots=True)
class Publication:
    """One generation. `directories`: by (`internalconf` | `externalconf`, version); `files`: by path."""

    directories: Mapping[tuple[str, str], bytes]
    files: Mapping[str, bytes]


def sign_documents(documents: Documents, stamp: int, now: datetime, new_boundary: Callable[[], str]) -> Publication:
    """KeyTokenError when the key cannot sign directories."""
    directories: dict[tuple[str, str], bytes] = {}
    files: dict[str, bytes] = {}
    for version in documents.shared:
        parts = []
        for identifier, data in ((SHARED, documents.shared[version]), (PRIVATE, documents.private[version])):
            path = f"/V{version}/{stamp}/{LOCAL_NAMES[identifier]}"
            files[path] = data
            parts.append(PartReference(identifier, documents.instance, path, DigestAlgorithm.SHA512.of(data)))
        for name, named in (("internalconf", parts), ("externalconf", parts[:1])):
            directories[name, str(version)] = build_directory(
                named,
                expires=now + documents.valid_for,
                version=version,
                key=documents.identity.key,
                certificate=documents.identity.certificate,
                boundaries=(new_boundary(), new_boundary()),
            )
    return Publication(directories, files)


class Publisher:
    """`load` reads the settings anew; `clock` says what time it is, with time zone. For health: `last_success` (signing) and
    `last_error` (settings or files that could not be used; the last good ones are signed instead)."""

    def __init__(self, load: Callable[[], RegistrySettings], clock: Callable[[], datetime]) -> None:
        self._load = load
        self._clock = clock
        self._settings: RegistrySettings | None = None
        self._documents: Documents | None = None
        self._publications: deque[Publication] = deque(maxlen=_KEPT)
        self._stamp = 0
        self.last_success: datetime | None = None
        self.last_error: str | None = None

    @property
    def settings(self) -> RegistrySettings:
        """The last good settings. RuntimeError before the first `refresh`."""
        if self._settings is None:
            raise RuntimeError("nothing was published yet")
        return self._settings

    async def refresh(self) -> None:
        """Read, build, sign, swap. The first time a SettingsError is raised; later the last good documents are signed again."""
        await asyncio.to_thread(self._rebuild)
        documents = self._documents
        assert documents is not None
        now = self._clock()
        self._stamp = max(_stamp(now), self._stamp + 1)
        publication = await asyncio.to_thread(
            sign_documents, documents, self._stamp, now, lambda: secrets.token_hex(10)
        )
        self._publications.appendleft(publication)
        self.last_success = now

    async def run(self) -> None:
        """Refresh for ever; `refresh` must have succeeded once."""
        while True:
            await asyncio.sleep(self.settings.publish.refresh.total_seconds())
            try:
                await self.refresh()
            except GatewayError as e:
                self.last_error = str(e)

    def app(self) -> web.Application:
        """Serves what `refresh` published; 404 for everything else."""
        app = web.Application()
        app.router.add_get("/internalconf", self._directory("internalconf"))
        app.router.add_get("/externalconf", self._directory("externalconf"))
        app.router.add_get("/anchor.xml", self._anchor)
        app.router.add_get("/external-anchor.xml", self._anchor)
        app.router.add_get("/{path:V[2-6]/.*}", self._file)
        return app

    def _rebuild(self) -> None:
        try:
            settings = self._load()
            self._documents = build_documents(settings)
            self._settings, self.last_error = settings, None
        except SettingsError as e:
            if self._documents is None:
                raise
            self.last_error = str(e)

    def _directory(self, name: str) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def handle(request: web.Request) -> web.Response:
            version = request.query.get("version", _DEFAULT_VERSION)
            found = self._publications[0].directories.get((name, version)) if self._publications else None
            return _answer(found, "application/octet-stream")

        return handle

    async def _file(self, request: web.Request) -> web.Response:
        found = (p.files.get(request.path) for p in self._publications)
        return _answer(next((f for f in found if f is not None), None), "text/xml")

    async def _anchor(self, request: web.Request) -> web.Response:
        if self._documents is None:
            return _answer(None, "text/xml")
        is_own = request.path == "/anchor.xml"
        return _answer(self._documents.anchor if is_own else self._documents.external_anchor, "text/xml")


def _answer(body: bytes | None, content_type: str) -> web.Response:
    if body is None:
        return web.Response(status=404, text="not found\n")
    return web.Response(body=body, content_type=content_type, headers={"Cache-Control": "no-cache"})


def _stamp(now: datetime) -> int:
    """`yyyyMMddHHmmss` and nine digits of nanoseconds, in UTC."""
    return int(f"{now.astimezone(UTC):%Y%m%d%H%M%S%f}000")
